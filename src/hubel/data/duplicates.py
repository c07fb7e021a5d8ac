"""Pictures that show the same: exactly once decoded, or nearly, which is verified on pixels.

Why these thresholds. Measured on photographs (24 of scikit-image and scikit-learn, 174 of
the Tux Paint stamps), copies re-encoded as JPEG (quality 30 to 90), resized (to 1/4) or a little
brighter or darker correlate above 0.99 at 32×32 pixels, while the most alike of all pairs of
different stamps reach 0.97 (two sides of one spinning top: 0.993). Small pictures hold less: among
Fashion-MNIST's 28×28 pixels, 127 of 10,000 × 60,000 pairs correlate above 0.99, most of them
different trousers; above 0.9975 one sees the same article, so that is asked of pictures whose
short side is below 64. Below 16 pixels the hash is nothing but the picture itself at more
pixels than it has, and different digits look alike: such pictures are only compared exactly.
Copies that are cropped, turned or mirrored are not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from hubel.data.candidates import MAX_PAIRS, near_hashes
from hubel.data.decoding import decode
from hubel.data.parallel import available_threads
from hubel.data.perception import SIGNATURE_SIDE, bring_to, compare
from hubel.data.scanning import Scan
from hubel.data.source import Source
from hubel.errors import PictureError

LEAST_SIDE: Final = 16
"""Short side from which near duplicates are looked for, in pixels."""
SMALL_SIDE: Final = 64
"""Short side from which a picture holds enough to tell a copy from a look-alike."""
CORRELATION: Final = 0.99
CORRELATION_SMALL: Final = 0.9975
CERTAIN_CORRELATION: Final = 0.995
CERTAIN_PLACE: Final = 16.0
"""A pair is certainly a copy where, at 64×64, no place (1/16 of the side) differs by more than
this after the best gain and offset, as no place does after compression or resizing; an object
that moved, a mark or a defect shows in its place even where the correlation stays high."""
NEAR_CONSTANT: Final = 2.0
"""Standard deviation of the grey values below which a picture is nearly constant."""
_SAME_SHAPE: Final = 0.05
"""Greatest difference of the logarithms of width / height of a copy."""
_COMPARED_SIDE: Final = 32
_BLOCK: Final = 2048
_PAIRS_A_PICTURE: Final = 1000
_LEAST_BUDGET: Final = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Pictures that show the same."""

    positions: NDArray[np.int64]
    difference: float
    """Greatest mean absolute difference of the pairs compared, 0 to 255; 0 where exact."""


@dataclass(frozen=True, slots=True, eq=False)
class Duplicates:
    """All groups of duplicates of a source."""

    exact: tuple[Group, ...]
    near: tuple[Group, ...]
    certain: tuple[Group, ...]
    """Near groups again, joined by such pairs only as are certainly copies."""
    component: NDArray[np.int64]
    """A number a picture: pictures with the same number are duplicates, exact or near."""
    complete: bool
    """False where so many pictures look alike that not all pairs could be compared."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Verified pairs (n, 2) of positions, their differences, and which are certain."""

    pairs: NDArray[np.int64]
    differences: NDArray[np.float32]
    certain: NDArray[np.bool_]


def find_duplicates(source: Source, scanned: Scan, *, threads: int | None = None) -> Duplicates:
    """Return the groups of exact and near duplicates; candidates are decoded once more."""
    total = len(scanned.records)
    exact = _exact(scanned)
    links = [np.stack([group[1:], np.full(len(group) - 1, group[0])], axis=1) for group in exact]
    copies = np.concatenate([np.zeros((0, 2), np.int64), *links])
    candidates, complete = _candidates(scanned, exact)
    verified = _verify(source, candidates, scanned.records, threads)
    return Duplicates(
        exact=tuple(Group(group, 0.0) for group in exact),
        near=_groups(copies, verified.pairs, verified.differences, total),
        certain=_groups(
            copies,
            verified.pairs[verified.certain],
            verified.differences[verified.certain],
            total,
        ),
        component=_components(np.concatenate([copies, verified.pairs]), total),
        complete=complete,
    )


