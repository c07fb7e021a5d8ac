"""A loss or a gradient that is not a finite number: whose it is, and how much of it is too much."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from numpy.typing import NDArray
from torch import Tensor

from hubel.errors import RunError
from hubel.results import Run
from hubel.results.files import write_bytes
from hubel.training.events import Observer, Refusal
from hubel.training.settings import Settings

What = Literal["loss", "norm of the gradient"]
NAMED: Final = 5
"""Pictures that a sentence names; `nonfinite.csv` names all."""
IN_A_ROW: Final = 5
"""So many steps in a row that had to be undone end a training."""
SHARE: Final = 0.01
"""So large a share of a training's steps may be undone, and never fewer than IN_A_ROW - 1."""
_COLUMNS: Final = ("step", "pass", "what", "value", "picture", "loss", "then")


class NotFinite(ArithmeticError):  # noqa: N818 - caught by the loop, never seen by a user
    """The loss, or the norm of the gradient, of the step under way is not a finite number."""

    def __init__(self, what: What, value: float) -> None:
        super().__init__(f"the {what} is {value}")
        self.what: What = what
        self.value = value


@dataclass(frozen=True, slots=True)
class Limits:
    """How many steps of a training may be undone."""

    steps: int
    """Of the whole training."""

    @property
    def most(self) -> int:
        """The largest number of undone steps:  max(IN_A_ROW - 1, SHARE · steps)."""
        return max(IN_A_ROW - 1, math.floor(SHARE * self.steps))

    def broken(self, undone: int, in_a_row: int) -> str:
        """Return which limit is broken, as half a sentence; empty where none is."""
        if in_a_row >= IN_A_ROW:
            return f"{in_a_row} steps in a row had to be undone"
        if undone > self.most:
            return (
                f"{undone:,} steps had to be undone, and {self.most:,} are the most for a training "
                f"of {self.steps:,} steps"
            )
        return ""


def refusal_of(
    error: NotFinite,
    seen: Sequence[tuple[NDArray[Any], Tensor]],
    keys: Sequence[str],
    *,
    step: int,
    pass_number: int,
    left_out: bool,
) -> Refusal:
    """Return what observers are told about a step that was undone.

    `seen` holds positions and losses (n,) of its pictures; `keys` are the source's names.
    """
    return Refusal(
        step=step,
        pass_number=pass_number,
        what=error.what,
        value=error.value,
        pictures=tuple(keys[int(row)] for positions, _ in seen for row in positions),
        losses=tuple(float(loss) for _, losses in seen for loss in losses),
        left_out=left_out,
    )


def culprits(refusal: Refusal) -> str:
    """Return which pictures the loss was not finite for, the first few by name."""
    broken = [
        key
        for key, loss in zip(refusal.pictures, refusal.losses, strict=True)
        if not math.isfinite(loss)
    ]
    named = broken or list(refusal.pictures)
    more = " …" if len(named) > NAMED else ""
    whose = f"for {len(broken)} of" if broken else "with finite losses for all"
    return f"{whose} {len(refusal.pictures)} pictures: {', '.join(named[:NAMED])}{more}"


def undone(refusal: Refusal) -> str:
    """Return a sentence about a step that was undone and left out."""
    return (
        f"The {refusal.what} became {refusal.value} at step {refusal.step:,}, "
        f"{culprits(refusal)}; the step is undone and left out, see nonfinite.csv."
    )


def stopped(refusal: Refusal, run: Run, limit: str, *, saved: bool) -> str:
    """Return the sentences that end a training; `limit` says which limit was broken, if any."""
    named = ", ".join(refusal.pictures[:NAMED])
    whose = culprits(refusal).partition(":")[0]
    text = (
        f"The {refusal.what} became {refusal.value} at step {refusal.step:,}, in a batch that "
        f"begins with {named} ({whose}; {run.nonfinite_file} names all)"
        f"{f', and {limit}' if limit else ''}; the step is undone and the last checkpoint is "
        "intact. Try a lower --lr, --clip 1, or hubel data on the source."
    )
    if limit or not saved:
        return text
    way = f"hubel train --resume {run.path} --non-finite skip"
    return f"{text} Or go on without this batch: {way}"


class NonFiniteLog(Observer):
    """Writes `nonfinite.csv`: a row for each picture of each step that was undone.

    The file is whole at any instant, and a resumed run drops what lies after its checkpoint, so
    that it ends as that of a run that was never interrupted.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.rows: list[list[str]] = []

    def started(self, settings: Settings, step: int) -> None:
        """Read the rows of steps that are done."""
        del settings
        try:
            text = self.run.nonfinite_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"Could not read {self.run.nonfinite_file}: {error}.") from error
        rows = [row for row in csv.reader(io.StringIO(text)) if len(row) == len(_COLUMNS)][1:]
        self.rows = [row for row in rows if row[0].isdecimal() and int(row[0]) <= step]
        self._write()

    def refused(self, refusal: Refusal) -> None:
        """Add the rows of a step."""
        head = (refusal.step, refusal.pass_number, refusal.what, refusal.value)
        then = "left out" if refusal.left_out else "stopped"
        self.rows += [
            [*map(str, head), picture, str(loss), then]
            for picture, loss in zip(refusal.pictures, refusal.losses, strict=True)
        ]
        self._write()

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(self.rows)
        write_bytes(self.run.nonfinite_file, text.getvalue().encode())
