"""What the doctor says of a training: causes, root first, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from hubel.results.courses import Courses
from hubel.results.finding import Finding
from hubel.results.provenance import Provenance

DEFAULT: Final = "default"
"""The value of an option that is left out: what hubel takes then."""
WORTH_MORE_PAIRS: Final = 0.02
"""Gain that is worth more pairs where the interval does not rule it out."""


def said_of(options: Mapping[str, str]) -> str:
    """Return options for people, as they stand on a command line.

    >>> said_of({"--lr": "0.1", "--no-doctor": ""})
    '--lr 0.1 --no-doctor'
    >>> said_of({"--lr": "default", "--l1": "default"})
    "hubel's own choice of --lr, --l1"
    """
    if options and set(options.values()) == {DEFAULT}:
        return f"hubel's own choice of {', '.join(options)}"
    return " ".join(f"{name} {value}".strip() for name, value in options.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """What to do about one cause."""

    cause: str
    """Id of the finding that it is for."""
    what: str
    """One sentence for people."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of `hubel train` to set, by name as on the command line: {"--lr": "0.001"}; empty
    where no option can."""
    code: str = ""
    """The change to code or data, in words; empty where options suffice."""
    command: str = ""
    """The command line that trains again with the options; empty where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A symptom that was looked for and is not there."""

    id: str
    evidence: str
    """What was measured, in a few words with numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """A symptom that could not be looked for."""

    id: str
    why: str
    """One sentence that says what was missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What a paired retrain measured: the same seeds and pictures, with and without a change."""

    options: dict[str, str]
    """Those that were changed; `default` stands for one that is left out."""
    pairs: int
    """Seeds that both sides were trained with."""
    before: tuple[float, ...]
    """Score on the validation split, one a pair, without the change."""
    after: tuple[float, ...]
    gain: float
    """Mean of `after` less `before`."""
    low: float
    """Ends of the interval of the gain, at 95% for the first attempt."""
    high: float
    seconds: float
    verdict: Literal["helped", "no difference seen", "made it worse"]
    """`helped` only where the whole interval is above 0."""
    level: float = 0.95
    """Of the interval: higher for later attempts, so that one of several does not help by luck."""
    cause: str = ""
    """Id of the finding whose prescription it was."""
    passes: int = 0
    """Passes of each retrain with the change …"""
    passes_without: int = 0
    """… and of each without it: more where a glance was enough."""
    shortened: str = ""
    """Why those are fewer than the run's own; empty where they are not."""
    command: str = ""
    """The command that trains anew with the change."""

    @property
    def lengths(self) -> str:
        """The passes on both sides, in words."""
        passes = f"{self.passes} pass{'es' * (self.passes != 1)}"
        if self.passes == self.passes_without:
            return passes
        return f"{passes}, against {self.passes_without} without it"

    @property
    def limits(self) -> str:
        """What limits the answer, and what would tell more; empty where nothing does."""
        if self.shortened:
            return self.shortened
        if self.verdict != "no difference seen" or self.high <= WORTH_MORE_PAIRS:
            return ""
        more = 2 * self.pairs
        return f"A gain is not ruled out; {more} pairs tell more: --pairs {more}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Everything that the doctor says of one training; `diagnosis.json` in a run."""

    verdict: str
    """One or two sentences for people."""
    causes: tuple[Finding, ...]
    """What is wrong, the root cause first; what a cause before explains comes after it."""
    prescriptions: tuple[Prescription, ...]
    """For the causes, in their order."""
    observations: tuple[Finding, ...]
    """What is out of the ordinary, but not confirmed to do harm."""
    healthy: tuple[Checked, ...]
    unchecked: tuple[Unchecked, ...]
    step: int
    """Updates that had been done."""
    provenance: Provenance | None = None
    treatment: Treatment | None = None
    """The attempt that helped, else the first one."""
    attempts: tuple[Treatment, ...] = ()
    """All prescriptions that were tried, in their order."""
    subject: str = ""
    """The run, or the source and the network, that it is of."""
    notes: tuple[str, ...] = ()
    """What limits the diagnosis, in sentences."""
    courses: Courses | None = None
    """What was measured while it trained, for plots; None where nothing was."""

    @property
    def tried(self) -> tuple[Treatment, ...]:
        """Every treatment, in the order in which they were tried."""
        return self.attempts or ((self.treatment,) if self.treatment else ())

    @property
    def helped(self) -> Treatment | None:
        """The treatment that helped; None where none did."""
        return next((one for one in self.tried if one.verdict == "helped"), None)

    @property
    def conclusion(self) -> str:
        """The verdict, after what a treatment showed that no symptom did."""
        if self.helped is None or self.causes:
            return self.verdict
        gained = f"{said_of(self.helped.options)} gained {100 * self.helped.gain:.1f} points"
        return (
            f"What was set costs accuracy: {gained} on validation. No symptom tells why. "
            f"{self.verdict}"
        )

    @property
    def best_command(self) -> str:
        """The command to train with next; empty where there is none.

        That of the treatment that helped; else the first one prescribed that was not tried.
        """
        if self.helped is not None and self.helped.command:
            return self.helped.command
        tried = [one.options for one in self.tried if one.verdict != "helped"]
        untried = (one for one in self.prescriptions if one.command and one.options not in tried)
        return next((one.command for one in untried), "")

    def __str__(self) -> str:
        """Return the diagnosis as text: the conclusion, each cause with evidence and remedy."""
        lines = [self.conclusion]
        todo = {one.cause: one.what for one in self.prescriptions}
        for place, cause in enumerate(self.causes, 1):
            sure = "certain" if cause.confidence >= 1 else f"{cause.confidence:.0%} sure"
            lines += ["", f"{place}. {cause.what} [{cause.id}, {cause.severity}, {sure}]"]
            lines += [f"   {text}" for text in (cause.evidence, todo.get(cause.id)) if text]
        if self.observations:
            lines += ["", "Out of the ordinary, but no harm was seen:"]
            lines += [f"- {one.what} [{one.id}] {one.evidence}" for one in self.observations]
        lines += ["", *self.notes] if self.notes else []
        return "\n".join(lines)
