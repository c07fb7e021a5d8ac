"""Fashion-MNIST: seconds to some accuracies, and the best accuracy within a time."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path

from benchmarks.fashion import VARIABLE
from benchmarks.peers import Work, add_work_arguments, measure_arms
from benchmarks.peers.arms import Arm, Measurement
from benchmarks.recording import Section
from benchmarks.time_to_accuracy.arms import RECIPES, Recipe, hubel_arm, peer_arm
from benchmarks.time_to_accuracy.data import idx_folder, png_folder
from benchmarks.time_to_accuracy.moments import epochs_that_fit, fastest
from benchmarks.time_to_accuracy.section import LEVELS, Group, section

NAME = "time-to-accuracy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the data, the limit, hubel's budgets and the number of seeds."""
    add_work_arguments(parser)
    parser.add_argument(
        "--path",
        type=Path,
        default=Path(os.environ.get(VARIABLE, "/usr/share/datasets/fashion-mnist")),
        help=f"folder of the four idx.gz files [default: ${VARIABLE}, or Debian's folder]",
    )
    parser.add_argument("--minutes", type=float, default=15.0, help="limit [default: 15]")
    parser.add_argument(
        "--budgets",
        type=float,
        nargs="+",
        default=[30, 60, 120, 300, 870],
        help="seconds of hubel's runs [default: 30 60 120 300 870]",
    )
    parser.add_argument(
        "--seeds", type=int, default=3, help="seeds of hubel and the fastest peer [default: 3]"
    )
    parser.add_argument(
        "--pictures", type=int, help="only so many pictures to train on, to try it out"
    )
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="flags for hubel")


def measure(
    work: Work,
    path: Path,
    minutes: float,
    budgets: list[float],
    seeds: int,
    pictures: int | None,
    more: list[str],
) -> Section:
    """Train on Fashion-MNIST with hubel and its peers: seconds to 90, 92, 93, 94, 95%."""
    limit_s = minutes * 60
    idx = idx_folder(path, work.data(""), pictures)
    data = {"idx": idx, "png": png_folder(idx, work.data(""), pictures)}
    own = [hubel_arm(budget, data, tuple(more)) for budget in budgets]
    peers = {
        recipe: [peer_arm(recipe, epochs, data, limit_s) for epochs in recipe.epochs]
        for recipe in RECIPES
    }
    found = measure_arms(NAME, alternated(own, peers), work)
    for recipe, longer in _that_fit(peers, found, limit_s).items():
        peers[recipe] += [peer_arm(recipe, epochs, data, limit_s) for epochs in longer]
    found = measure_arms(NAME, alternated(own, peers), work)
    names = {recipe.name: recipe for recipe in peers}
    first = fastest({name: _runs(peers[names[name]], found) for name in names}, LEVELS, limit_s)
    if first is not None:
        chosen = names[first]
        peers[chosen] = [replace(arm, repeats=seeds) for arm in peers[chosen]]
    own = [replace(arm, repeats=seeds) for arm in own]
    found = measure_arms(NAME, alternated(own, peers), work)
    groups = [Group.of_hubel(_runs(own, found), budgets)]
    groups += [Group.of(recipe, _runs(arms, found)) for recipe, arms in peers.items()]
    return section(groups, limit_s)


def alternated(own: Sequence[Arm], peers: Mapping[Recipe, Sequence[Arm]]) -> list[Arm]:
    """Return hubel's runs and the peers' by turns: A, B, A, B."""
    theirs = chain.from_iterable(peers.values())
    pairs = zip_longest(own, theirs)
    return [arm for pair in pairs for arm in pair if arm is not None]


def _that_fit(
    peers: Mapping[Recipe, Sequence[Arm]], found: Sequence[Measurement], limit_s: float
) -> dict[Recipe, list[int]]:
    """Return the numbers of epochs for the longer runs of the best settings.

    As many as fit the limit, and a quarter of that: for high and for low accuracies.
    """
    longer: dict[Recipe, list[int]] = {}
    for recipe, arms in peers.items():
        runs = [run for run in _runs(arms, found) if run.repeat == 0]
        if recipe.variant != "best" or not runs:
            continue
        most = epochs_that_fit(runs[0], limit_s) or 1
        longer[recipe] = sorted({most, most // 4} - {0, 1})
    return longer


def _runs(arms: Sequence[Arm], found: Sequence[Measurement]) -> list[Measurement]:
    """Return the measurements of some arms."""
    names = {arm.name for arm in arms}
    return [run for run in found if run.arm in names]
