"""Units of pictures into splits, so that every stratum has its share in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.data.source import TRAIN

LEAST_UNITS: Final = 3
"""Units that a stratum must have to be in every split; with fewer, all of it goes to train."""
_SPLITS: Final = 3
_SLACK: Final = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """Which pictures belong to which strata (classes, labels, quantiles): row k is in column k."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    number: int


class _Progress:
    """What is wanted and what is placed, in pictures, a stratum and split."""

    wanted: NDArray[np.int64]
    placed: NDArray[np.int64]
    open_units: NDArray[np.int64]
    active: NDArray[np.int64]
    rare: NDArray[np.bool_]

    def __init__(
        self, pictures: NDArray[np.int64], units: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> None:
        self.active = np.flatnonzero(weights > 0)
        self.rare = units < LEAST_UNITS
        self.wanted = np.zeros((len(pictures), _SPLITS), np.int64)
        self.placed = np.zeros((len(pictures), _SPLITS), np.int64)
        self.open_units = units.copy()
        nothing = np.zeros(_SPLITS, np.bool_)
        for stratum, number in enumerate(pictures):
            owed = weights * pictures.sum() - self.wanted.sum(axis=0)
            self.wanted[stratum] = share_out(int(number), weights, nothing, owed)

    def uncovered(self, stratum: int) -> NDArray[np.bool_]:
        """Return the splits that are made and hold nothing of the stratum yet."""
        bare = np.zeros(_SPLITS, np.bool_)
        bare[self.active] = self.placed[stratum, self.active] == 0
        return bare

    def best(self, stratum: int) -> int:
        """Return the split that needs the stratum most, and all strata where that is equal."""
        if self.rare[stratum]:
            return TRAIN
        bare = self.uncovered(stratum)
        choices = self.active
        if bare.any() and self.open_units[stratum] <= bare.sum():
            choices = np.flatnonzero(bare)
        needs = (self.wanted[stratum] - self.placed[stratum])[choices]
        overall = (self.wanted - self.placed).sum(axis=0)[choices]
        return int(choices[np.lexsort((overall, needs))[-1]])


def place(
    strata: Strata,
    units: NDArray[np.int64],
    weights: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.int8]:
    """Return the split of each picture: whole units, every stratum near its share.

    `units` (n,) numbers the units from 0; `weights` (3,) are the shares, 0 for a split that is
    not made. Units of several pictures or strata come first: the rarest stratum, its largest
    units, each to the split that needs the stratum most (sechidis2011); then single pictures are
    dealt out at random to what is wanted still. Where pictures of several strata made a split
    larger than its share, it gives back to train what it can spare.
    """
    sizes = np.bincount(units)
    incidence, counts = np.unique(
        np.stack([units[strata.rows], strata.columns], axis=1), axis=0, return_counts=True
    )
    unit_of, stratum_of = incidence[:, 0], incidence[:, 1]
    progress = _Progress(
        np.bincount(strata.columns, minlength=strata.number),
        np.bincount(stratum_of, minlength=strata.number),
        weights,
    )
    single = (sizes == 1) & (np.bincount(unit_of, minlength=len(sizes)) == 1)
    split_of_unit = np.full(len(sizes), -1, np.int8)
    large = ~single[unit_of]
    _place_units(
        unit_of[large], stratum_of[large], counts[large], sizes, progress, split_of_unit, generator
    )
    lone = single[unit_of]
    _deal_singles(unit_of[lone], stratum_of[lone], progress, weights, split_of_unit, generator)
    _give_back(unit_of, stratum_of, counts, sizes, progress, weights, split_of_unit)
    return split_of_unit[units]


def _place_units(
    unit_of: NDArray[np.int64],
    stratum_of: NDArray[np.int64],
    counts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    progress: _Progress,
    split_of_unit: NDArray[np.int8],
    generator: np.random.Generator,
) -> None:
    """Place the units of several pictures or strata one by one."""
    starts = np.searchsorted(unit_of, np.arange(len(sizes) + 1))  # unit_of is sorted
    by_stratum = np.argsort(stratum_of, kind="stable")
    ends = np.cumsum(np.bincount(stratum_of, minlength=len(progress.wanted)))
    for stratum in np.argsort(progress.open_units, kind="stable").tolist():
        first = ends[stratum - 1] if stratum else 0
        mine = unit_of[by_stratum[first : ends[stratum]]]
        mine = generator.permutation(mine)
        mine = mine[np.argsort(-sizes[mine], kind="stable")]
        for unit in mine.tolist():
            if split_of_unit[unit] >= 0:
                continue
            split = progress.best(stratum)
            split_of_unit[unit] = split
            inside = slice(starts[unit], starts[unit + 1])
            progress.placed[stratum_of[inside], split] += counts[inside]
            progress.open_units[stratum_of[inside]] -= 1


def _deal_singles(
    unit_of: NDArray[np.int64],
    stratum_of: NDArray[np.int64],
    progress: _Progress,
    weights: NDArray[np.float64],
    split_of_unit: NDArray[np.int8],
    generator: np.random.Generator,
) -> None:
    """Deal out the single pictures of each stratum, in random order, to what is wanted still."""
    order = np.argsort(stratum_of, kind="stable")
    ends = np.cumsum(np.bincount(stratum_of, minlength=len(progress.wanted)))
    for stratum, mine in enumerate(np.split(unit_of[order], ends[:-1])):
        if progress.rare[stratum]:
            split_of_unit[mine] = TRAIN
            continue
        needs = np.maximum(progress.wanted[stratum] - progress.placed[stratum], 0)
        bare = progress.uncovered(stratum)
        share = needs / needs.sum() if needs.any() else weights
        numbers = share_out(len(mine), share, bare, needs.astype(np.float64))
        splits = np.repeat(np.arange(_SPLITS, dtype=np.int8), numbers)
        split_of_unit[generator.permutation(mine)] = splits


def _give_back(
    unit_of: NDArray[np.int64],
    stratum_of: NDArray[np.int64],
    counts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    progress: _Progress,
    weights: NDArray[np.float64],
    split_of_unit: NDArray[np.int8],
) -> None:
    """Give units back to train where those of several strata made a split far too large.

    As long as the split stays over its share by `_SLACK` of the pictures, and keeps something of
    each of the unit's strata. Strata can be even and the splits not: a split with the pictures of
    one label each needs more of them than one with those of several.
    """
    totals = np.bincount(split_of_unit, sizes, minlength=_SPLITS)
    over = totals - (weights / weights.sum() + _SLACK) * sizes.sum()
    starts = np.searchsorted(unit_of, np.arange(len(sizes) + 1))
    splits = [split for split in progress.active.tolist() if split != TRAIN and over[split] > 0]
    if not splits or len(unit_of) == len(sizes):
        return
    placed = np.zeros_like(progress.placed)
    np.add.at(placed, (stratum_of, split_of_unit[unit_of]), counts)
    for split in splits:
        for unit in np.flatnonzero(split_of_unit == split).tolist():
            inside = slice(starts[unit], starts[unit + 1])
            strata, number = stratum_of[inside], counts[inside]
            if sizes[unit] <= over[split] and (number < placed[strata, split]).all():
                split_of_unit[unit] = TRAIN
                placed[strata, split] -= number
                over[split] -= sizes[unit]


def share_out(
    number: int,
    weights: NDArray[np.float64],
    must: NDArray[np.bool_],
    owed: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return whole numbers near number · weights that sum to `number` (largest remainders).

    Where `must` is set, at least one is given as long as there are enough; equal remainders go
    to the split that is owed most.
    """
    exact = number * weights / weights.sum()
    parts = np.floor(exact + 1e-9).astype(np.int64)
    order = np.lexsort((owed, np.round(exact - parts, 9)))[::-1]
    order = order[weights[order] > 0]
    for place_ in order[: number - int(parts.sum())]:
        parts[place_] += 1
    if number >= int(must.sum()):
        for bare in np.flatnonzero(must & (parts == 0)):
            parts[int(np.argmax(parts - must))] -= 1
            parts[bare] += 1
    return parts
