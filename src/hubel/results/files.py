"""Reading and writing of JSON and other small files: typed, atomic, with one-sentence errors.

The JSON files of a run end with the SHA-256 of what they say, so that a file that was changed, by
a failing disk or by a hand, is told from one that hubel wrote. That is no signature: whoever can
write the file can also compute its digest anew.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec
import numpy as np

from hubel.errors import RunError

Result = TypeVar("Result")

DIGEST: Final = "sha256"
"""Key of the digest in a JSON file of a run."""
MAX_INTEGER: Final = 2**64
"""Largest whole number that a JSON file may hold: no count, size or seed of hubel's is larger."""
MAX_BYTES: Final = 1 << 30
"""Largest JSON file that is read: what is decoded takes memory in proportion."""


@contextmanager
def atomic(path: Path) -> Generator[Path]:
    """Give a temporary path beside `path`; when the block ends well, sync it and move it there.

    A reader sees the old file or the new file, never a part. What a link points to is replaced,
    not the link; what is no file (/dev/stdout, a pipe) is written as it is. Errors: RunError when
    the disk is full or the folder cannot be written; the old file is intact then.
    """
    if path.is_symlink():
        path = path.resolve()
    if path.exists() and not path.is_file() and not path.is_dir():
        with _named(path):
            yield path
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise RunError(
            f"Could not write {path}: {error.strerror or error}; the file before it is intact. "
            "Free some space or choose another folder with --out."
        ) from error
    finally:
        # What kept the file from being written may keep it from being removed.
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def _named(path: Path) -> Generator[None]:
    """Name what could not be written; RunError."""
    try:
        yield
    except OSError as error:
        raise RunError(f"Could not write {path}: {error.strerror or error}.") from error


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable (POSIX only; elsewhere the rename itself must do)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def to_json(result: Any, *, indent: int = 2) -> bytes:
    """Return a result dataclass as JSON; NaN and infinities become null."""
    data = msgspec.json.encode(result, enc_hook=_plain)
    return msgspec.json.format(data, indent=indent) if indent else data


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as Python's own number; JSON knows no other."""
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} has no place in JSON")


def write_json(path: Path, result: Any, *, indent: int = 2) -> None:
    """Write a result dataclass to `path` as JSON with its digest, atomically.

    With `indent` 0 it stands on one line: for long tables of numbers.
    """
    values: dict[str, Any] = msgspec.json.decode(to_json(result, indent=0))
    sealed = {**values, DIGEST: digest_of(values)}
    data = msgspec.json.encode(sealed)
    write_bytes(path, (msgspec.json.format(data, indent=indent) if indent else data) + b"\n")


def digest_of(values: dict[str, Any]) -> str:
    """Return the SHA-256 of JSON values, written without spaces, keys in their order.

    Spaces and line breaks of a file do not count: they are lost and added in honest ways.
    """
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()


def read_json(path: Path, kind: type[Result]) -> Result:
    """Read a result dataclass from `path`, checking its digest and every type.

    Errors: RunError that names the file and the first wrong place.
    """
    try:
        values = _decoded(path)
        _require_usual(values)
        stored = values.pop(DIGEST, None)
        result = msgspec.convert(nulls_to_nan(values, kind), kind)
        if stored != digest_of(values):
            what = "has no" if stored is None else "says something else than its"
            raise msgspec.ValidationError(f"it {what} {DIGEST}")
    except OSError as error:
        raise RunError(f"Could not read {path}: {error.strerror or error}.") from error
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged or was edited: {error}. Restore it, or run the stage again."
        ) from error
    return result


def _decoded(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; ValidationError for anything else."""
    if path.stat().st_size > MAX_BYTES:
        raise msgspec.ValidationError(f"it is larger than {MAX_BYTES >> 20:,} MiB")
    values: Any = msgspec.json.decode(path.read_bytes())
    if not isinstance(values, dict):
        raise msgspec.ValidationError(f"Expected `object`, got `{type(values).__name__}`")
    return cast("dict[str, Any]", values)


def _require_usual(value: Any) -> None:
    """Raise ValidationError for a whole number so large that arithmetic with it would fail."""
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise msgspec.ValidationError(f"a number of {len(str(abs(value)))} digits stands in it")
    children: Iterable[Any] = ()
    if isinstance(value, dict):
        children = cast("dict[str, Any]", value).values()
    elif isinstance(value, list):
        children = cast("list[Any]", value)
    for child in children:
        _require_usual(child)


def nulls_to_nan(value: Any, kind: Any) -> Any:
    """Return a JSON value with null replaced by NaN wherever `kind` wants a float."""
    if kind is float:
        return math.nan if value is None else value
    info = msgspec.inspect.type_info(kind)
    return _restore(value, info)


def _restore(value: Any, info: msgspec.inspect.Type) -> Any:
    """Walk a JSON value and its type together, turning null into NaN at floats."""
    match info, value:
        case msgspec.inspect.FloatType(), None:
            return math.nan
        case msgspec.inspect.DataclassType(fields=fields), dict():
            types = {field.encode_name: field.type for field in fields}
            return {
                name: _restore(item, types[name]) if name in types else item
                for name, item in value.items()
            }
        case msgspec.inspect.VarTupleType(item_type=item), list():
            return [_restore(entry, item) for entry in value]
        case msgspec.inspect.TupleType(item_types=items), list():
            return [_restore(entry, item) for entry, item in zip(value, items, strict=False)]
        case msgspec.inspect.DictType(value_type=item), dict():
            return {name: _restore(entry, item) for name, entry in value.items()}
        case msgspec.inspect.UnionType(types=types), _ if value is not None:
            known = [kind for kind in types if not isinstance(kind, msgspec.inspect.NoneType)]
            return _restore(value, known[0]) if len(known) == 1 else value
        case _:
            return value
