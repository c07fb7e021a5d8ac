"""Published weights: which there are for a network, and how each is fetched and checked."""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from hubel.architectures.architecture import PublishedWeights
from hubel.architectures.libraries import sized
from hubel.architectures.table import ARCHITECTURES
from hubel.architectures.weights.packages import PACKAGES, package_reading, package_state
from hubel.architectures.weights.reading import Reading
from hubel.errors import HubelError, MissingExtraError, UsageError, WeightsError, look_up

REPACKED: Final = frozenset({"googlenet", "inception_v3"})
"""Networks of torchvision that scale their input again, to mean and deviation 1/2."""
OFFLINE: Final = "--model efficientnet_lite0 needs no network, with the extra [weights]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One mechanism by which weights are published; its functions take the name after the colon."""

    state: Callable[[str], dict[str, Tensor]]
    reading: Callable[[str], Reading]


def published_weights(model: str, entry: str | None = None) -> PublishedWeights:
    """Return the published weights of a network, by its model name.

    `entry` names one of several: an origin of the network's page or its last part, an entry of
    torchvision (IMAGENET1K_V1), or a tag of timm; None is the first, or the library's default.
    Errors: UsageError where there are none, or not this one.
    """
    library, _, name = model.partition(":")
    if library == "torchvision":
        return PublishedWeights(origin=f"{model}.{_torchvision_entry(name, entry).name}")
    if library == "timm":
        return PublishedWeights(origin=f"{model}.{_timm_tag(name, entry)}")
    architecture = ARCHITECTURES.get(model)
    if architecture is None or not architecture.weights:
        known = ", ".join(other.name for other in ARCHITECTURES.values() if other.weights)
        raise UsageError(
            f"{model} has no published weights: leave out --pretrained, or take another --model: "
            f"{known or 'torchvision:NAME, timm:NAME'}."
        )
    if entry is None:
        return architecture.weights[0]
    ends = {weights.origin: weights for weights in architecture.weights}
    ends |= {weights.origin.rpartition(".")[2]: weights for weights in architecture.weights}
    return look_up(ends, entry, f"entry of {model}'s weights")


def reading_of(origin: str) -> Reading:
    """Return how pictures were read for the weights of an origin; needs no network."""
    kind, _, name = origin.partition(":")
    return look_up(KINDS, kind, "kind of weights").reading(name)


def fetch(origin: str) -> dict[str, Tensor]:
    """Return the tensors of published weights, in the order of the network's layers.

    Files are checked against their digests, and read without running code. Errors: WeightsError
    where they cannot be had or are damaged; MissingExtraError without the package.
    """
    kind, _, name = origin.partition(":")
    state = look_up(KINDS, kind, "kind of weights").state
    try:
        return state(name)
    except HubelError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0].rstrip('.')}"
        if "invalid hash value" in reason:
            raise WeightsError(
                f"The file of the weights {origin} is damaged or not the published one, and was "
                f"not used ({reason}): try again."
            ) from error
        raise WeightsError(
            f"Could not fetch the weights {origin} ({reason}): look at the network connection; "
            f"{_offline(name)}."
        ) from error


def _offline(name: str) -> str:
    """Return which weights of a package could be used instead."""
    model = re.split(r"[.]", name)[0]
    if model in PACKAGES:
        return f"--model {model} --weights package:{model} needs none, with the extra [weights]"
    return OFFLINE


def _torchvision_entry(name: str, entry: str | None) -> Any:
    """Return an entry of torchvision's enumeration of weights."""
    from torchvision import models  # here: importing it takes two seconds

    known = models.list_models(module=models)
    look_up(dict.fromkeys(known), name, "network of torchvision")
    enumeration: Any = models.get_model_weights(name)
    if entry is None:
        return enumeration.DEFAULT
    return look_up(enumeration.__members__, entry, f"entry of torchvision:{name}'s weights")


def _torchvision_reading(name: str) -> Reading:
    model, _, entry = name.partition(".")
    transforms = _torchvision_entry(model, entry).transforms()
    size, around = transforms.crop_size[0], transforms.resize_size[0]
    mean, std = tuple(transforms.mean), tuple(transforms.std)
    if model in REPACKED:
        mean = std = (0.5, 0.5, 0.5)
    return Reading(size=size, share=min(1.0, size / around), mean=mean, std=std)


def _torchvision_state(name: str) -> dict[str, Tensor]:
    """Fetch weights by torchvision, and bring them into the order of its network."""
    from torchvision import models

    model, _, entry = name.partition(".")
    weights = _torchvision_entry(model, entry)
    _refuse_damaged(weights.url)
    state: dict[str, Tensor] = weights.get_state_dict(
        progress=False, check_hash=True, weights_only=True, map_location="cpu"
    )
    # The files of DenseNet are older than its layers' names: norm.1 is norm1 today.
    state = {re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", key): t for key, t in state.items()}
    settings = sized(model, weights.transforms().crop_size[0])
    if "aux_logits" in settings:
        settings |= {"aux_logits": True, "init_weights": False}
    with torch.device("meta"):
        names = list(models.get_model(model, weights=None, **settings).state_dict())
    known = {key: state[key] for key in names if key in state}
    return known | {key: tensor for key, tensor in state.items() if key not in names}


def _refuse_damaged(url: str) -> None:
    """Check a file that was fetched before: torch checks its digest only when it comes."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    wanted = re.search(r"-([a-f0-9]*)\.", path.name)
    if wanted is None or not path.is_file():
        return
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(wanted[1]):
        raise WeightsError(
            f"The weights {path} are damaged: their SHA-256 begins with {digest[: len(wanted[1])]} "
            f"instead of {wanted[1]}; delete the file, so that it is fetched again."
        )


def _timm() -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise MissingExtraError("A network of timm", "timm") from None


def _timm_tag(name: str, entry: str | None) -> str:
    """Return the tag of timm's weights: the one asked for, or the default."""
    timm = _timm()
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{name}.*")]
    if not tags:
        raise UsageError(f"timm:{name} has no published weights: leave out --pretrained.")
    if entry is not None:
        look_up(dict.fromkeys(tags), entry, f"tag of timm:{name}'s weights")
        return entry
    default: str = timm.models.get_pretrained_cfg(name).tag
    return default if default in tags else tags[0]


def _timm_reading(name: str) -> Reading:
    found = _timm().models.get_pretrained_cfg(name)
    if found is None:
        raise UsageError(f"timm has no weights {name!r}: look at its list of networks.")
    return Reading(
        size=found.input_size[1],
        fit="squash" if found.crop_mode == "squash" else "crop",
        share=min(1.0, found.crop_pct or 0.875),
        mean=tuple(found.mean),
        std=tuple(found.std),
    )


def _timm_state(name: str) -> dict[str, Tensor]:
    """Let timm fetch its weights into its own network, whose order is the network's."""
    timm = _timm()
    timm.models.set_pretrained_check_hash(True)
    return timm.create_model(name, pretrained=True).state_dict()


KINDS: Final[Mapping[str, Kind]] = {
    "torchvision": Kind(state=_torchvision_state, reading=_torchvision_reading),
    "timm": Kind(state=_timm_state, reading=_timm_reading),
    "package": Kind(state=package_state, reading=package_reading),
}
