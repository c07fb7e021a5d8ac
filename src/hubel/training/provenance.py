"""Where a result comes from: versions, hardware, command."""

from __future__ import annotations

import hashlib
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from hubel.results import Provenance

PACKAGES: Final = (
    "torchvision",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "scikit-learn",
    "safetensors",
)
MISSING: Final = "not installed"


def provenance(
    *, seed: int, data_digest: str, model_digest: str = "", threads: int | None = None
) -> Provenance:
    """Return what one must know to make a result again, as it is now in this process.

    `threads` are those of the arithmetic [default: as PyTorch has them now].
    """
    import torch

    return Provenance(
        hubel=_version("hubel"),
        python=platform.python_version(),
        torch=str(torch.__version__),
        packages={name: _version(name) for name in PACKAGES},
        platform=platform.platform(),
        processor=processor_name(),
        threads=torch.get_num_threads() if threads is None else threads,
        seed=seed,
        data_digest=data_digest,
        model_digest=model_digest,
        command=command(sys.argv),
    )


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def command(arguments: list[str]) -> str:
    """Return the command line as a person would type it, without the program's folder.

    >>> command(["/home/me/.venv/bin/hubel", "train", "my pictures"])
    "hubel train 'my pictures'"
    """
    if not arguments or not arguments[0]:
        return "python"
    program = Path(arguments[0])
    if program.name == "__main__.py":
        return shlex.join(["python", "-m", program.parent.name, *arguments[1:]])
    return shlex.join([program.name, *arguments[1:]])


def processor_name(cpu_info: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name: from Linux where it says, else what the platform calls it."""
    try:
        lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, name = line.partition(":")
        if key.strip() in {"model name", "Model"} and name.strip():
            return name.strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    """Return the installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING
