"""Networks of other libraries: torchvision:NAME and timm:NAME, with fresh weights.

Both are imported when one of their networks is built: that takes seconds.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from torch import nn

from hubel.errors import MissingExtraError, UsageError, did_you_mean


def build_torchvision(
    name: str, outputs: int, channels: int, size: int, arguments: Mapping[str, Any]
) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a classification network of torchvision, and notes on what was changed to fit.

    Auxiliary outputs are off; transformers get the picture's size; for `channels` other than 3
    the first convolution is built again. Errors: UsageError.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UsageError(f"torchvision has no network {name!r}: {_near(name, known)}")
    settings = {**sized(name, size), "num_classes": outputs, **arguments}
    try:
        module = models.get_model(name, weights=None, **settings)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"torchvision:{name} cannot be built: {_sentence(error)}.") from error
    if channels == 3:
        return module, ()
    return module, (_rebuild_first(module, f"torchvision:{name}", channels),)


def build_timm(
    name: str, outputs: int, channels: int, size: int, arguments: Mapping[str, Any]
) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a network of timm, which adapts classes and channels itself.

    Errors: MissingExtraError without timm; UsageError.
    """
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        raise MissingExtraError(f"timm:{name}", "timm") from None
    if not timm.is_model(name):
        raise UsageError(f"timm has no network {name!r}: {_near(name, timm.list_models())}")
    settings: dict[str, Any] = {"num_classes": outputs, "in_chans": channels, **arguments}
    if timm.models.get_pretrained_cfg_value(name, "fixed_input_size"):
        settings = {"img_size": size, **settings}
    try:
        return timm.create_model(name, pretrained=False, **settings), ()
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise UsageError(f"timm:{name} cannot be built: {_sentence(error)}.") from error


def library_shape(library: str, name: str) -> tuple[int, int, int]:
    """Return channels, height and width that a library's network was published for.

    3x224x224 where the library does not say. The network's own weights say it in torchvision, its
    configuration in timm.
    """
    if library == "timm":
        timm = importlib.import_module("timm")
        channels, height, width = timm.models.get_pretrained_cfg(name).input_size
        return channels, height, width
    from torchvision import models

    entries = list(models.get_model_weights(name))
    size = entries[0].transforms.keywords["crop_size"] if entries else 224
    return 3, size, size


def sized(name: str, size: int) -> dict[str, Any]:
    """Return the settings by which some families of torchvision differ."""
    if name.startswith("vit_"):
        return {"image_size": size}
    if name.startswith("maxvit"):
        return {"input_size": (size, size)}
    if name in {"googlenet", "inception_v3"}:
        return {"aux_logits": False, "init_weights": True}
    return {}


def _rebuild_first(module: nn.Module, name: str, channels: int) -> str:
    """Replace the first convolution over 3 channels by one over `channels`; return the note."""
    for path, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.in_channels == 3 and layer.groups == 1:
            parent = module.get_submodule(path.rpartition(".")[0])
            fresh = nn.Conv2d(
                channels,
                layer.out_channels,
                layer.kernel_size,  # pyright: ignore[reportArgumentType]
                layer.stride,  # pyright: ignore[reportArgumentType]
                layer.padding,  # pyright: ignore[reportArgumentType]
                layer.dilation,  # pyright: ignore[reportArgumentType]
                bias=layer.bias is not None,
                padding_mode=layer.padding_mode,
            )
            setattr(parent, path.rpartition(".")[2], fresh)
            return (
                f"{name}: its first convolution ({path}) was built again for {channels} channels."
            )
    raise UsageError(
        f"{name} has no convolution over 3 channels that could be built for {channels}."
    )


def _near(name: str, known: list[str]) -> str:
    """Return close matches among many names, without listing them all."""
    return did_you_mean(name, known) or "look at its documentation."


def _sentence(error: BaseException) -> str:
    """Return the first line of an error's text, without a full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
