"""`--treat`: a prescription is tried in paired retrains, and only what was measured is claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from hubel.data.source import Source
from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.results import DEFAULT, Diagnosis, Run, Treatment, said_of
from hubel.results.files import write_json
from hubel.workflows.checks import flag, set_by_user
from hubel.workflows.doctor.looks import Candidate, Looks
from hubel.workflows.doctor.pairing import Original, original_of
from hubel.workflows.keeping import kept_options
from hubel.workflows.watching import Watcher

MOST_ATTEMPTS: Final = 3
"""Prescriptions that are tried, at most."""
PAIRS: Final = 3
_HOW_IT_LEARNS: Final = frozenset(
    {
        *("batch", "accumulate", "optimizer", "lr", "momentum", "schedule", "milestones"),
        *("step_factor", "warmup", "freeze_epochs", "body_lr", "label_smoothing", "weight_decay"),
        *("l1", "dropout", "augment", "augment_strength", "ema", "clip"),
    }
)
"""Options that hubel chooses where they are not set, and that say neither what is learned nor for
how long."""


def treat(
    run: Run | str | Path,
    diagnosis: Diagnosis,
    *,
    pairs: int = PAIRS,
    share: float = 1.0,
    budget: float | None = None,
    seed: int | None = None,
    source: str | Path | Source | None = None,
    trust_code: bool = False,
    watcher: Watcher | None = None,
) -> Treatment:
    """Try the prescriptions of a diagnosis one after the other until one helps.

    Each is tried in pairs of trainings, one with and one without it, with the same seed, pictures
    and split; see `gain_of` for the interval. At most three are tried. Where none helps, or no
    cause was found, hubel's own choice is tried in place of what the user set, see `own_choice`.
    Returns what helped, else the first attempt, and writes all of them into `diagnosis.json`.
    Otherwise as `try_candidates`. Errors: UsageError also where there is nothing to try.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    candidates, last = candidates_of(diagnosis), own_choice(run)
    if not candidates and (diagnosis.causes or last is None):
        raise UsageError(
            f"Nothing in the diagnosis of {run.path} can be treated by options of hubel train: "
            "what to change in code or data stands in its prescriptions."
        )
    attempts = try_candidates(
        run,
        candidates,
        last,
        pairs=pairs,
        share=share,
        budget=budget,
        seed=seed,
        source=source,
        trust_code=trust_code,
        watcher=watcher,
    )
    best = next((one for one in attempts if one.verdict == "helped"), attempts[0])
    treated = replace(diagnosis, treatment=best, attempts=attempts)
    write_json(run.stage_file("diagnosis"), treated)
    return best


def own_choice(run: Run) -> Candidate | None:
    """Return what the user set of how a run learns, left to hubel; None where nothing is set."""
    if not run.options_file.is_file():
        return None
    _, options = kept_options(run, TrainOptions())
    mine = [flag(name) for name in set_by_user(options) if name in _HOW_IT_LEARNS]
    return Candidate(options=dict.fromkeys(mine, DEFAULT)) if mine else None


def candidates_of(diagnosis: Diagnosis) -> tuple[Candidate, ...]:
    """Return the prescriptions that options can follow, in their order, each options once."""
    found: dict[tuple[tuple[str, str], ...], Candidate] = {}
    for one in diagnosis.prescriptions:
        if one.options:
            key = tuple(sorted(one.options.items()))
            found.setdefault(key, Candidate(options=dict(one.options), cause=one.cause))
    return tuple(found.values())[:MOST_ATTEMPTS]


