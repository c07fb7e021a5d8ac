"""The splits that hubel makes: stratified, by seed, groups and duplicates kept on one side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hubel.data.source import TEST, TRAIN, UNSPLIT, VAL, Index
from hubel.data.stratification import Strata, place

MadeBy = Literal["user", "hubel", "both", "none"]

VAL_OF_TRAIN: Final = 0.15
"""Share of val where the test pictures are the user's."""
_BINS: Final = 10
_PER_BIN: Final = 10
"""Regression: pictures a quantile bin at least, and bins at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """The final split of each picture (-1: not used), and who decided."""

    splits: NDArray[np.int8]
    made_by: MadeBy


def make_splits(
    index: Index,
    usable: NDArray[np.int64],
    component: NDArray[np.int64],
    *,
    shares: tuple[float, float, float],
    seed: int,
) -> Splits:
    """Split what the user did not, by `seed`; pictures that are not `usable` get -1.

    - The user said nothing: train, val and test in `shares`.
    - The user filled train but not val: val gets VAL_OF_TRAIN of the user's train.
    - Else what the user left open goes to train and to the splits that the user left empty.

    Pictures with the same number in `component`, or of the same group, stay in one split. Each
    class's pictures are split in the shares, rounded; a class with at least three pictures (or
    groups) is in all splits that are made, one with fewer is in train. Several labels: the
    rarest label first, each picture where its label is needed most (sechidis2011). Numbers: by
    quantiles of the first target.
    """
    splits = np.full(len(index), UNSPLIT, np.int8)
    splits[usable] = index.splits[usable]
    users = {int(split) for split in np.unique(splits) if split != UNSPLIT}
    free = usable[splits[usable] == UNSPLIT]
    if index.task == "unlabelled":
        return Splits(splits, "user" if users else "none")
    if len(free):
        weights = _weights(users, shares)
        units, free = _follow_fixed(index, component, splits, usable, free)
    elif TRAIN in users and VAL not in users:
        free = np.flatnonzero(splits == TRAIN)
        weights = np.array([1.0 - VAL_OF_TRAIN, VAL_OF_TRAIN, 0.0])
        units = _units(index, component, free)
    else:
        return Splits(splits, "user")
    if len(free):
        generator = np.random.default_rng(seed)
        splits[free] = place(_strata(index, free), units, weights, generator)
    return Splits(splits, "both" if users else "hubel")


def _weights(users: set[int], shares: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the shares in which open pictures go to the three splits."""
    weights = np.array(shares, np.float64)
    if TEST in users and VAL not in users:
        weights[VAL] = VAL_OF_TRAIN / (1.0 - VAL_OF_TRAIN) * weights[TRAIN]
    for split in (VAL, TEST):
        if split in users:
            weights[split] = 0.0
    return weights / weights.sum()


def _units(
    index: Index, component: NDArray[np.int64], positions: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return a number 0, 1, … for each position: the same for pictures that must stay together."""
    links = [_links(component[positions])]
    if index.groups is not None:
        links.append(_links(index.groups[positions]))
    pairs = np.concatenate(links)
    ones = np.ones(len(pairs), np.bool_)
    shape = (len(positions), len(positions))
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=shape)
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _links(names: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return pairs that join each place with the first one of the same name."""
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    return np.stack([np.arange(len(names)), first[inverse]], axis=1)


def _follow_fixed(
    index: Index,
    component: NDArray[np.int64],
    splits: NDArray[np.int8],
    usable: NDArray[np.int64],
    free: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Put open pictures where the user put their duplicates or their group.

    Return the units and the positions of those that are still open.
    """
    units = _units(index, component, usable)
    fixed = splits[usable]
    counts = np.zeros((int(units.max()) + 1, 3), np.int64)
    decided = fixed != UNSPLIT
    np.add.at(counts, (units[decided], fixed[decided].astype(np.int64)), 1)
    followers = ~decided & (counts[units].sum(axis=1) > 0)
    splits[usable[followers]] = counts[units[followers]].argmax(axis=1)
    still = splits[free] == UNSPLIT
    numbers = np.unique(units[~decided & ~followers], return_inverse=True)[1]
    return numbers.astype(np.int64), free[still]


def _strata(index: Index, positions: NDArray[np.int64]) -> Strata:
    """Return what is to be spread evenly over the splits."""
    labels = index.labels[positions]
    if index.task == "multilabel":
        none = labels.sum(axis=1, keepdims=True) == 0
        rows, columns = np.nonzero(np.concatenate([labels, none], axis=1))
        return Strata(rows, columns, labels.shape[1] + 1)
    rows = np.arange(len(positions))
    if index.task == "classification":
        return Strata(rows, labels, len(index.classes))
    bins = int(np.clip(len(positions) // _PER_BIN, 1, _BINS))
    edges = np.quantile(labels[:, 0], np.arange(1, bins) / bins)
    return Strata(rows, np.searchsorted(edges, labels[:, 0], side="right"), bins)
