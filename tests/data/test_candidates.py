"""Near hashes: all of them are found, each once, and collisions stay bounded."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hubel.data import candidates
from hubel.data.candidates import NEAR_BITS, near_hashes


def everything(first, second):
    return np.ones(len(first), np.bool_)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sets(st.integers(0, 63), max_size=6)),
        min_size=1,
        max_size=15,
    )
)
def test_all_near_pairs_and_no_others(recipes):
    """Few far centres, each with some bits flipped: many pairs near the bound."""
    centres = [0, 0xFFFF_FFFF_FFFF_FFFF, 0x00FF_00FF_00FF_00FF, 0x1234_5678_9ABC_DEF0]
    hashes = []
    for centre, flips in recipes:
        value = centres[centre]
        for flip in flips:
            value ^= 1 << flip
        hashes.append(value)
    expected = [
        [i, j]
        for (i, a), (j, b) in combinations(enumerate(hashes), 2)
        if (a ^ b).bit_count() <= NEAR_BITS
    ]
    found = near_hashes(np.array(hashes, np.uint64), everything)
    assert found.pairs.tolist() == expected
    assert found.complete


def test_only_what_is_worth_keeping():
    hashes = np.zeros(5, np.uint64)
    found = near_hashes(hashes, lambda first, second: (first + second) % 2 == 1)
    assert found.pairs.tolist() == [[0, 1], [0, 3], [1, 2], [1, 4], [2, 3], [3, 4]]


def test_no_hashes():
    assert near_hashes(np.zeros(0, np.uint64), everything).pairs.shape == (0, 2)


def test_collisions_are_chained_not_paired():
    found = near_hashes(np.zeros(3000, np.uint64), everything)
    assert not found.complete
    assert len(found.pairs) <= 16 * 3000
    assert {(i, i + 1) for i in range(2999)} <= set(map(tuple, found.pairs.tolist()))


def test_the_bound_on_pairs():
    hashes = np.repeat(np.arange(4, dtype=np.uint64) << np.uint64(60), 10)
    asked = []

    def keep(first, second):
        asked.append(len(first))
        return everything(first, second)

    found = near_hashes(hashes, keep, max_pairs=90)
    assert not found.complete
    assert sum(asked) <= 90


def test_blocks_do_not_matter(monkeypatch):
    hashes = np.random.default_rng(0).integers(0, 64, 200).astype(np.uint64)
    monkeypatch.setattr(candidates, "_MOST_KEPT", 1000)
    whole = near_hashes(hashes, everything).pairs
    monkeypatch.setattr(candidates, "_BLOCK", 7)
    assert np.array_equal(near_hashes(hashes, everything).pairs, whole)