def _exact(scanned: Scan) -> list[NDArray[np.int64]]:
    """Return the groups of equal digests, each sorted, in the order of their first pictures."""
    usable = scanned.usable
    digests = np.ascontiguousarray(scanned.records["digest"][usable]).view("V32").ravel()
    _, inverse, counts = np.unique(digests, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    groups = np.split(usable[order], np.cumsum(counts)[:-1])
    return sorted((group for group in groups if len(group) > 1), key=lambda group: int(group[0]))


def _candidates(scanned: Scan, exact: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], bool]:
    """Return pairs of positions with near hashes, the same shape and much alike signatures."""
    records = scanned.records
    sides = np.minimum(records["width"], records["height"])
    eligible = (
        records["decodable"] & (sides >= LEAST_SIDE) & (records["deviation"] >= NEAR_CONSTANT)
    )
    for group in exact:
        eligible[group[1:]] = False
    positions = np.flatnonzero(eligible)
    ratios = np.log(records["width"][positions] / records["height"][positions])
    signatures = _centred(records["signature"][positions])
    # A signature is the picture at 8×8: it may lose at most twice what the pixels may.
    slack = 2.0 * (1.0 - np.where(sides[positions] < SMALL_SIDE, CORRELATION_SMALL, CORRELATION))

    def keep(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        alike = np.einsum("nk,nk->n", signatures[first], signatures[second])
        enough = alike >= 1.0 - np.minimum(slack[first], slack[second])
        return enough & (np.abs(ratios[first] - ratios[second]) <= _SAME_SHAPE)

    most = max(MAX_PAIRS, _PAIRS_A_PICTURE * len(records))
    found = near_hashes(records["phash"][positions], keep, max_pairs=most)
    pairs = found.pairs
    budget = max(_LEAST_BUDGET, len(records))
    if len(pairs) > budget:
        alike = np.einsum("nk,nk->n", signatures[pairs[:, 0]], signatures[pairs[:, 1]])
        return positions[pairs[_chosen(pairs, alike, len(positions), budget)]], False
    return positions[pairs], found.complete


def _chosen(
    pairs: NDArray[np.int64], alike: NDArray[np.float32], total: int, budget: int
) -> NDArray[np.int64]:
    """Return which pairs to verify where there are too many: those that span, then the most alike.

    A spanning forest of the most alike pairs (at most one a picture) joins all that can be joined.
    """
    costs = 2.0 - alike.astype(np.float64)
    graph = coo_array((costs, (pairs[:, 0], pairs[:, 1])), shape=(total, total)).tocsr()
    forest = coo_array(minimum_spanning_tree(graph))
    numbers = pairs[:, 0] * total + pairs[:, 1]
    spanning = np.isin(numbers, forest.row.astype(np.int64) * total + forest.col)
    order = np.lexsort((-alike, ~spanning))
    return np.sort(order[: max(budget, int(spanning.sum()))])


def _wanted(sides: NDArray[Any], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the correlation that each pair must reach."""
    small = sides[pairs].min(axis=1) < SMALL_SIDE
    return np.where(small, CORRELATION_SMALL, CORRELATION)


def _centred(signatures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the signatures (n, 64) with mean 0 and norm 1: their dot product is Pearson's r."""
    values = signatures.reshape(len(signatures), SIGNATURE_SIDE**2).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def _verify(
    source: Source, candidates: NDArray[np.int64], records: NDArray[Any], threads: int | None
) -> _Pairs:
    """Compare the candidates on pixels, a block at a time: memory holds one block's pictures.

    A pair that certain pairs of earlier blocks have already joined is not compared again.
    """
    kept: list[tuple[int, int]] = []
    differences: list[float] = []
    certain: list[bool] = []
    sides = np.minimum(records["width"], records["height"])
    with ThreadPoolExecutor(threads or available_threads()) as pool:
        for block in _blocks(candidates, kept, certain, len(records)):
            numbers = [int(position) for position in np.unique(block)]
            small = pool.map(partial(_thumbnail, source), numbers)
            pictures = dict(zip(numbers, small, strict=True))
            for pair, wanted in zip(block.tolist(), _wanted(sides, block), strict=True):
                near, sure, difference = _compare(
                    pictures[pair[0]], pictures[pair[1]], float(wanted)
                )
                if near:
                    kept.append((pair[0], pair[1]))
                    differences.append(difference)
                    certain.append(sure)
    return _Pairs(
        np.array(kept, np.int64).reshape(-1, 2),
        np.array(differences, np.float32),
        np.array(certain, np.bool_),
    )


def _blocks(
    candidates: NDArray[np.int64], kept: list[tuple[int, int]], certain: list[bool], total: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the candidates in blocks; `kept` and `certain` grow while the blocks are compared."""
    for start in range(0, len(candidates), _BLOCK):
        block = candidates[start : start + _BLOCK]
        if any(certain):
            sure = np.array(kept, np.int64)[np.array(certain, np.bool_)]
            joined = _components(sure, total)
            block = block[joined[block[:, 0]] != joined[block[:, 1]]]
        if len(block):
            yield block


def _thumbnail(source: Source, position: int) -> NDArray[np.uint8] | None:
    """Return a picture squashed to at most 64×64; None where it can no longer be read."""
    try:
        pixels = decode(source.read(position), at_least=4 * SMALL_SIDE)
    except (PictureError, OSError):
        return None
    side = min(SMALL_SIDE, *pixels.shape[:2])
    return bring_to(pixels, side, 3 if pixels.shape[2] >= 3 else 1)


def _compare(
    left: NDArray[np.uint8] | None, right: NDArray[np.uint8] | None, wanted: float
) -> tuple[bool, bool, float]:
    """Return whether two pictures are near duplicates, whether certainly, and their difference."""
    if left is None or right is None:
        return False, False, 0.0
    channels = max(left.shape[2], right.shape[2])
    side = min(len(left), len(right))
    coarse_side = min(_COMPARED_SIDE, side)
    coarse = compare(bring_to(left, coarse_side, channels), bring_to(right, coarse_side, channels))
    if coarse.correlation < wanted:
        return False, False, coarse.difference
    fine = compare(bring_to(left, side, channels), bring_to(right, side, channels))
    certain = (
        side >= SMALL_SIDE
        and fine.correlation >= CERTAIN_CORRELATION
        and fine.worst_place <= CERTAIN_PLACE
    )
    return True, certain, coarse.difference


def _components(pairs: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Return a number a picture, the same for pictures that the pairs join."""
    ones = np.ones(len(pairs), np.bool_)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(total, total))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _groups(
    copies: NDArray[np.int64],
    pairs: NDArray[np.int64],
    differences: NDArray[np.float32],
    total: int,
) -> tuple[Group, ...]:
    """Return the groups that near pairs join, their exact copies included."""
    if not len(pairs):
        return ()
    component = _components(np.concatenate([copies, pairs]), total)
    members = np.flatnonzero(np.isin(component, component[pairs[:, 0]]))
    order = members[np.argsort(component[members], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    greatest: dict[int, float] = {}
    for number, difference in zip(component[pairs[:, 0]].tolist(), differences, strict=True):
        greatest[number] = max(greatest.get(number, 0.0), float(difference))
    found = [Group(group, greatest[int(component[group[0]])]) for group in groups]
    return tuple(sorted(found, key=lambda group: int(group.positions[0])))