def try_candidates(
    run: Run,
    candidates: Sequence[Candidate],
    last: Candidate | None = None,
    *,
    pairs: int = PAIRS,
    share: float = 1.0,
    budget: float | None = None,
    seed: int | None = None,
    source: str | Path | Source | None = None,
    trust_code: bool = False,
    watcher: Watcher | None = None,
) -> tuple[Treatment, ...]:
    """Try options one after the other until some help, and those of `last` where none do.

    The trainings without them have all passes, are made once, and begin with the run itself where
    it ended under its own seed. A glance comes first: trainings with a candidate for a quarter of
    the passes. Where even they are better than whole trainings without it, it helped: a short
    training is no better for being short. Else pairs with all passes decide, those candidates first
    that gained more at a glance. Each look counts as an attempt, see `Looks`.

    `share` is the part of the run's passes that counts as all of them, `budget` the seconds for
    everything: passes become fewer for it, and later looks are left out. Pair number i has the seed
    `seed` + i, by default from the run's own on. `watcher` is told what is found, a sentence an
    attempt. The run itself is not changed. Errors: UsageError for numbers out of range, a run
    without a validation split, and where no candidate could be applied; RunError where files are
    damaged or pictures have changed.
    """
    check_numbers(pairs, share, budget)
    told = watcher or Watcher()
    original = original_of(run, source, trust_code=trust_code)
    passes, shortened = _passes(original, pairs, share, budget)
    first = original.seed if seed is None else seed
    seeds = range(first, first + pairs)
    looks = Looks(
        original, seeds=seeds, passes=passes, shortened=shortened, budget=budget, told=told.said
    )
    found = _looked_at(looks, candidates, told)
    if last is not None and not any(one.verdict == "helped" for one in found):
        found += _looked_at(looks, (last,), told)
    if not found:
        why = next(reversed(looks.refused.values()), "")
        raise UsageError(f"No prescription could be applied to {run.path}: {why}")
    return found


def _looked_at(
    looks: Looks, candidates: Sequence[Candidate], told: Watcher
) -> tuple[Treatment, ...]:
    """Return what was seen of candidates, up to the one that helped."""
    glances: list[tuple[Candidate, Treatment | None]] = []
    for candidate in candidates:
        glance = looks.glance(candidate)
        if glance is not None and glance.verdict == "helped":
            told.said(sentence(glance))
            return (glance,)
        if said_of(candidate.options) not in looks.refused:
            glances.append((candidate, glance))
    found: list[Treatment] = []
    for candidate, glance in sorted(glances, key=_gained, reverse=True):
        treatment = looks.whole(candidate) or glance
        if treatment is not None:
            found.append(treatment)
            told.said(sentence(treatment))
            if treatment.verdict == "helped":
                break
    return tuple(found)


def _gained(looked: tuple[Candidate, Treatment | None]) -> float:
    return 0.0 if looked[1] is None else looked[1].gain


def sentence(treatment: Treatment) -> str:
    """Return what an attempt found, for people."""
    says = {
        "helped": "helped",
        "no difference seen": "made no difference that was seen",
        "made it worse": "made it worse",
    }[treatment.verdict]
    text = (
        f"{said_of(treatment.options)} {says}: {np.mean(treatment.before):.1%} without, "
        f"{np.mean(treatment.after):.1%} with it on validation; gain {100 * treatment.gain:+.1f} "
        f"points, {100 * treatment.level:g}% interval {100 * treatment.low:+.1f} to "
        f"{100 * treatment.high:+.1f}, {treatment.pairs} pairs of {treatment.lengths}."
    )
    if treatment.limits:
        text += f" {treatment.limits}"
    if treatment.verdict == "helped":
        text += f" Train with it: {treatment.command}"
    return text


def check_numbers(pairs: int, share: float, budget: float | None) -> None:
    """Raise UsageError for numbers of a treatment that are out of range."""
    if pairs < 2:
        raise UsageError(f"A treatment needs 2 pairs of retrains or more, not {pairs}.")
    if not 0 < share <= 1:
        raise UsageError(f"The share of a run's passes is above 0 and up to 1, not {share:g}.")
    if budget is not None and not budget > 0:
        raise UsageError(f"The budget of a treatment is above 0 seconds, not {budget:g}.")


def _passes(original: Original, pairs: int, share: float, budget: float | None) -> tuple[int, str]:
    """Return the passes of a retrain, and a sentence where they are fewer than the run's."""
    wanted = original.passes
    passes = max(1, round(wanted * share))
    why = f"a share of {share:g} was asked for"
    if budget is not None and not math.isnan(original.pass_s):
        within = int(budget / (2 * pairs * max(original.pass_s, 1e-9)))
        if within < passes:
            passes, why = max(1, within), f"the budget is {budget:g} s"
    if passes >= wanted:
        return wanted, ""
    return passes, f"Each retrain has {passes} of the run's {wanted} passes, since {why}."
