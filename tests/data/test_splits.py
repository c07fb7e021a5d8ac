"""The laws of the splits that hubel makes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.data.source import TEST, TRAIN, UNSPLIT, VAL, Index
from hubel.data.splits import make_splits
from hubel.data.stratification import share_out

SHARES = (0.70, 0.15, 0.15)


def index_of(labels, task="classification", splits=None, groups=None):
    labels = np.asarray(labels)
    width = labels.shape[1] if labels.ndim == 2 else int(labels.max(initial=0)) + 1
    return Index(
        task=task,
        classes=tuple(f"c{number}" for number in range(width)),
        keys=[str(number) for number in range(len(labels))],
        labels=labels,
        splits=np.full(len(labels), UNSPLIT, np.int8)
        if splits is None
        else np.asarray(splits, np.int8),
        groups=None if groups is None else np.asarray(groups),
    )


def split(index, *, seed=0, shares=SHARES, usable=None, component=None):
    everything = np.arange(len(index))
    return make_splits(
        index,
        everything if usable is None else np.asarray(usable),
        everything if component is None else np.asarray(component),
        shares=shares,
        seed=seed,
    )


def counts(found, labels, number):
    return np.bincount(np.asarray(labels)[found.splits == number], minlength=max(labels) + 1)


classes = st.lists(st.integers(0, 4), min_size=1, max_size=120)


@given(classes, st.integers(0, 3))
def test_each_class_has_its_shares(labels, seed):
    found = split(index_of(labels), seed=seed)
    assert found.made_by == "hubel"
    assert (found.splits >= 0).all()
    parts = np.stack([counts(found, labels, number) for number in range(3)])
    for label, total in enumerate(parts.sum(axis=0)):
        if total < 3:
            assert parts[1:, label].sum() == 0
        else:
            assert (parts[:, label] >= 1).all()
        if total >= 7:
            assert (np.abs(parts[:, label] - total * np.array(SHARES)) <= 1.0).all()


@given(classes)
def test_the_seed_decides_and_nothing_else(labels):
    index = index_of(labels)
    first, second = split(index, seed=1), split(index, seed=1)
    assert np.array_equal(first.splits, second.splits)


def test_another_seed_is_another_split():
    index = index_of([0, 1] * 50)
    assert not np.array_equal(split(index, seed=0).splits, split(index, seed=1).splits)


units = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 6)), min_size=1, max_size=40
)  # class and size of each group


@settings(max_examples=30)
@given(units, st.booleans(), st.integers(0, 2))
def test_groups_and_duplicates_stay_together(recipe, as_groups, seed):
    labels = [label for label, size in recipe for _ in range(size)]
    names = [number for number, (_, size) in enumerate(recipe) for _ in range(size)]
    index = index_of(labels, groups=names if as_groups else None)
    found = split(index, seed=seed, component=None if as_groups else names)
    for name in set(names):
        assert len(set(found.splits[np.array(names) == name].tolist())) == 1
    for label in set(labels):
        mine = np.array(labels) == label
        groups_of_class = sum(kind == label for kind, _ in recipe)
        held = set(found.splits[mine].tolist())
        assert held == ({TRAIN, VAL, TEST} if groups_of_class >= 3 else {TRAIN})


def test_groups_and_duplicates_join():
    labels = [0] * 30
    groups, component = np.arange(30), np.arange(30)
    groups[1], component[2] = groups[0], component[1]
    for seed in range(10):
        found = split(index_of(labels, groups=groups), component=component, seed=seed)
        assert len(set(found.splits[:3].tolist())) == 1


def test_many_groups_come_near_the_shares():
    generator = np.random.default_rng(0)
    groups = np.sort(generator.integers(0, 150, 1500))
    labels = generator.integers(0, 5, 150)[groups]
    found = split(index_of(labels, groups=groups))
    for label in range(5):
        mine = found.splits[labels == label]
        parts = np.bincount(mine, minlength=3) / len(mine)
        assert np.abs(parts - SHARES).max() < 0.08


def test_groups_of_several_classes():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 600)
    groups = generator.integers(0, 100, 600)
    found = split(index_of(labels, groups=groups))
    parts = np.stack([counts(found, labels.tolist(), number) for number in range(3)])
    assert np.abs(parts / parts.sum(axis=0) - np.array(SHARES)[:, None]).max() < 0.08


def test_users_train_and_test_are_kept_and_val_is_taken_from_train():
    labels = [0, 1] * 100
    given_splits = [TRAIN] * 160 + [TEST] * 40
    found = split(index_of(labels, splits=given_splits))
    assert found.made_by == "both"
    assert (found.splits[160:] == TEST).all()
    assert set(found.splits[:160].tolist()) == {TRAIN, VAL}
    assert counts(found, labels, VAL).tolist() == [12, 12]


def test_train_alone_gets_a_val_but_no_test():
    found = split(index_of([0, 1] * 20, splits=[TRAIN] * 40))
    assert np.bincount(found.splits).tolist() == [34, 6]


@pytest.mark.parametrize("users", [(TRAIN, VAL), (TRAIN, VAL, TEST), (VAL, TEST), (TEST,)])
def test_the_users_splits_are_never_changed(users):
    given_splits = np.array([users[number % len(users)] for number in range(30)], np.int8)
    found = split(index_of([0, 1, 1] * 10, splits=given_splits))
    assert found.made_by == "user"
    assert np.array_equal(found.splits, given_splits)


@pytest.mark.parametrize(
    ("user", "expected"),
    [(TEST, {TRAIN: 85, VAL: 15}), (VAL, {TRAIN: 82, TEST: 18}), (TRAIN, {0: 70, 1: 15, 2: 15})],
)
def test_what_the_user_left_open(user, expected):
    given_splits = [user] * 20 + [UNSPLIT] * 100
    found = split(index_of([0] * 120, splits=given_splits))
    assert found.made_by == "both"
    assert (found.splits[:20] == user).all()
    numbers = np.bincount(found.splits[20:], minlength=3)
    assert {key: numbers[key] for key in expected} == expected


def test_all_splits_filled_and_some_pictures_open():
    found = split(index_of([0] * 9, splits=[TRAIN, VAL, TEST] * 2 + [UNSPLIT] * 3))
    assert (found.splits[6:] == TRAIN).all()


def test_open_pictures_follow_their_duplicates_into_the_users_test():
    component = np.arange(60)
    component[10], component[20] = 0, 1
    given_splits = [TEST] * 5 + [UNSPLIT] * 55
    for seed in range(5):
        found = split(index_of([0] * 60, splits=given_splits), component=component, seed=seed)
        assert found.splits[10] == TEST
        assert found.splits[20] == TEST
        assert (found.splits >= 0).all()


def test_all_open_pictures_follow():
    found = split(index_of([0, 0], splits=[VAL, UNSPLIT]), component=[0, 0])
    assert found.splits.tolist() == [VAL, VAL]


def test_pictures_that_cannot_be_used_have_no_split():
    found = split(index_of([0, 1] * 10), usable=np.arange(4, 20))
    assert (found.splits[:4] == UNSPLIT).all()
    assert (found.splits[4:] >= 0).all()
    kept = split(index_of([0, 1] * 10, splits=[TRAIN] * 20), usable=np.arange(4, 20))
    assert (kept.splits[:4] == UNSPLIT).all()


def test_unlabelled_pictures_are_not_split():
    index = index_of([-1] * 5, "unlabelled")
    assert split(index).made_by == "none"
    assert (split(index).splits == UNSPLIT).all()
    given_splits = index_of([-1] * 2, "unlabelled", splits=[TRAIN, TEST])
    assert split(given_splits).made_by == "user"


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.booleans()] * 3), min_size=30, max_size=100), st.integers(0, 2))
def test_several_labels(rows, seed):
    labels = np.array(rows, np.uint8)
    found = split(index_of(labels, "multilabel"), seed=seed)
    sizes = np.bincount(found.splits, minlength=3) / len(rows)
    assert np.abs(sizes - SHARES).max() < 0.15
    rarest = labels.sum(axis=0).argmin()
    if labels[:, rarest].sum() >= 3:
        assert set(found.splits[labels[:, rarest] == 1].tolist()) == {TRAIN, VAL, TEST}


def test_few_pictures_of_several_labels_have_the_shares():
    generator = np.random.default_rng(1)
    for seed in range(200):
        rows = generator.random((30, 3)) < generator.random(3) ** 2
        found = split(index_of(rows.astype(np.uint8), "multilabel"), seed=seed)
        sizes = np.bincount(found.splits, minlength=3) / len(rows)
        assert np.abs(sizes - SHARES).max() < 0.1


def test_several_labels_are_spread_evenly():
    labels = (np.random.default_rng(0).random((1000, 5)) < [0.5, 0.3, 0.1, 0.05, 0.02]).astype(
        np.uint8
    )
    found = split(index_of(labels, "multilabel"))
    for number, share in enumerate(SHARES):
        part = labels[found.splits == number].sum(axis=0) / labels.sum(axis=0)
        assert np.abs(part - share).max() < 0.06


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=100, max_size=200), st.integers(0, 2))
def test_numbers_by_quantiles(values, seed):
    labels = np.array(values, np.float32)[:, None]
    found = split(index_of(labels, "regression"), seed=seed)
    sizes = np.bincount(found.splits, minlength=3) / len(values)
    assert np.abs(sizes - SHARES).max() < 0.05


def test_numbers_are_spread_evenly():
    labels = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    found = split(index_of(labels, "regression"))
    for number in range(3):
        deciles = np.quantile(labels[:, 0], np.arange(1, 10) / 10)
        bins = np.bincount(np.searchsorted(deciles, labels[found.splits == number, 0]))
        assert bins.max() - bins.min() <= 2


def test_one_picture_goes_to_train():
    assert split(index_of([0])).splits.tolist() == [TRAIN]
    assert split(index_of([[1.5]], "regression")).splits.tolist() == [TRAIN]


@given(
    st.integers(0, 200),
    st.lists(st.integers(0, 5), min_size=3, max_size=3).filter(any),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_shares_add_up(number, weights, must):
    weights, must = np.array(weights, float), np.array(must)
    must &= weights > 0
    parts = share_out(number, weights, must, np.zeros(3))
    assert parts.sum() == number
    assert (parts >= 0).all()
    assert (parts[weights == 0] == 0).all()
    if number >= must.sum():
        assert (parts[must] >= 1).all()
    exact = number * weights / weights.sum()
    assert (np.abs(parts - exact) < 1.0 + must.sum()).all()
