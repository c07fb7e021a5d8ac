"""Augmentation: what its sets may do, and that nothing but counters decides what they do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hubel.data.augmentation import (
    BRIGHTNESS,
    CONTRAST,
    ROTATION,
    SETS,
    SHIFT,
    ZOOM,
    Augmentation,
)
from hubel.data.geometry import resample
from hubel.errors import UsageError

MANY = np.arange(4000)
NONE_BEFORE = np.zeros_like(MANY)


def augmentation(*names: str, seed: int = 3) -> Augmentation:
    return Augmentation.from_names(names, num_classes=4, seed=seed)


def matrices(*names: str, size: int = 28, epoch: int = 0, seed: int = 3) -> np.ndarray:
    drawn = augmentation(*names, seed=seed).matrices(epoch, MANY, NONE_BEFORE, size)
    assert drawn is not None
    return drawn


def test_safe_stays_within_its_bounds_and_reaches_them() -> None:
    drawn = matrices("safe")
    linear = drawn[:, :2, :2]
    zoom = 1 / np.sqrt(np.linalg.det(linear))
    angle = np.rad2deg(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    # The picture's centre lies, in the output, where A·(x, y, 1) = centre.
    centre = np.linalg.solve(drawn, np.array([13.5, 13.5, 1.0])[None, :, None])[:, :2, 0] - 13.5
    drawn_apart = np.corrcoef([np.log(zoom), angle, *centre.T]) - np.eye(4)
    assert np.abs(drawn_apart).max() < 0.08
    for values, bound in ((np.log(zoom), np.log(ZOOM)), (angle, ROTATION), (centre, SHIFT * 28)):
        assert 0.99 * bound < np.abs(values).max() <= bound * (1 + 1e-9)
        assert np.abs(values.mean(axis=0)).max() < 0.05 * bound
        np.testing.assert_allclose(values.std(axis=0), bound / np.sqrt(3), rtol=0.04)
    np.testing.assert_allclose(
        linear.transpose(0, 2, 1) @ linear * zoom[:, None, None] ** 2,
        np.eye(2)[None].repeat(4000, 0),
        atol=1e-9,
    )


def test_no_mirroring_unless_asked_for() -> None:
    assert (np.linalg.det(matrices("safe")[:, :2, :2]) > 0).all()
    flips = np.linalg.det(matrices("safe", "mirror")[:, :2, :2]) < 0
    assert 0.46 < flips.mean() < 0.54


def test_mirror_alone_mirrors_exactly() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    seen = set()
    for matrix in matrices("mirror")[:20]:
        changed = resample(pixels, matrix[:2], 28)
        mirrored = (changed == pixels[:, ::-1]).all()
        assert mirrored or (changed == pixels).all()
        seen.add(bool(mirrored))
    assert seen == {True, False}


def test_pictures_are_mirrored_by_turns() -> None:
    first, second, third = (
        np.linalg.det(matrices("mirror", epoch=epoch)[:, :2, :2]) < 0 for epoch in range(3)
    )
    np.testing.assert_array_equal(first, ~second)
    np.testing.assert_array_equal(first, third)
    other = np.linalg.det(matrices("mirror", seed=4)[:, :2, :2]) < 0
    assert 0.46 < (first == other).mean() < 0.54
    # A picture that a pass draws twice is seen both ways.
    again = augmentation("mirror").matrices(0, MANY, NONE_BEFORE + 1, 28)
    np.testing.assert_array_equal(np.linalg.det(again[:, :2, :2]) < 0, second)


def test_light_stays_within_its_bounds() -> None:
    light = augmentation("safe").light(0, MANY, NONE_BEFORE)
    assert light is not None
    contrast, brightness = light
    assert 0.99 * np.log(CONTRAST) < np.abs(np.log(contrast)).max() <= np.log(CONTRAST) * 1.0001
    assert 0.99 * BRIGHTNESS < np.abs(brightness).max() <= BRIGHTNESS * 1.0001
    assert abs(np.corrcoef(contrast, brightness)[0, 1]) < 0.08


def test_a_picture_is_changed_alike_in_any_company() -> None:
    safe = augmentation("safe", "mirror")
    some = np.array([17, 3, 1001])
    zeros = np.zeros(3, np.int64)
    np.testing.assert_array_equal(
        safe.matrices(0, some, zeros, 28), matrices("safe", "mirror")[some]
    )
    light = safe.light(0, MANY, NONE_BEFORE)
    np.testing.assert_array_equal(safe.light(0, some, zeros), light[:, some])


def test_pass_seed_and_time_change_the_draws() -> None:
    base = matrices("safe")[:, 0, 2]
    others = [
        matrices("safe", epoch=1)[:, 0, 2],
        matrices("safe", seed=4)[:, 0, 2],
        augmentation("safe").matrices(0, MANY, NONE_BEFORE + 1, 28)[:, 0, 2],
        base[::-1],
    ]
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.08


def test_sets_without_geometry_or_light_leave_them_alone() -> None:
    for name in ("none", "mixup", "cutmix", "erasing", "randaugment"):
        assert augmentation(name).matrices(0, MANY, NONE_BEFORE, 28) is None
        assert augmentation(name).light(0, MANY, NONE_BEFORE) is None
    assert augmentation("mirror").light(0, MANY, NONE_BEFORE) is None
    assert augmentation("none").names == ()
    assert augmentation("safe", "mirror", "safe").names == ("safe", "mirror")


def batch(count: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of one value each, which names their class."""
    targets = torch.arange(count) % 4
    inputs = (targets + 1).float().view(-1, 1, 1, 1).expand(-1, 3, 12, 12).clone()
    return inputs.contiguous(memory_format=torch.channels_last), targets


