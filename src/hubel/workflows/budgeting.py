"""`--budget`: measure this run's own steps, and fit the schedule into the wall clock."""

from __future__ import annotations

import copy
import time
from typing import Final

import torch

from hubel.data.cache import PictureCache
from hubel.data.dataset import Dataset
from hubel.data.preprocessing import Preprocessing
from hubel.data.source import TEST, VAL
from hubel.results import Run
from hubel.training.budget import MARGIN, MEASURED_SHARE, StepCost, steps_within
from hubel.training.duration import parse_duration, spoken
from hubel.training.planning import choose_steps
from hubel.training.settings import Draft
from hubel.workflows.assembling import Network, build_trainer

REPORT_S: Final = 3.0
"""Time of the report and of leaving the program."""


def steps_for_budget(
    budget: str,
    draft: Draft,
    network: Network,
    dataset: Dataset,
    preprocessing: Preprocessing,
    run: Run,
    began: float,
    cache: PictureCache,
) -> tuple[int, str, float]:
    """Return how many steps fit into the budget, the measured reason, and seconds for training.

    Trains and validates a copy of the network for a few per cent of the budget; weights and random
    state are left as they were. `began` is the `perf_counter` reading at the program's start.
    """
    seconds = parse_duration(budget, "--budget")
    rehearsed = Draft(dict(draft.choices))
    choose_steps(rehearsed, draft["steps_per_pass"] + 1, "rehearsal")
    settings, _ = rehearsed.freeze()
    state = torch.get_rng_state()
    module = copy.deepcopy(network.module)
    trainer = build_trainer(settings, module, dataset, preprocessing, run, cache=cache)
    step_s = trainer.rehearse(MEASURED_SHARE * seconds)
    validation_s = 0.0
    if trainer.validate is not None:
        started = time.perf_counter()
        trainer.validate(trainer.evaluated)
        validation_s = time.perf_counter() - started
    torch.set_rng_state(state)
    pictures = len(dataset.positions(VAL))
    picture_s = validation_s / pictures if pictures else step_s / draft["batch"]
    tested = len(dataset.positions(TEST)) + pictures
    cost = StepCost(
        step_s=step_s,
        validation_s=validation_s,
        spent_s=time.perf_counter() - began,
        final_s=picture_s * tested + REPORT_S,
    )
    steps = steps_within(seconds, cost, draft["steps_per_pass"])
    training_s = MARGIN * seconds - cost.spent_s - cost.final_s
    reason = (
        f"--budget {budget}: a step takes {cost.step_s * 1e3:.1f} ms, a validation "
        f"{spoken(cost.validation_s)}, starting took {spoken(cost.spent_s)}, the end takes about "
        f"{spoken(cost.final_s)}"
    )
    return steps, reason, training_s
