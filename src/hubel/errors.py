"""The errors that a user can cause, and the look-up of close matches.

Every error is one clear sentence: what was expected, what came, where, and what to try.
The command line prints it without a traceback and ends with `exit_status`.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

Value = TypeVar("Value")
_MANY: Final = 20
"""Known words that are too many to be listed beside close ones."""
_MEMORY_WORDS: Final = (
    "can't allocate memory",  # torch on Linux
    "not enough memory",  # torch on Windows
    "out of memory",  # torch.OutOfMemoryError
    "insufficient memory",  # OpenCV
    "std::bad_alloc",  # any C++
    "could not create a primitive",  # oneDNN's kernels, whatever they lack; memory as a rule
    "can't start new thread",  # no room for its stack
)
"""How libraries that have no MemoryError of their own say that memory ran out."""


class HubelError(Exception):
    """Anything that a user can cause; its text is one sentence for people."""

    exit_status = 1


class UsageError(HubelError):
    """What was asked for does not exist or does not fit together: flags, keys, names, paths."""

    exit_status = 2


class SourceError(HubelError):
    """A source of pictures that cannot be used as it is."""


class PictureError(HubelError):
    """One picture that cannot be decoded; `where` names it, `reason` says why."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


class PictureMemoryError(PictureError, MemoryError):
    """One picture that is not damaged, but for which memory ran out."""


class LeakError(HubelError):
    """Pictures that stand on both sides of a split which the user made."""


class RunError(HubelError):
    """A run folder that is missing, damaged, in use, or does not fit what is asked of it."""


class TrainingError(HubelError):
    """A training that cannot go on (for example a loss that is not finite)."""


class ElsewhereError(HubelError):
    """An error that another process of the same training has raised, and tells to people."""

    def __init__(self, sentence: str, exit_status: int) -> None:
        super().__init__(sentence)
        self.exit_status = exit_status


class WeightsError(HubelError):
    """Published weights that cannot be had, are damaged, or do not fit the network."""


class MissingExtraError(UsageError):
    """An optional package that is not installed; the sentence names the extra."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra [{extra}]: try pip install 'hubel[{extra}]'.")


def memory_ran_out(error: BaseException) -> bool:
    """Return whether an error of any library says that memory did not suffice.

    >>> memory_ran_out(MemoryError())
    True
    """
    if isinstance(error, HubelError):
        return False
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return any(words in str(error).lower() for words in _MEMORY_WORDS)


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return up to three known words that are close to `word`, the closest first.

    >>> nearest("lenet", ["hubelnet", "lenet5"])
    ['lenet5', 'hubelnet']
    """
    lowered = {name.lower(): name for name in sorted(known)}
    return [lowered[match] for match in difflib.get_close_matches(word.lower(), lowered, n=3)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that offers the nearest known words; empty where none is near.

    >>> did_you_mean("lenet", ["hubelnet", "lenet5"])
    'did you mean lenet5 or hubelnet?'
    """
    near = nearest(word, known)
    return f"did you mean {' or '.join(near)}?" if near else ""


def close_matches(word: str, known: Iterable[str]) -> str:
    """Return a half-sentence that offers the known words nearest to `word`, and all of a few.

    >>> close_matches("lenet", ["hubelnet", "lenet5"])
    'did you mean lenet5 or hubelnet? Known: hubelnet, lenet5.'
    >>> close_matches("x", ["hubelnet", "lenet5"])
    'choose from hubelnet, lenet5.'
    """
    names = sorted(known)
    offer = did_you_mean(word, names)
    if not offer:
        return f"choose from {', '.join(names)}." if names else "there are none."
    return offer if len(names) > _MANY else f"{offer} Known: {', '.join(names)}."


def look_up(table: Mapping[str, Value], name: str, what: str) -> Value:
    """Return `table[name]`, or raise UsageError that names `what` and the close matches."""
    try:
        return table[name]
    except KeyError:
        raise UsageError(f"There is no {what} {name!r}: {close_matches(name, table)}") from None
