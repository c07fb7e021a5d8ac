"""Pairs of pictures whose hashes are near, found without comparing every picture with every other.

If two 64-bit hashes differ in at most 7 bits, then at least one of their four 16-bit words differs
in at most one bit (pigeonhole: four words with two differing bits each would make eight). So it is
enough to look, word by word, at pictures whose word is the same or differs in one bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hubel.data.perception import hamming

NEAR_BITS: Final = 7
"""Greatest Hamming distance of two hashes that are looked at: what four words can guarantee."""
_WORDS: Final = 4
_WORD_BITS: Final = 16
_BLOCK: Final = 1 << 20
"""Pairs in memory at a time."""
MAX_PAIRS: Final = 400_000_000
"""Pairs of hashes that are compared at most, in all: some ten seconds."""
_MOST_NEAR: Final = 512
_MOST_KEPT: Final = 16
"""Near hashes a picture that are looked at, and pairs that are kept, a word and flip: so many
copies of one picture are chained, not each paired with each."""

Keep = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
"""From the first and second positions of some pairs to which of them are worth verifying."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pairs (n, 2) of positions in the hashes, each once, the lower position first, sorted."""

    pairs: NDArray[np.int64]
    complete: bool
    """False where so many hashes collide that not all pairs could be compared or kept."""


def near_hashes(
    hashes: NDArray[np.uint64], keep: Keep, *, max_pairs: int = MAX_PAIRS
) -> Candidates:
    """Return the pairs of hashes that differ in at most NEAR_BITS bits, and that `keep` keeps.

    Work: the number of pairs whose words are near, at most `max_pairs`. Where that, or what one
    picture may have, would be broken, each picture is paired with those that come next in the
    order of the hashes' words (among equal ones: of the pictures), and `complete` is False.
    """
    words = _spread(hashes)
    found: list[NDArray[np.int64]] = []
    left, complete = max_pairs, True
    for number, word in enumerate(words.T):
        order = np.argsort(word, kind="stable")
        ordered = hashes[order]
        counts = np.bincount(word, minlength=1 << _WORD_BITS)
        for flip in (0, *(1 << bit for bit in range(_WORD_BITS))):
            lengths, starts = _matches(word, order, counts, flip)
            lengths, whole = _bounded(lengths, left)
            complete &= whole
            left -= int(lengths.sum())
            for first, second in _expand(lengths, starts):
                near = hamming(ordered[first], ordered[second]) <= NEAR_BITS
                mine, others = order[first[near]], order[second[near]]
                new = _first_seen(words, number, mine, others)
                mine, others, whole = _at_most(mine[new], others[new], _MOST_NEAR)
                kept = keep(mine, others)
                mine, others, all_kept = _at_most(mine[kept], others[kept], _MOST_KEPT)
                complete &= whole and all_kept
                found.append(np.sort(np.stack([mine, others], axis=1), axis=1))
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *found])
    return Candidates(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], complete)


def _first_seen(
    words: NDArray[np.int64],
    number: int,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which pairs no earlier word has found: no earlier word differs in 0 or 1 bits."""
    new = np.ones(len(first), np.bool_)
    for earlier in range(number):
        new &= np.bitwise_count(words[first, earlier] ^ words[second, earlier]) > 1
    return new


def _at_most(
    first: NDArray[np.int64], second: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], bool]:
    """Return at most `most` pairs a first picture (its pairs lie together), and whether all."""
    begins = np.flatnonzero(np.diff(first, prepend=-1))
    lengths = np.diff(begins, append=len(first))
    if not len(lengths) or int(lengths.max()) <= most:
        return first, second, True
    rank = np.arange(len(first)) - np.repeat(begins, lengths)
    return first[rank < most], second[rank < most], False


def _spread(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the four words (n, 4): bit b of the hash goes to word b mod 4.

    Low frequencies agree among many pictures, high ones do not: dealt out like cards, each word
    has its share of both, and fewer pictures share a word.
    """
    words = np.zeros((len(hashes), _WORDS), np.int64)
    for bit in range(_WORDS * _WORD_BITS):
        value = ((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.int64)
        words[:, bit % _WORDS] |= value << (bit // _WORDS)
    return words


def _matches(
    word: NDArray[np.int64], order: NDArray[np.int64], counts: NDArray[np.int64], flip: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each place in `order`, how many matches it has and where in `order` they start.

    Each pair once: with flip 0 the matches behind a picture, else those of the word with the bit
    set, for pictures whose word has it not.
    """
    ends = np.cumsum(counts)
    mine = word[order]
    if not flip:
        places = np.arange(len(order))
        return ends[mine] - places - 1, places + 1
    other = mine | flip
    lengths = np.where(mine & flip, 0, counts[other])
    return lengths, ends[other] - counts[other]


def _bounded(lengths: NDArray[np.int64], left: int) -> tuple[NDArray[np.int64], bool]:
    """Return the lengths, cut to the longest common bound whose sum is within `left`."""
    if int(lengths.sum()) <= left:
        return lengths, True
    low, high = 0, int(lengths.max())
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(lengths, middle).sum()) <= left:
            low = middle
        else:
            high = middle - 1
    return np.minimum(lengths, low), False


def _expand(
    lengths: NDArray[np.int64], starts: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the pairs as blocks of (first, second) places, some _BLOCK pairs at a time."""
    rows = np.flatnonzero(lengths)
    totals = np.cumsum(lengths[rows])
    begin = 0
    while begin < len(rows):
        done = int(totals[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(totals, done + _BLOCK, side="right")))
        chosen = rows[begin:end]
        repeats = lengths[chosen]
        shifts = starts[chosen] - (np.cumsum(repeats) - repeats)
        second = np.arange(int(repeats.sum())) + np.repeat(shifts, repeats)
        yield np.repeat(chosen, repeats), second
        begin = end
