"""What is said about time to accuracy: tables, a picture, and who is first."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.arms import HUBEL, Measurement, Variant
from benchmarks.peers.plots import colour, picture
from benchmarks.recording import Section, Table
from benchmarks.time_to_accuracy.arms import Recipe
from benchmarks.time_to_accuracy.moments import (
    Moment,
    best,
    best_of_seeds,
    earliest,
    moments,
    reached,
)

LEVELS: Final = (0.90, 0.92, 0.93, 0.94, 0.95)

TICKS: Final = (10, 20, 30, 60, 120, 300, 600, 900)

RULE: Final = (
    "Fashion-MNIST, 60,000 pictures to train on and 10,000 to test, from the same idx files (for "
    "fastai, Ultralytics and timm as PNG files, made beforehand). The clock starts with the "
    "process: imports, loading and compiling count. Each time is the earliest moment at which a "
    "network of at least that test accuracy existed, over all runs of a seed, within the limit; "
    "the median over the seeds. A peer's networks are those after each epoch; its evaluations on "
    "the test split are left out of its time (its own validation counts), and the best epoch is "
    "picked by test accuracy, which flatters it. hubel's network is the one at the end of the "
    "whole command, its evaluations and report counted, picked by nothing. Best settings are run "
    "over 1 epoch, over as many as fit the limit, and over a quarter of that."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All runs of a tool with one set of settings."""

    name: str
    peer: str
    variant: Variant
    note: str
    runs: Sequence[Measurement]

    @classmethod
    def of(cls, recipe: Recipe, runs: Sequence[Measurement]) -> Group:
        """Return the runs of a peer's recipe."""
        return cls(
            name=recipe.name,
            peer=recipe.peer,
            variant=recipe.variant,
            note=recipe.note,
            runs=runs,
        )

    @classmethod
    def of_hubel(cls, runs: Sequence[Measurement], budgets: Sequence[float]) -> Group:
        """Return hubel's runs."""
        seconds = ", ".join(f"{budget:g}" for budget in budgets)
        note = f"`hubel train FOLDER --budget …`, all else default; budgets of {seconds} s"
        return cls(name=HUBEL, peer=HUBEL, variant="hubel", note=note, runs=runs)

    def moments(self) -> list[Moment]:
        """Return the networks of all its runs."""
        return [moment for run in self.runs for moment in moments(run)]


def section(groups: Sequence[Group], limit_s: float) -> Section:
    """Return the section of RESULTS.md."""
    groups = [group for group in groups if group.runs]
    versions = {
        f"{name} {value}"
        for group in groups
        for run in group.runs
        for name, value in run.versions.items()
        if not name.startswith("torch")
    }
    return Section(
        title="Time to accuracy",
        what=RULE,
        header=(
            "tool",
            "settings",
            "seeds",
            *(f"s to {level:.0%}" for level in LEVELS),
            f"best in {limit_s / 60:g} min",
            "peak MB",
        ),
        rows=[_row(group, limit_s) for group in groups],
        tables=(_runs_table(groups), _settings_table(groups)),
        pictures={"Test accuracy over seconds": draw(groups, limit_s)},
        verdict=verdict(groups, limit_s),
        versions=sorted(versions),
    )


def _row(group: Group, limit_s: float) -> tuple[str, ...]:
    bests = best_of_seeds(group.runs, limit_s)
    peak = max(max(run.tree_bytes or 0, run.peak_bytes) for run in group.runs)
    return (
        group.name,
        group.variant,
        str(len({run.repeat for run in group.runs})),
        *(str(reached(group.runs, level, limit_s)) for level in LEVELS),
        f"{statistics.median(bests):.2%}" if bests else "none",
        f"{peak / 1e6:.0f}",
    )


def _runs_table(groups: Sequence[Group]) -> Table:
    """Return each run: its end, its best moment, and how busy the machine was before."""
    rows = []
    for group in groups:
        for run in group.runs:
            found = moments(run)
            top = max(found, key=lambda one: one.accuracy, default=None)
            rows.append(
                (
                    run.arm,
                    str(run.repeat),
                    run.status,
                    f"{run.counted_s:.0f}",
                    f"{found[-1].accuracy:.2%}" if found else "none",
                    f"{top.accuracy:.2%} at {top.seconds:.0f} s" if top else "none",
                    f"{run.machine.get('load_before', 0):.1f}",
                )
            )
    return Table(
        title="Each run (seconds without evaluations on the test split; load of the machine "
        "before it)",
        header=("run", "seed", "", "s", "last accuracy", "best accuracy", "load"),
        rows=rows,
    )


