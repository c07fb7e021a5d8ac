"""Checkpoints: all state of a training in one safetensors file, written atomically.

One file holds everything, so that no two parts of a state can ever disagree. The header carries
the plain values as JSON and a SHA-256 over values and tensors; a file that was cut off, or changed,
is told from a good one. Before a new `last` is moved into place, the old one becomes `previous`.
The weights of a finished run have the same kind of header, with no values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from hubel.errors import RunError
from hubel.results.files import atomic, write_bytes

LAST: Final = "last.safetensors"
PREVIOUS: Final = "previous.safetensors"
BEST: Final = "best.safetensors"
_FORMAT: Final = 1
_HEADER: Final = "hubel"
_UNREADABLE: Final = (
    *(SafetensorError, ValueError, RecursionError, RuntimeError, KeyError, TypeError),
)
_MAX_HEADER: Final = 1 << 25
"""Bytes of the largest header that is read; hubel's hold a line a tensor and a line a pass."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors and plain values of a training at one step."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]
    """JSON values."""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose name begins with `prefix` and a dot, without them."""
        start = f"{prefix}."
        return {
            name.removeprefix(start): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(start)
        }


def digest_of(tensors: Mapping[str, Tensor], values: str = "") -> str:
    """Return SHA-256 over names, types, shapes and bytes of `tensors`, and over `values`."""
    sha = hashlib.sha256(values.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        sha.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def save(path: Path, checkpoint: Checkpoint, *, keep: Path | None = None) -> None:
    """Write `checkpoint` to `path` atomically; the file that stood there moves to `keep`.

    Errors: RunError where the disk is full or the folder cannot be written; what stood there is
    intact then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"Could not make {path.parent}: {error.strerror}.") from error
    data = _sealed(checkpoint.tensors, json.dumps(checkpoint.values))
    with atomic(path) as temporary:
        temporary.write_bytes(data)
        if keep is not None and path.exists():
            path.replace(keep)


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors alone, with their digest, to `path`, atomically.

    The same tensors give the same bytes. Errors: RunError as in `save`.
    """
    write_bytes(path, _sealed(tensors, ""))


def load(path: Path) -> Checkpoint:
    """Read and verify a checkpoint.

    Errors: RunError where it is missing, cut off or changed.
    """
    tensors, text = _unsealed(path)
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read as a checkpoint: {error}.") from error
    if not isinstance(values, dict):
        raise RunError(f"{path} cannot be read as a checkpoint: it has no values.")
    return Checkpoint(tensors, cast("dict[str, Any]", values))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read and verify a file of tensors.

    Errors: RunError where it is missing, cut off or changed, or was not written by hubel.
    """
    return _unsealed(path)[0]


def _sealed(tensors: Mapping[str, Tensor], values: str) -> bytes:
    """Return a safetensors file with `values`, and with a SHA-256 over both in its header."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    # One entry, since safetensors writes several in an order of its own each time.
    header = json.dumps({"format": _FORMAT, "values": values, "sha256": digest_of(plain, values)})
    return to_bytes(plain, metadata={_HEADER: header})


def _unsealed(path: Path) -> tuple[dict[str, Tensor], str]:
    """Return tensors and values of a file that `_sealed` made."""
    try:
        _check_header(path)
        with safe_open(path, framework="pt") as file:
            header: Any = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise RunError(f"Could not read {path}: {error.strerror or error}.") from error
    # The library's Python side raises whatever it stumbles over in a header made to deceive.
    except _UNREADABLE as error:
        raise RunError(f"{path} is damaged: it is no safetensors file ({error}).") from error
    parts: dict[str, Any] = header if isinstance(header, dict) else {}
    values, sha256 = parts.get("values"), parts.get("sha256")
    if parts.get("format") != _FORMAT or not isinstance(values, str):
        raise RunError(f"{path} is damaged or was not written by hubel: it has no digest.")
    if sha256 != digest_of(tensors, values):
        raise RunError(f"{path} is damaged: its digest does not fit its content.")
    return tensors, values


def _check_header(path: Path) -> None:
    """Refuse a header that says it is larger than any of hubel's; ValueError."""
    with path.open("rb") as file:
        start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > _MAX_HEADER:
        raise ValueError(f"its header has {length:,} bytes, at most {_MAX_HEADER:,} are read")


def steps_done(checkpoint: Checkpoint) -> int:
    """Return how many updates stand behind a checkpoint; RunError where it does not say."""
    step: Any = checkpoint.values.get("step")
    if not isinstance(step, int) or step < 0:
        raise RunError("The checkpoint is damaged: it does not say how many steps are done.")
    return step


def load_newest(folder: Path) -> tuple[Checkpoint, str]:
    """Return the newest good checkpoint of a run, and a sentence where it is not the last.

    Errors: RunError where neither `last` nor `previous` is good.
    """
    problems: list[str] = []
    for name in (LAST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            checkpoint = load(path)
        except RunError as error:
            problems.append(str(error))
            continue
        if problems:
            return checkpoint, f"{problems[0]} The checkpoint before it is used: {path}."
        return checkpoint, ""
    if problems:
        raise RunError(
            f"No checkpoint of this run is good: {' '.join(problems)} Train again from the start."
        )
    raise RunError(f"{folder} holds no checkpoint: train again from the start.")
