"""How many pictures go at a time: a function of the step, and groups of like sizes."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hubel.training.halving import Halvings, Room, groups, half, takes_batch_statistics


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 64)), max_size=8))
def test_halvings_are_a_function_of_the_step(events: list[tuple[int, int]]) -> None:
    halvings = Halvings()
    for step, at_once in events:
        before = [halvings.at_once(at) for at in range(40)]
        halvings = halvings.halved(step, at_once)
        after = [halvings.at_once(at) for at in range(40)]
        assert after[:step] == before[:step]
        assert after[step] == at_once
        later = zip(before[step:], after[step:], strict=True)
        assert all(new is not None and new <= max(old or 64, at_once) for old, new in later)
    assert list(halvings.entries) == sorted(halvings.entries)


def test_what_was_stricter_later_stays() -> None:
    halvings = Halvings(((4, 16), (9, 4), (12, 2))).halved(6, 8)
    assert halvings.entries == ((4, 16), (6, 8), (9, 4), (12, 2))
    assert Halvings(((9, 4),)).halved(6, 4).entries == ((6, 4),)


@given(st.integers(1, 40), st.integers(1, 40) | st.none())
def test_groups_are_the_batch_in_like_parts(pictures: int, at_once: int | None) -> None:
    batch = torch.arange(pictures)
    parts = groups(batch, at_once)
    assert torch.equal(torch.cat(parts), batch)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= (at_once or pictures)
    assert len(parts) == -(-pictures // (at_once or pictures))


def test_halving_comes_to_one() -> None:
    assert [half(pictures) for pictures in (64, 33, 3, 2)] == [32, 17, 2, 1]


def test_a_frozen_normalisation_takes_no_statistics() -> None:
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    assert takes_batch_statistics(module)
    module[1].eval()
    assert not takes_batch_statistics(module)


def test_nothing_new_is_not_said() -> None:
    room = Room(Halvings(((3, 8),)), Halvings())
    module = nn.Linear(1, 1)
    assert room.after_step(2, 16, None, module) == ""
    assert room.after_step(5, 16, 8, module) == ""
    assert "in step 6: from here on 4 pictures" in room.after_step(5, 16, 4, module)
    assert "instead of 4" in room.after_step(7, 16, 2, module)
    assert room.after_validation(5, None) == ""
    assert "step 5" in room.after_validation(5, 32)
    assert room.after_validation(9, 32) == ""
