"""`python -m benchmarks doctor`: the runs, their scores, and the section of RESULTS.md."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from benchmarks.doctor.cases import BENCHES, Case, chosen
from benchmarks.doctor.executing import Arm
from benchmarks.doctor.faults import FAULTS
from benchmarks.doctor.healthy import KINDS
from benchmarks.doctor.real_bugs import BUGS
from benchmarks.doctor.rivals import MEANS
from benchmarks.doctor.running import run_all
from benchmarks.doctor.scoring import (
    Judged,
    Miss,
    Score,
    by_family,
    counts,
    misses,
    score,
    share,
    truth_of,
)
from benchmarks.doctor.store import Store
from benchmarks.peers import plots
from benchmarks.published import add_publish
from benchmarks.recording import Section, Table, sources

HUBEL: Final = "hubel"
TOOLS: Final = (HUBEL, *MEANS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which runs are made, and where they are kept."""
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(os.environ.get("HUBEL_BENCHMARKS", Path.home() / ".cache/hubel-benchmarks")),
        help="folder for data and runs [default: $HUBEL_BENCHMARKS, or ~/.cache/hubel-benchmarks]",
    )
    parser.add_argument("--half", choices=("calibration", "untouched"), default=None,
                        help="[default: both]")  # fmt: skip
    parser.add_argument("--only", default="", metavar="TEXT", help="runs whose key has it")
    parser.add_argument("--seeds", type=int, default=3, help="[default: 3]")
    parser.add_argument("--limit", type=int, default=None, help="runs at most")
    parser.add_argument("--workers", type=int, default=2, help="processes [default: 2]")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds a run [default: 600]")
    parser.add_argument("--minutes", type=float, default=None,
                        help="begin no run after so many [default: all are made]")  # fmt: skip
    parser.add_argument("--arm", choices=get_args(Arm), default=None, help="[default: both]")
    parser.add_argument("--known", action="store_true", help="make no runs, score those known")
    parser.add_argument("--statistics", type=Path, default=None, metavar="FILE",
                        help="write every sign's statistics as lines of JSON")  # fmt: skip
    add_publish(parser)


def measure(
    work: Path, half: Any, only: str, seeds: int, limit: int | None, workers: int, timeout: float,
    minutes: float | None, arm: Arm | None, known: bool, statistics: Path | None, publish: bool,
) -> Section:  # fmt: skip
    """Train with faults and without, and score what the doctor and its rivals say."""
    cases = chosen(half, only, seeds, limit)
    store = Store(work / "doctor" / "runs.jsonl")
    arms = (arm,) if arm is not None else get_args(Arm)
    if not known:
        deadline = time.monotonic() + (60 * minutes if minutes is not None else float("inf"))
        run_all(
            cases.values(), arms, store, work / "doctor" / "data", workers=workers,
            timeout_s=timeout, deadline=deadline,
        )  # fmt: skip
    if statistics is not None:
        write_statistics(statistics, cases, store)
    if publish:
        store.publish(cases)
    return section(cases, Runs(cases, store.lines), half)


@dataclass(frozen=True, slots=True)
class Control:
    """A fault on a bench that does no harm."""

    name: str
    bench: str
    expected: bool
    alarms: tuple[str, ...]
    """First alarms of hubel."""
    strange: tuple[str, ...]
    """Those of them that are no accepted name of the fault."""


