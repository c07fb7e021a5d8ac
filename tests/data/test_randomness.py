"""Counter-based random numbers: uniform, independent, and a function of their counters only."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hubel.data.randomness import generator, hashes, one_seed, uniforms

MASK = 2**64 - 1


def by_hand(*counters: int) -> int:
    state = 0
    for counter in counters:
        state = (state + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state


@given(st.lists(st.integers(0, 2**63 - 2), min_size=1, max_size=5))
def test_the_hash_by_hand(counters: list[int]) -> None:
    assert int(hashes(*counters)[0]) == by_hand(*counters)
    assert one_seed(*counters) == by_hand(*counters) >> 1


def test_uniforms_by_hand_and_whatever_the_company() -> None:
    keys = hashes(7, np.arange(50))
    draws = uniforms(keys, 3)
    assert draws.shape == (3, 50)
    assert (
        draws[2, 10]
        == (by_hand(by_hand(7, 10) - 2**64 if by_hand(7, 10) >> 63 else by_hand(7, 10), 2) >> 11)
        / 2**53
    )
    np.testing.assert_array_equal(uniforms(keys[[10]], 3)[:, 0], draws[:, 10])


def test_uniform_and_independent() -> None:
    draws = uniforms(hashes(0, 1, np.arange(40_000)), 4)
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.stack([np.histogram(row, bins=20, range=(0, 1))[0] for row in draws])
    chi_square = ((counts - 2000) ** 2 / 2000).sum(axis=1)
    assert chi_square.max() < 55  # 19 degrees of freedom: exceeded once in 40,000
    others = [draws[:, 1:], uniforms(hashes(0, 2, np.arange(40_000)), 4)[:, :-1]]
    for other in others:  # the next picture, the next pass
        both = np.corrcoef(np.concatenate([draws[:, :-1], other]))
        assert np.abs(both - np.eye(8)).max() < 5 / np.sqrt(40_000)


def test_generators_are_their_own() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = generator(1, 2), generator(1, 2), generator(2, 1)
    assert (first.random(4) == again.random(4)).all()
    assert (first.random(4) != other.random(4)).all()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
