"""From finished runs to scores: pure functions over what each tool said of each run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

HARM: Final = 0.02
"""Accuracy that a fault must cost, or by which a report must be wrong, at every seed."""
SLOWER: Final = 1.5
"""Times as long as its twin that a run must take where the harm is time."""

Harm = Literal["accuracy", "reported", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a run was, measured by correct code. NaN where it was not measured."""

    ended: bool
    """Whether the program came to its end."""
    test: float
    val: float
    reported: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One run of a fault or a bug with what one tool said of it."""

    name: str
    family: str
    bench: str
    seed: int
    accepted: tuple[str, ...]
    said: tuple[tuple[str, ...], ...]
    """Alarms, the first first; each as the ids that it may stand for."""

    @property
    def detected(self) -> bool:
        """Whether there was any alarm."""
        return bool(self.said)

    def right_among(self, number: int) -> bool:
        """Return whether one of the first `number` alarms names an accepted cause."""
        return any(set(ids) & set(self.accepted) for ids in self.said[:number])

    @property
    def preferred(self) -> bool:
        """Whether the first alarm names the cause that was preferred."""
        return bool(self.said) and self.accepted[0] in self.said[0]


def suffers(kind: Harm, run: Truth, twin: Truth) -> bool:
    """Return whether a run is worse than its healthy twin in the way that counts."""
    if not run.ended:
        return True
    match kind:
        case "accuracy":
            return twin.test - run.test >= HARM
        case "reported":
            off = abs(run.reported - run.val)
            return off >= HARM and off > abs(twin.reported - twin.val)
        case "time":
            return run.seconds >= SLOWER * twin.seconds


def counts(kind: Harm, pairs: Sequence[tuple[Truth, Truth]]) -> bool:
    """Return whether a fault counts on a bench: it does harm at every paired seed."""
    return bool(pairs) and all(suffers(kind, run, twin) for run, twin in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share with its 95% interval."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Return hits / of; NaN of nothing."""
        return self.hits / self.of if self.of else math.nan

    def __str__(self) -> str:
        if not self.of:
            return "–"
        return f"{self.value:.1%} ({self.hits}/{self.of}; {self.low:.1%}–{self.high:.1%})"


def share(hits: int, of: int) -> Share:
    """Return a share with the exact interval of Clopper and Pearson.

    low is the 2.5% quantile of Beta(hits, of − hits + 1), high the 97.5% quantile of
    Beta(hits + 1, of − hits).
    """
    from scipy.stats import beta

    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return Share(hits=hits, of=of, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one tool reaches on a set of faulty and healthy runs."""

    detected: Share
    first: Share
    """Runs whose first alarm is an accepted cause."""
    preferred: Share
    """Runs whose first alarm is the preferred cause."""
    among_three: Share
    precision: Share
    """Alarmed runs, healthy ones included, whose first alarms (three at most) hold the cause."""
    false_alarms: Share
    """Healthy runs with any alarm."""

    @property
    def informedness(self) -> float:
        """Return Youden's J: detected less false alarms. NaN where one is not known."""
        return self.detected.value - self.false_alarms.value


def score(faulty: Sequence[Judged], healthy: Mapping[str, bool]) -> Score:
    """Return the scores; `healthy` tells by run whether there was an alarm."""
    number = len(faulty)
    alarmed = sum(run.detected for run in faulty) + sum(healthy.values())
    right = sum(run.right_among(3) for run in faulty)
    return Score(
        detected=share(sum(run.detected for run in faulty), number),
        first=share(sum(run.right_among(1) for run in faulty), number),
        preferred=share(sum(run.preferred for run in faulty), number),
        among_three=share(right, number),
        precision=share(right, alarmed),
        false_alarms=share(sum(healthy.values()), len(healthy)),
    )


def by_family(faulty: Iterable[Judged]) -> dict[str, list[Judged]]:
    """Return the runs by family, in the order in which families come."""
    found: dict[str, list[Judged]] = {}
    for run in faulty:
        found.setdefault(run.family, []).append(run)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A fault on a bench of which not all runs were named rightly."""

    name: str
    bench: str
    runs: int
    undetected: int
    wrong: int
    """Detected, and the cause not the first alarm."""
    said: tuple[str, ...]
    """First alarms of those that were wrong, each once."""


def misses(faulty: Iterable[Judged]) -> list[Miss]:
    """Return what was missed, the worst first."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for run in faulty:
        groups.setdefault((run.name, run.bench), []).append(run)
    found: list[Miss] = []
    for (name, bench), runs in groups.items():
        wrong = [run for run in runs if run.detected and not run.right_among(1)]
        undetected = sum(not run.detected for run in runs)
        if wrong or undetected:
            said = dict.fromkeys(" or ".join(run.said[0]) or "nothing we know" for run in wrong)
            found.append(
                Miss(
                    name=name, bench=bench, runs=len(runs), undetected=undetected,
                    wrong=len(wrong), said=tuple(said),
                )
            )  # fmt: skip
    return sorted(found, key=lambda miss: (-miss.undetected, -miss.wrong, miss.name, miss.bench))


def truth_of(line: Mapping[str, object] | None) -> Truth:
    """Return what a line of the store tells of a run."""
    nan = math.nan

    def number(name: str) -> float:
        value = (line or {}).get(name, nan)
        return float(value) if isinstance(value, (int, float)) else nan

    return Truth(
        ended=line is not None and line.get("status") == "ended",
        test=number("test"),
        val=number("val"),
        reported=number("reported"),
        seconds=number("seconds"),
    )
