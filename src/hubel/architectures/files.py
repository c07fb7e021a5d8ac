"""Networks that a user's own Python file makes: path/to/file.py:factory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from hubel.errors import UsageError, close_matches


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFactory:
    """A function of a Python file that makes networks, and the file as it was run."""

    name: str
    function: Callable[..., Any]
    digest: str
    """SHA-256 of the text that was run, hexadecimal."""
    text: str

    def build(self, **arguments: Any) -> nn.Module:
        """Call the function; UsageError where it fails or returns no network."""
        try:
            module = self.function(**arguments)
        except Exception as error:
            raise UsageError(
                f"{self.name} failed with {type(error).__name__}: {error}; it is called as "
                f"factory({', '.join(f'{name}={value!r}' for name, value in arguments.items())})."
            ) from error
        if not isinstance(module, nn.Module):
            raise UsageError(
                f"{self.name} must return a torch.nn.Module, but returned {type(module).__name__}."
            )
        return module


def is_file_name(name: str) -> bool:
    """Return whether a model name means a Python file: FILE.py or FILE.py:factory."""
    return name.endswith(".py") or ".py:" in name


def open_factory(name: str, *, trust_code: bool, stored_code: str | None = None) -> FileFactory:
    """Run the Python file of `name` (or `stored_code` in its place) and return its factory.

    Errors: UsageError where `trust_code` is not set, and where file or factory are missing or fail.
    """
    path, _, function_name = name.rpartition(":") if not name.endswith(".py") else (name, "", "")
    if not function_name:
        raise UsageError(f"{name} names no factory: write it as {path}:FUNCTION.")
    if not trust_code:
        raise UsageError(
            f"This network was made by the Python file {path}, which runs only when you ask for "
            f"it: add --trust-code, or name the file again with --model {name}."
        )
    data = _read(Path(path)) if stored_code is None else stored_code.encode()
    module = _run(path, data)
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise UsageError(
            f"{path} has no function {function_name!r}: {close_matches(function_name, known)}"
        )
    return FileFactory(
        name=name,
        function=function,
        digest=hashlib.sha256(data).hexdigest(),
        text=data.decode(),
    )


def _read(path: Path) -> bytes:
    """Return the bytes of a Python file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"Could not read the network's Python file {path}: {error.strerror or error}."
        ) from error


def _run(path: str, data: bytes) -> ModuleType:
    """Run a Python file as a module of its own, outside `sys.modules`."""
    module = ModuleType(Path(path).stem)
    module.__file__ = path
    try:
        exec(compile(data, path, "exec"), vars(module))  # noqa: S102 - the user asked for it
    except Exception as error:
        raise UsageError(
            f"The network's Python file {path} failed with {type(error).__name__}: {error}."
        ) from error
    return module