class Runs:
    """The known runs, sorted into what counts, controls, healthy ones and what is left out."""

    def __init__(
        self, cases: Mapping[str, Case], lines: Mapping[tuple[str, str], Mapping[str, Any]]
    ) -> None:
        self._cases = cases
        self._lines = lines
        self.faulty: list[Case] = []
        self.bugs: list[Case] = []
        self.harmless_bugs: list[str] = []
        self.controls: list[Control] = []
        self.healthy: list[Case] = []
        self.ill: list[str] = []
        """Healthy kinds that did not train well, with their accuracy."""
        groups: dict[tuple[str, str, str], list[Case]] = {}
        for case in cases.values():
            if case.sort in {"fault", "bug"} and self.line(case.key) and self.line(case.twin):
                groups.setdefault((case.sort, case.name, case.bench), []).append(case)
            elif case.sort == "healthy" and self.line(case.key):
                self._healthy(case)
        for (sort, name, bench), group in groups.items():
            self._fault(sort, name, bench, group)

    def line(self, key: str) -> Mapping[str, Any] | None:
        """Return what is known of a run: made without the doctor, or else with it.

        One that was cut off tells less of the training than one that ended.
        """
        found = [self._lines.get((key, arm)) for arm in ("rivals", "doctor")]
        known = [line for line in found if line is not None and line["status"] != "crashed"]
        return min(known, key=lambda line: line["status"] != "ended", default=None)

    def _fault(self, sort: str, name: str, bench: str, group: list[Case]) -> None:
        what = FAULTS[name] if sort == "fault" else BUGS[name]
        pairs = [(truth_of(self.line(case.key)), truth_of(self.line(case.twin))) for case in group]
        if counts(what.harm, pairs):
            (self.faulty if sort == "fault" else self.bugs).extend(group)
        elif sort == "bug":
            self.harmless_bugs.append(name)
        else:
            said = [ids[0] for case in group for ids in (self.said(HUBEL, case.key) or ())[:1]]
            fault, alarms = FAULTS[name], tuple(dict.fromkeys(said))
            strange = tuple(alarm for alarm in alarms if alarm not in fault.accepted)
            self.controls.append(Control(name, bench, fault.expected_harmless, alarms, strange))

    def _healthy(self, case: Case) -> None:
        kind, reached = KINDS[case.name], truth_of(self.line(case.key)).test
        bench = BENCHES[case.bench]
        if reached >= max(kind.least * bench.plausible, bench.linear - 0.02):
            self.healthy.append(case)
        else:
            self.ill.append(f"{case.name} on {case.bench}, seed {case.seed}: {reached:.1%}")

    def said(self, tool: str, key: str) -> tuple[tuple[str, ...], ...] | None:
        """Return a tool's alarms as ids that they may stand for; None where it was not asked.

        A run without a diagnosis counts as one without an alarm; the rivals, whose rules are read
        when a run is over, were not asked where it was cut off.
        """
        line = self._lines.get((key, "doctor" if tool == HUBEL else "rivals"))
        if line is None or (tool != HUBEL and line["status"] in {"timeout", "crashed"}):
            return None
        if tool == HUBEL:
            diagnosis = line.get("diagnosis") or {"causes": ()}
            return tuple((cause["id"],) for cause in diagnosis["causes"])
        alarms = line.get("alarms") or {}
        return tuple(MEANS[tool].get(name, ()) for name in alarms.get(tool, ()))

    def broken(self) -> list[str]:
        """Return the runs of which hubel had no diagnosis: they count as runs without an alarm."""
        return [
            f"{key}: {line.get('doctor_error', line['status']).strip().splitlines()[-1]}"
            for (key, arm), line in self._lines.items()
            if arm == "doctor" and key in self._cases and line.get("diagnosis") is None
        ]

    def failed_rules(self) -> list[str]:
        """Return the rules that raised an error, with the first run in which they did and why."""
        found: dict[str, tuple[int, str]] = {}
        for (key, arm), line in self._lines.items():
            if arm != "doctor" or key not in self._cases:
                continue
            for name, reading in (line.get("readings") or {}).items():
                if "raised" in reading:
                    number, first = found.get(name, (0, f"{key}: {reading['raised']}"))
                    found[name] = number + 1, first
        return [f"{name}: {number} runs, first {first}" for name, (number, first) in found.items()]

    def judged(self, tool: str, cases: Sequence[Case]) -> list[Judged]:
        """Return what a tool said of faulty runs."""
        found: list[Judged] = []
        for case in cases:
            said = self.said(tool, case.key)
            if said is None:
                continue
            what = FAULTS[case.name] if case.sort == "fault" else BUGS[case.name]
            found.append(
                Judged(
                    name=case.name, family=getattr(what, "family", "real"), bench=case.bench,
                    seed=case.seed, accepted=what.accepted, said=said,
                )
            )  # fmt: skip
        return found

    def alarmed(self, tool: str) -> dict[str, bool]:
        """Return by healthy run whether a tool raised an alarm."""
        known = {case.key: self.said(tool, case.key) for case in self.healthy}
        return {key: bool(said) for key, said in known.items() if said is not None}

    def sources(self) -> str:
        """Return a sentence where the doctor was not that of hubel's source as it is now."""
        made = (self._lines.get((key, "doctor")) for key in self._cases)
        return sources(line["digest"].rpartition("-")[2] for line in made if line is not None)

    def same_bits(self) -> tuple[int, int]:
        """Return how many runs ended in the same weights, watched and not, of how many pairs."""
        same = pairs = 0
        for key in self._cases:
            watched, alone = (self._lines.get((key, arm), {}) for arm in get_args(Arm))
            # Another processor adds in another order.
            alike = watched.get("processor") == alone.get("processor")
            if alike and watched.get("weights") and alone.get("weights"):
                pairs += 1
                same += watched["weights"] == alone["weights"]
        return same, pairs


