"""The arguments of a network, as users write them and as its builder wants them."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal

from hubel.errors import UsageError, close_matches

if TYPE_CHECKING:
    from hubel.architectures.architecture import Architecture


def parse_arguments(words: Iterable[str]) -> dict[str, Any]:
    """Return a network's arguments from words of the form NAME=VALUE.

    A value is a whole number, a number, true, false, or else text.
    Errors: UsageError for a word without a name or a value.

    >>> parse_arguments(["width=24", "output=linear"])
    {'width': 24, 'output': 'linear'}
    """
    arguments: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not (name and sign and text):
            raise UsageError(f"An argument of the network is written NAME=VALUE, not {word!r}.")
        arguments[name] = _value(text)
    return arguments


def _value(text: str) -> Any:
    """Return a number or a truth value where `text` is one, else the text."""
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check_arguments(architecture: Architecture, given: Mapping[str, Any]) -> None:
    """Refuse arguments that the builder does not know, and values of another type than its own.

    The builder's annotations are the rule: bool, int, float (finite), Literal, or None beside them.
    Errors: UsageError.
    """
    known = architecture.arguments()
    types = typing.get_type_hints(architecture.builder)
    for argument, value in given.items():
        if argument not in known:
            raise UsageError(
                f"{architecture.name} has no argument {argument!r}: "
                f"{close_matches(argument, known) if known else 'it takes none.'}"
            )
        expected = _unmet(types[argument], value)
        if expected:
            raise UsageError(f"{architecture.name}'s {argument} is {expected}, not {value!r}.")


def _unmet(kind: Any, value: Any) -> str:
    """Return what a value should have been, or "" where it is of its type."""
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        return "" if value in parts else _either(parts)
    if parts:
        unmet = [_unmet(part, value) for part in parts if part is not NoneType]
        met = "" in unmet or (value is None and NoneType in parts)
        return "" if met else " or ".join(unmet)
    if kind is bool:
        return "" if isinstance(value, bool) else "true or false"
    if kind is int:
        return "" if type(value) is int else "a whole number"
    return "" if type(value) in {int, float} and math.isfinite(value) else "a finite number"


def _either(words: Iterable[str]) -> str:
    """Return "a, b or c"."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