def _settings_table(groups: Sequence[Group]) -> Table:
    return Table(
        title="Settings",
        header=("tool", "settings"),
        rows=[(group.name, group.note) for group in groups],
    )


def verdict(groups: Sequence[Group], limit_s: float) -> str:
    """Return who is first at each level, and how much sooner hubel has the best peer's best."""
    own = [group for group in groups if group.peer == HUBEL]
    others = [group for group in groups if group.peer != HUBEL]
    said = []
    for level in LEVELS:
        mine = _median(own, level, limit_s)
        theirs = {group.name: _median([group], level, limit_s) for group in others}
        there = {name: value for name, value in theirs.items() if value is not None}
        if mine is None and not there:
            said.append(f"{level:.0%}: reached by nobody")
        elif not there:
            said.append(f"{level:.0%}: hubel alone, {mine:.0f} s")
        else:
            name = min(there, key=lambda one: there[one])
            said.append(f"{level:.0%}: {_beside(mine, there[name], name)}")
    return f"At each level: {'; '.join(said)}. {_best_peer(own, others, limit_s)}"


def _beside(mine: float | None, theirs: float, name: str) -> str:
    """Return who of hubel and the fastest peer is first, and by which factor."""
    if mine is None:
        return f"{name} {theirs:.0f} s, hubel not in each seed"
    first, factor = ("hubel", theirs / mine) if mine <= theirs else (name, mine / theirs)
    return f"hubel {mine:.0f} s, {name} {theirs:.0f} s (**{first} {factor:.1f}× sooner**)"


def _median(groups: Sequence[Group], level: float, limit_s: float) -> float | None:
    """Return the median of the seeds where each of them reached the level."""
    found = reached([run for group in groups for run in group.runs], level, limit_s)
    whole = found.seconds and len(found.seconds) == found.seeds
    return statistics.median(found.seconds) if whole else None


def _best_peer(own: Sequence[Group], others: Sequence[Group], limit_s: float) -> str:
    """Return how soon hubel has the best accuracy of any peer."""
    tops = {group.name: best(group.moments(), limit_s) for group in others}
    there = {name: top for name, top in tops.items() if top is not None}
    if not there or not own:
        return ""
    name = max(there, key=lambda one: there[one])
    peer = next(group for group in others if group.name == name)
    when = earliest(peer.moments(), there[name], limit_s)
    mine = _median(own, there[name], limit_s)
    assert when is not None
    return (
        f"The best accuracy of any peer, {there[name]:.2%}: {_beside(mine, when, name)}; goal: "
        "hubel 10× sooner."
    )


def draw(groups: Sequence[Group], limit_s: float) -> Path:
    """Draw the best accuracy so far of each tool over the seconds."""
    lines = {"hubel": "-", "documented": ":", "best": "--", "ceiling": "-."}

    def on(axes: Any) -> None:
        for group, marker in zip(groups, cycle(".^sDvP*X"), strict=False):
            found = sorted(
                (one for one in group.moments() if one.seconds <= limit_s),
                key=lambda one: one.seconds,
            )
            tone = colour(group.peer)
            seconds = [one.seconds for one in found]
            so_far = [100 * max(x.accuracy for x in found[: i + 1]) for i in range(len(found))]
            style = lines[group.variant]
            values = [100 * one.accuracy for one in found]
            axes.plot(seconds, values, marker, color=tone, alpha=0.4, markersize=5)
            axes.step(
                *(seconds, so_far, style),
                where="post",
                marker=marker,
                markersize=5,
                color=tone,
                label=group.name,
            )
        axes.set_xscale("log")
        axes.set_xlim(5, limit_s * 1.05)
        ticks = [tick for tick in TICKS if tick <= limit_s]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_ylim(bottom=80)
        axes.set_xlabel("seconds since the process started")
        axes.set_ylabel("test accuracy in %")
        axes.legend(fontsize="small", loc="lower right")

    return picture("time-to-accuracy", on)