def section(cases: Mapping[str, Case], runs: Runs, half: str | None) -> Section:
    """Return the section of RESULTS.md."""
    scores = {
        tool: score(runs.judged(tool, runs.faulty), runs.alarmed(tool)) for tool in TOOLS
    }  # fmt: skip
    tables = [
        Table(title="By family",
              header=("family", "runs", "detected", "cause first", "among three"),
              rows=_families(runs.judged(HUBEL, runs.faulty))),
        Table(title="Real bugs", header=("tool", "detected", "cause first", "among three"),
              rows=[_bugs(tool, runs) for tool in TOOLS]),
        Table(title="Bug by bug", header=("bug", "source", "runs", "hubel's first alarms"),
              rows=_bug_rows(runs)),
        Table(title="Missed, or another cause first",
              header=("fault", "bench", "runs", "not detected", "another first", "it said"),
              rows=[_miss(miss) for miss in misses(runs.judged(HUBEL, runs.faulty))]),
        Table(title="Healthy runs with an alarm", header=("run", "alarms"),
              rows=[(key, ", ".join(" or ".join(ids) for ids in runs.said(HUBEL, key) or ()))
                    for key, alarm in runs.alarmed(HUBEL).items() if alarm]),
        Table(title="Harmless controls",
              header=("fault", "bench", "expected", "hubel's alarms", "of these not accepted"),
              rows=[(one.name, one.bench, "yes" if one.expected else "no",
                     ", ".join(one.alarms) or "–", ", ".join(one.strange) or "–")
                    for one in runs.controls]),
        Table(title="Runs without a diagnosis", header=("run",),
              rows=[(one,) for one in runs.broken()]),
        Table(title="Rules that failed with an error", header=("rule",),
              rows=[(one,) for one in runs.failed_rules()]),
    ]  # fmt: skip
    same, pairs = runs.same_bits()
    own = scores[HUBEL]
    left = f" Healthy kinds left out, since they did not train well: {'; '.join(runs.ill)}." * bool(
        runs.ill
    )
    return Section(
        title="The doctor" + (f", {half} half" if half else ""),
        what=f"`python -m benchmarks doctor{f' --half {half}' if half else ''}`: {len(cases)} "
        "trainings of a few seconds on digits, MNIST-5k, Fashion-MNIST and Tux Paint. A fault "
        "counts on a bench if it costs 2 points of true accuracy (or, where only the report is "
        "wrong, makes it wrong by 2 points; where it costs time, half as long again) at every "
        "paired seed; accepted causes and the meaning of each rival's alarms were written down "
        "before. Shares with exact 95% intervals. "
        "Informedness is detected less false alarms: 0 for a tool that always raises an alarm, as "
        "for one that never does.",
        header=("tool", "detected", "cause first", "preferred cause first", "among first three",
                "precision", "false alarms", "informedness"),
        rows=[_score(tool, found) for tool, found in scores.items()],
        verdict=f"{runs.sources()}Goals: detected ≥ 90%, cause first ≥ 75%, among three ≥ 90%, "
        "precision ≥ .95, at most 2 alarms in 150 healthy runs. hubel: detected "
        f"{own.detected.value:.1%}, first {own.first.value:.1%}, among three "
        f"{own.among_three.value:.1%}, precision {own.precision.value:.3f}, "
        f"{own.false_alarms.hits} of {own.false_alarms.of} alarms. "
        f"Watched and unwatched runs with the same bits: {same} of {pairs}. Real bugs that do no "
        f"harm here: {', '.join(runs.harmless_bugs) or 'none'}.{left}",
        tables=[table for table in tables if table.rows],
        pictures=_pictures(scores),
    )  # fmt: skip


