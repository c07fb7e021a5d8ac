"""`--treat`: a prescription is tried in paired retrains, and only what was measured is claimed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from hubel.data.source import Source
from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.results import Diagnosis, Run, Treatment
from hubel.results.files import write_json
from hubel.training.gains import gain_of, level_of
from hubel.workflows.doctor.changing import changed, command_of
from hubel.workflows.doctor.pairing import Floats, Original, original_of, retrain, short_options
from hubel.workflows.watching import Watcher

MOST_ATTEMPTS: Final = 3
"""Prescriptions that are tried, at most."""
PAIRS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Options to try."""

    options: Mapping[str, str]
    cause: str = ""
    """Id of the finding that they are for."""


def treat(
    run: Run | str | Path,
    diagnosis: Diagnosis,
    *,
    pairs: int = PAIRS,
    share: float = 1.0,
    budget: float | None = None,
    seed: int = 0,
    source: str | Path | Source | None = None,
    trust_code: bool = False,
    watcher: Watcher | None = None,
) -> Treatment:
    """Try the prescriptions of a diagnosis one after the other until one helps.

    Each is tried in `pairs` pairs of retrains, one with and one without it, with the same seed,
    pictures, split and number of passes; see `gain_of` for the interval. At most three are tried.
    Returns the one that helped, else the first, and writes all of them into `diagnosis.json`.
    Otherwise as `try_candidates`. Errors: UsageError also where no prescription has options.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    candidates = candidates_of(diagnosis)
    if not candidates:
        raise UsageError(
            f"Nothing in the diagnosis of {run.path} can be treated by options of hubel train: "
            "what to change in code or data stands in its prescriptions."
        )
    attempts = try_candidates(
        run,
        candidates,
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
    *,
    pairs: int = PAIRS,
    share: float = 1.0,
    budget: float | None = None,
    seed: int = 0,
    source: str | Path | Source | None = None,
    trust_code: bool = False,
    watcher: Watcher | None = None,
) -> tuple[Treatment, ...]:
    """Try options one after the other until some help; the retrains without them are shared.

    `share` is the part of the run's passes that a retrain has, `budget` the seconds for all of
    them: retrains become shorter for it, and later candidates are left out. Pair number i has the
    seed `seed` + i. `watcher` is told what is found, a sentence an attempt. The run itself is not
    changed. Errors: UsageError for numbers out of range, a run without a validation split, and
    where no candidate could be applied; RunError where files are damaged or pictures have changed.
    """
    check_numbers(pairs, share, budget)
    began = time.perf_counter()
    told = watcher or Watcher()
    original = original_of(run, source, trust_code=trust_code)
    passes, shortened = _passes(original, pairs, share, budget)
    seeds = range(seed, seed + pairs)
    plain = [short_options(original, one, passes) for one in seeds]
    before: list[Floats] = []
    found: list[Treatment] = []
    refused = ""
    for candidate in candidates:
        spent = time.perf_counter() - began
        if budget is not None and found and spent + spent / (len(found) + 1) > budget:
            told.said(f"The budget of {budget:g} s leaves no time to try more.")
            break
        started = time.perf_counter()
        try:
            tried = [_with(options, candidate) for options in plain]
            before = before or [retrain(original, options).scores for options in plain]
            after = [retrain(original, options).scores for options in tried]
        except UsageError as error:
            refused = str(error)
            told.said(f"{_said(candidate.options)} cannot be applied: {error}")
            continue
        one = _treatment(candidate, before, after, level_of(len(found)))
        found.append(
            replace(
                one,
                seconds=time.perf_counter() - started,
                passes=passes,
                shortened=shortened,
                command=command_of(original.source, _with(original.options, candidate)),
            )
        )
        told.said(sentence(found[-1]))
        if one.verdict == "helped":
            break
    if not found:
        raise UsageError(f"No prescription could be applied to {run.path}: {refused}")
    return tuple(found)


def sentence(treatment: Treatment) -> str:
    """Return what an attempt found, for people."""
    says = {
        "helped": "helped",
        "no difference seen": "made no difference that was seen",
        "made it worse": "made it worse",
    }[treatment.verdict]
    passes = f"{treatment.passes} pass{'es' * (treatment.passes > 1)}"
    text = (
        f"{_said(treatment.options)} {says}: {np.mean(treatment.before):.1%} without, "
        f"{np.mean(treatment.after):.1%} with it on validation; gain {100 * treatment.gain:+.1f} "
        f"points, {100 * treatment.level:g}% interval {100 * treatment.low:+.1f} to "
        f"{100 * treatment.high:+.1f}, "
        f"{treatment.pairs} pairs of {passes}."
    )
    if treatment.shortened:
        text += f" {treatment.shortened}"
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


def _with(options: TrainOptions, candidate: Candidate) -> TrainOptions:
    """Return options with those of a candidate; a budget of time gives way to its passes."""
    made = changed(options, candidate.options)
    return replace(made, budget=None) if "--epochs" in candidate.options else made


def _treatment(
    candidate: Candidate, before: Sequence[Floats], after: Sequence[Floats], level: float
) -> Treatment:
    gain = gain_of(np.stack(before), np.stack(after), level=level)
    shares = all(((scores >= 0) & (scores <= 1)).all() for scores in (*before, *after))
    least, most = (-1.0, 1.0) if shares else (-math.inf, math.inf)
    verdict = "helped" if gain.low > 0 else "made it worse" if gain.high < 0 else None
    return Treatment(
        options=dict(candidate.options),
        pairs=len(before),
        before=tuple(float(scores.mean()) for scores in before),
        after=tuple(float(scores.mean()) for scores in after),
        gain=gain.value,
        low=max(gain.low, least),
        high=min(gain.high, most),
        seconds=0.0,
        verdict=verdict or "no difference seen",
        level=level,
        cause=candidate.cause,
    )


def _said(options: Mapping[str, str]) -> str:
    return " ".join(f"{name} {value}".strip() for name, value in options.items())
