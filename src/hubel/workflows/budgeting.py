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
from hubel.workflows.assembling import Network, build_trainer, validation
from hubel.workflows.session import Session

REPORT_S: Final = 3.0
"""Time of the report and of leaving the program."""


def steps_for_budget(
    budget: str,
    draft: Draft,
    network: Network,
    dataset: Dataset,
    preprocessing: Preprocessing,
    run: Run,
    cache: PictureCache,
    session: Session,
) -> tuple[int, str, float]:
    """Return how many steps fit into the budget, the measured reason, and seconds for training.

    Trains a copy of the network for a few per cent of the budget and validates it on as many
    pictures as takes less; weights and random state are left as they were. The budget counts from
    where the session began.
    """
    seconds = parse_duration(budget, "--budget")
    rehearsed = Draft(dict(draft.choices))
    choose_steps(rehearsed, draft["steps_per_pass"] + 1, "rehearsal")
    settings, _ = rehearsed.freeze()
    state = torch.get_rng_state()
    twin = copy.deepcopy(network.module)
    trainer = build_trainer(
        settings, twin, dataset, preprocessing, run, cache=cache, world=session.world
    )
    step_s = session.world.share(trainer.rehearse(MEASURED_SHARE * seconds))
    pictures, picture_s = len(dataset.positions(VAL)), step_s / draft["batch"]
    # A validation takes less than a third of a step's time for a picture.
    sample = min(pictures, max(draft["batch"], int(MEASURED_SHARE * seconds / picture_s)))
    validate = validation(
        *(settings, dataset, preprocessing, trainer.portions, cache, session.world), sample
    )
    if validate is not None:
        started = time.perf_counter()
        validate(trainer.evaluated)
        picture_s = (time.perf_counter() - started) / sample
    validation_s = picture_s * pictures
    torch.set_rng_state(state)
    tested = len(dataset.positions(TEST)) + pictures
    cost = StepCost(
        step_s=step_s,
        validation_s=validation_s,
        spent_s=time.perf_counter() - session.began,
        final_s=picture_s * tested + REPORT_S,
    )
    cost = session.world.share(cost)
    steps = steps_within(seconds, cost, draft["steps_per_pass"])
    training_s = MARGIN * seconds - cost.spent_s - cost.final_s
    reason = (
        f"--budget {budget}: a step takes {cost.step_s * 1e3:.1f} ms, a validation "
        f"{spoken(cost.validation_s)}, starting took {spoken(cost.spent_s)}, the end takes about "
        f"{spoken(cost.final_s)}"
    )
    return steps, reason, training_s
