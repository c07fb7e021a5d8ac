"""hubel's functions in C, compiled for this processor at their first use.

PyTorch's operations pass over the memory once each; these read and write each number as seldom as
the formula allows. Compiling takes a second or two; the library is kept in the cache folder. It
runs on the OpenMP that PyTorch has loaded, so both share one set of threads. Without a C compiler,
on another system than Linux, or with HUBEL_NATIVE=0, there is none, and PyTorch computes.
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

from torch import Tensor

from hubel.results.cache_folder import cache_folder

LANES: Final = 16
"""Channels must be a multiple of it. The functions' vectors have so many numbers."""
SWITCH: Final = "HUBEL_NATIVE"
"""Environment variable; 0 compiles nothing."""
COMPILERS: Final = ("cc", "gcc", "clang")
LONGEST_S: Final = 60.0
_SOURCES: Final = tuple(
    Path(__file__).with_name(f"{name}.c") for name in ("normalisation", "winograd")
)
_HEADER: Final = Path(__file__).with_name("lanes.h")
_FLAGS: Final = ("-O3", "-std=gnu11", "-fopenmp", "-fPIC", "-shared", f"-DLANES={LANES}")
_TUNED: Final = {"x86_64": "-march=native", "aarch64": "-mcpu=native"}
_NUMBERS: Final = ctypes.c_void_p
_WINOGRAD: Final = ("input_tiles", "output_tiles", "join_outputs", "add_inputs")


class Tiled(ctypes.Structure):
    """How `winograd.c` is told of pictures and tiles."""

    _fields_ = [
        (name, ctypes.c_long)
        for name in (
            *("pictures", "height", "width", "channels"),
            *("rows", "columns", "above", "left", "threads"),
        )
    ]


class Task(ctypes.Structure):
    """How `normalisation.c` is told of activations."""

    _fields_ = [
        *((name, ctypes.c_long) for name in ("places", "channels", "threads")),
        *((name, ctypes.c_float) for name in ("low", "high")),
        *((name, ctypes.c_double) for name in ("momentum", "epsilon")),
    ]


def address(tensor: Tensor | None) -> int | None:
    """Return where the numbers of a contiguous tensor begin."""
    return None if tensor is None else tensor.data_ptr()


def functions() -> ctypes.CDLL:
    """Return the functions where it is known that there are some."""
    found = library()
    assert found is not None
    return found


@cache
def library() -> ctypes.CDLL | None:
    """Return the functions, compiled now where nobody has; None where they cannot be."""
    tuned = _TUNED.get(platform.machine())
    if os.environ.get(SWITCH) == "0" or sys.platform != "linux" or tuned is None:
        return None
    named = os.environ.get("CC", "").split()
    found = next((path for path in map(shutil.which, named[:1] or COMPILERS) if path), None)
    if found is None:
        return None
    command = [found, *named[1:], *_FLAGS, tuned]
    path = cache_folder() / f"native-{_digest(command)}.so"
    try:
        loaded = _loaded(path)
        if loaded is None:
            _compile(command, path)
            loaded = ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None
    _declare(loaded)
    return loaded


def _declare(loaded: ctypes.CDLL) -> None:
    """Say what the functions take and give."""
    for name in _WINOGRAD:
        getattr(loaded, name).argtypes = _NUMBERS, _NUMBERS, ctypes.POINTER(Tiled)
        getattr(loaded, name).restype = None
    task = ctypes.POINTER(Task)
    loaded.normalise.argtypes = *(_NUMBERS,) * 7, task
    loaded.normalise_back.argtypes = *(_NUMBERS,) * 6, task
    loaded.scale_and_clamp.argtypes = *(_NUMBERS,) * 4, task
    loaded.scale_and_clamp.restype = None


def _loaded(path: Path) -> ctypes.CDLL | None:
    """Return the library that was kept; None where there is none, or it is damaged."""
    try:
        return ctypes.CDLL(str(path)) if path.is_file() else None
    except OSError:
        return None


def _digest(command: list[str]) -> str:
    """Return what the library depends on: source, command, and the instructions that are here."""
    found = hashlib.sha256(b"".join(path.read_bytes() for path in (*_SOURCES, _HEADER)))
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
            [*command, "-o", str(made), *map(str, _SOURCES), "-lm"],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST_S,
        )
        made.replace(path)
