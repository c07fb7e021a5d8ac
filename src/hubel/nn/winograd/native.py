"""The transforms of Winograd's convolution in C, compiled for this processor at their first use.

They read and write each number once, where PyTorch's copies and matrix products pass over the
memory several times. Compiling takes about a second; the library is kept in the cache folder. It
runs on the OpenMP that PyTorch has loaded, so both share one set of threads. Without a C compiler,
on another system than Linux, or with HUBEL_NATIVE=0, there is none.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from torch import Tensor

from hubel.nn.winograd.tiling import IN, Tiling, Workspace
from hubel.results.cache_folder import cache_folder

LANES: Final = 16
"""Channels must be a multiple of it."""
SWITCH: Final = "HUBEL_NATIVE"
"""Environment variable; 0 compiles nothing."""
COMPILERS: Final = ("cc", "gcc", "clang")
LONGEST_S: Final = 60.0
_SOURCE: Final = Path(__file__).with_name("transforms.c")
_FLAGS: Final = ("-O3", "-std=gnu11", "-fopenmp", "-fPIC", "-shared")
_TUNED: Final = {"x86_64": "-march=native", "aarch64": "-mcpu=native"}
_FUNCTIONS: Final = ("input_tiles", "output_tiles", "join_outputs", "add_inputs")


class _Shape(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_long)
        for name in (
            *("pictures", "height", "width", "channels"),
            *("rows", "columns", "above", "left", "threads"),
        )
    ]  # fmt: skip


def is_native(inputs: int, outputs: int) -> bool:
    """Return whether a convolution of so many channels can have its transforms in C, here."""
    return inputs % LANES == 0 and outputs % LANES == 0 and library() is not None


@cache
def library() -> ctypes.CDLL | None:
    """Return the compiled transforms, compiled now where nobody has; None where they cannot be."""
    tuned = _TUNED.get(platform.machine())
    if os.environ.get(SWITCH) == "0" or sys.platform != "linux" or tuned is None:
        return None
    named = os.environ.get("CC", "").split()
    found = next((path for path in map(shutil.which, named[:1] or COMPILERS) if path), None)
    if found is None:
        return None
    command = [found, *named[1:], *_FLAGS, tuned]
    path = cache_folder() / f"winograd-{_digest(command)}.so"
    try:
        loaded = _loaded(path)
        if loaded is None:
            _compile(command, path)
            loaded = ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None
    for name in _FUNCTIONS:
        getattr(loaded, name).argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(_Shape)
        getattr(loaded, name).restype = None
    return loaded


def _loaded(path: Path) -> ctypes.CDLL | None:
    """Return the library that was kept; None where there is none, or it is damaged."""
    try:
        return ctypes.CDLL(str(path)) if path.is_file() else None
    except OSError:
        return None


def _digest(command: list[str]) -> str:
    """Return what the library depends on: source, command, and the instructions that are here."""
    found = hashlib.sha256(_SOURCE.read_bytes())
    found.update(repr((command, platform.machine(), platform.libc_ver())).encode())
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    kinds = ("model name", "flags", "features", "cpu part")
    found.update(repr(sorted({one for one in lines if one.lower().startswith(kinds)})).encode())
    return found.hexdigest()[:16]


def _compile(command: list[str], path: Path) -> None:
    """Make the library; another process that makes it too does no harm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix="compiling-") as folder:
        made = Path(folder) / path.name
        subprocess.run(  # noqa: S603 - the compiler that was found, on hubel's own source
            [*command, "-o", str(made), str(_SOURCE)],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST_S,
        )
        made.replace(path)


class Native:
    """The four transforms of groups of pictures, (n, height, width, channels), as `ByTorch` has.

    Only for float32 on a processor, contiguous pictures, and channels as `is_native` says.
    """

    def __init__(self, tiling: Tiling, work: Workspace, functions: ctypes.CDLL) -> None:
        """Compute with the functions of `library`."""
        self._tiling, self._work, self._functions = tiling, work, functions

    def input_tiles(self, pictures: Tensor) -> Tensor:
        """Return  Bᵀ d B  of the overlapping input tiles d."""
        tiling = self._tiling
        tiles = self._tiles("inputs", len(pictures), tiling.inputs)
        self._functions.input_tiles(*_addresses(pictures, tiles), self._of_inputs(len(pictures)))
        return tiles

    def output_tiles(self, pictures: Tensor) -> Tensor:
        """Return  A e Aᵀ  of the output tiles e."""
        tiles = self._tiles("outputs", len(pictures), self._tiling.outputs)
        self._functions.output_tiles(*_addresses(pictures, tiles), self._of_outputs(len(pictures)))
        return tiles

    def join_outputs(self, tiles: Tensor, pictures: Tensor) -> None:
        """Fill outputs with  Aᵀ m A  of the products m."""
        self._functions.join_outputs(*_addresses(tiles, pictures), self._of_outputs(len(pictures)))

    def add_inputs(self, tiles: Tensor, pictures: Tensor) -> None:
        """Fill inputs with sums of  B v Bᵀ  over the tiles v that a place lies in."""
        self._functions.add_inputs(*_addresses(tiles, pictures), self._of_inputs(len(pictures)))

    def _tiles(self, name: str, pictures: int, channels: int) -> Tensor:
        rows, columns = self._tiling.tiles
        return self._work.empty(name, IN * IN, pictures * rows * columns, channels)

    def _of_inputs(self, pictures: int) -> ctypes.Structure:
        tiling = self._tiling
        return self._shape(pictures, tiling.size, tiling.inputs, tiling.padding)

    def _of_outputs(self, pictures: int) -> ctypes.Structure:
        return self._shape(pictures, self._tiling.output_size, self._tiling.outputs, (0, 0))

    def _shape(
        self, pictures: int, size: tuple[int, int], channels: int, padding: tuple[int, int]
    ) -> ctypes.Structure:
        threads = torch.get_num_threads()
        return _Shape(pictures, *size, channels, *self._tiling.tiles, *padding, threads)


def _addresses(*tensors: Tensor) -> tuple[int, ...]:
    return tuple(tensor.data_ptr() for tensor in tensors)