def _score(tool: str, found: Score) -> tuple[str, ...]:
    return (
        tool, str(found.detected), str(found.first), str(found.preferred),
        str(found.among_three), str(found.precision), str(found.false_alarms),
        f"{found.informedness:.2f}" if math.isfinite(found.informedness) else "–",
    )  # fmt: skip


def _families(judged: Sequence[Judged]) -> list[tuple[str, ...]]:
    return [
        (
            family,
            str(len(runs)),
            str(share(sum(run.detected for run in runs), len(runs))),
            str(share(sum(run.right_among(1) for run in runs), len(runs))),
            str(share(sum(run.right_among(3) for run in runs), len(runs))),
        )
        for family, runs in by_family(judged).items()
    ]


def _bugs(tool: str, runs: Runs) -> tuple[str, ...]:
    """Return a tool's row on real bugs: a bug counts as what most of its runs are."""
    groups: dict[str, list[Judged]] = {}
    for run in runs.judged(tool, runs.bugs):
        groups.setdefault(run.name, []).append(run)

    def most(values: list[bool]) -> bool:
        return 2 * sum(values) > len(values)

    number = len(groups)
    return (
        tool,
        str(share(sum(most([run.detected for run in of]) for of in groups.values()), number)),
        str(share(sum(most([run.right_among(1) for run in of]) for of in groups.values()), number)),
        str(share(sum(most([run.right_among(3) for run in of]) for of in groups.values()), number)),
    )


def _bug_rows(runs: Runs) -> list[tuple[str, ...]]:
    groups: dict[str, list[Judged]] = {}
    for run in runs.judged(HUBEL, runs.bugs):
        groups.setdefault(run.name, []).append(run)
    return [
        (
            name, BUGS[name].source, str(len(of)),
            "; ".join(", ".join(" or ".join(ids) for ids in run.said[:3]) or "–" for run in of),
        )
        for name, of in groups.items()
    ]  # fmt: skip


def _miss(miss: Miss) -> tuple[str, ...]:
    return (
        miss.name, miss.bench, str(miss.runs), str(miss.undetected), str(miss.wrong),
        ", ".join(miss.said) or "–",
    )  # fmt: skip


def _pictures(scores: Mapping[str, Score]) -> dict[str, Path]:
    """Draw detection and cause against false alarms, a point a tool."""
    known = {tool: found for tool, found in scores.items() if found.detected.of}
    if not known:
        return {}

    def draw(axes: Any) -> None:
        for place, found in enumerate(list(known.values())[::-1]):
            bars = (found.detected, found.first, found.false_alarms)
            for offset, (colour, one) in enumerate(zip(_COLOURS, bars, strict=True)):
                value = 100 * one.value if one.of else 0.0
                error = [[value - 100 * one.low], [100 * one.high - value]]
                axes.barh(place + 0.25 - 0.25 * offset, value, height=0.23, color=colour,
                          xerr=error if one.of else None, ecolor="#444444",
                          label=_LABELS[offset] if place == 0 else None)  # fmt: skip
        axes.set_yticks(range(len(known)), list(known)[::-1])
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of runs, with 95% intervals")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)

    size = (8, 1.5 + 0.7 * len(known))
    return {"Detection, cause and false alarms": plots.picture("doctor", draw, size=size)}


_COLOURS: Final = ("#7f7f7f", "#2ca02c", "#d62728")
_LABELS: Final = ("faults detected", "cause named first", "healthy runs with an alarm")


def write_statistics(path: Path, cases: Mapping[str, Case], store: Store) -> None:
    """Write, a line a run, what every symptom's statistic was, with what the run is."""
    with path.open("w", encoding="utf-8") as file:
        for key, case in cases.items():
            line = store.lines.get((key, "doctor"))
            if line is None or "readings" not in line:
                continue
            accepted: tuple[str, ...] = ()
            if case.sort in {"fault", "bug"}:
                accepted = (FAULTS[case.name] if case.sort == "fault" else BUGS[case.name]).accepted
            row = {
                "key": key, "sort": case.sort, "half": case.half, "accepted": accepted,
                "test": line.get("test"), "readings": line["readings"],
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    print(f"statistics: {path}", file=sys.stderr)