@pytest.mark.parametrize("names", [("mixup",), ("cutmix",), ("mixup", "cutmix")])
@pytest.mark.parametrize("multilabel", [True, False])
def test_blended_labels_are_the_shares_of_the_pictures(names, multilabel: bool) -> None:
    inputs, targets = batch()
    given = torch.nn.functional.one_hot(targets, 4).float() if multilabel else targets
    changed, labels = augmentation(*names).finish(inputs, given, 0, 5)
    assert changed.is_contiguous(memory_format=torch.channels_last)
    assert (labels.shape, labels.dtype) == ((16, 4), torch.float32)
    torch.testing.assert_close(labels.sum(1), torch.ones(16))
    # The mean value of a picture is the mean of its classes' values, by its label's shares.
    torch.testing.assert_close(changed.mean((1, 2, 3)), labels @ torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert (labels.amax(1) < 1).any()


def test_erasing_puts_the_mean_into_about_half() -> None:
    inputs, targets = batch(200)
    changed, labels = augmentation("erasing").finish(inputs.clone(), targets, 0, 0)
    assert torch.equal(labels, targets)
    erased = (changed == 0).flatten(1)
    assert 0.35 < erased.any(1).float().mean() < 0.65
    assert torch.equal(changed[changed != 0], inputs[changed != 0])
    assert len({tuple(row.tolist()) for row in erased}) > 50  # each its own rectangle


def test_randaugment_changes_each_picture_in_its_own_way() -> None:
    one = torch.randint(0, 256, (1, 12, 12, 3), dtype=torch.uint8)
    changed = augmentation("randaugment").operations(one.expand(12, -1, -1, -1), 0, 0)
    assert (changed.shape, changed.dtype) == ((12, 12, 12, 3), torch.uint8)
    assert len({tuple(picture.flatten().tolist()) for picture in changed}) > 6
    assert augmentation("safe").operations(one, 0, 0) is one


@pytest.mark.parametrize("name", ["mixup", "cutmix", "erasing", "randaugment"])
def test_batch_sets_depend_on_their_counters_and_leave_the_generator_alone(name: str) -> None:
    def run(seed: int, epoch: int, step: int) -> torch.Tensor:
        made = augmentation(name, seed=seed)
        inputs, targets = batch()
        noise = torch.arange(16 * 12 * 12 * 3).view(16, 12, 12, 3).remainder(251).to(torch.uint8)
        return torch.cat(
            [
                made.operations(noise, epoch, step).float().flatten(),
                made.finish(inputs, targets, epoch, step)[0].flatten(),
            ]
        )

    state = torch.random.get_rng_state()
    first = run(1, 2, 3)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(5)
    assert torch.equal(run(1, 2, 3), first)
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(run(*other), first)


def test_the_generator_is_restored_after_an_error() -> None:
    state = torch.random.get_rng_state()
    with pytest.raises(ValueError, match="label"):
        augmentation("mixup").finish(batch()[0], torch.zeros(3, 3, 3), 0, 0)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("names", "task", "sentence"),
    [
        (("mixpu",), "classification", "no augmentation set 'mixpu': did you mean mixup"),
        (("none", "mirror"), "classification", "none and mirror exclude each other"),
        (
            ("safe", "cutmix"),
            "regression",
            "cutmix blends class labels, but the task is regression",
        ),
    ],
)
def test_what_does_not_fit(names, task, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Augmentation.from_names(names, num_classes=4, seed=0, task=task)


def test_every_set_has_words() -> None:
    from hubel.options import DataOptions

    assert tuple(SETS) == (
        "none", "safe", "shift", "crop", "mirror", "mixup", "cutmix", "erasing", "randaugment",
    )  # fmt: skip
    assert DataOptions().augment[0] in SETS


def test_strength_scales_every_range():
    """Half the strength halves angles, shifts, logarithms of zoom and contrast, and brightness."""
    positions, times = np.arange(200), np.zeros(200, np.int64)
    whole, half = (
        Augmentation.from_names(("safe",), num_classes=3, seed=1, strength=strength)
        for strength in (1.0, 0.5)
    )
    one, other = (a.matrices(4, positions, times, 28) for a in (whole, half))
    assert one is not None
    assert other is not None
    angles = [np.arctan2(m[:, 1, 0], m[:, 0, 0]) for m in (one, other)]
    np.testing.assert_allclose(angles[1], angles[0] / 2, atol=1e-12)
    zooms = [-np.log(np.hypot(m[:, 1, 0], m[:, 0, 0])) for m in (one, other)]
    np.testing.assert_allclose(zooms[1], zooms[0] / 2, atol=1e-12)
    lights = [a.light(4, positions, times) for a in (whole, half)]
    np.testing.assert_allclose(np.log(lights[1][0]), np.log(lights[0][0]) / 2, atol=1e-6)
    np.testing.assert_allclose(lights[1][1], lights[0][1] / 2, atol=1e-6)


def test_crop_shows_a_square_of_seven_eighths_that_lies_inside() -> None:
    made = Augmentation.from_names(("crop",), num_classes=2, seed=1)
    size, count = 32, 400
    matrices = made.matrices(0, np.arange(count), np.zeros(count, np.int64), size)
    assert matrices is not None
    # Edges of the output, not centres of its pixels: from -1/2 to size - 1/2.
    corners = np.array([[-0.5, -0.5, 1.0], [size - 0.5, size - 0.5, 1.0]])
    seen = np.einsum("nij,kj->nki", matrices, corners)[:, :, :2]
    np.testing.assert_allclose(seen[:, 1] - seen[:, 0], size * 7 / 8, atol=1e-9)
    assert seen.min() >= -0.5 - 1e-9
    assert seen.max() <= size - 0.5 + 1e-9
    assert seen.min() < 0.0
    assert seen.max() > size - 1.0


def test_shift_moves_by_up_to_an_eighth() -> None:
    made = Augmentation.from_names(("shift",), num_classes=2, seed=1)
    matrices = made.matrices(0, np.arange(400), np.zeros(400, np.int64), 32)
    assert matrices is not None
    np.testing.assert_array_equal(matrices[:, :2, :2], np.broadcast_to(np.eye(2), (400, 2, 2)))
    moves = matrices[:, :2, 2]
    assert 3.8 < np.abs(moves).max() <= 4
    assert abs(moves.mean()) < 0.3
    alone = Augmentation.from_names(("mirror",), num_classes=2, seed=1)
    both = Augmentation.from_names(("mirror", "shift"), num_classes=2, seed=1)
    flips, same = (
        made.matrices(0, np.arange(400), np.zeros(400, np.int64), 32) for made in (alone, both)
    )
    assert flips is not None
    assert same is not None
    np.testing.assert_array_equal(flips[:, 0, 0], same[:, 0, 0])
