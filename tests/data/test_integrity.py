"""Inspecting whole sources: the summary, each finding, the digest."""

import numpy as np
import pytest
import skimage.data
from PIL import Image

from hubel.data.evidence import WHERE_LIMIT
from hubel.data.integrity import inspect_source
from hubel.data.opening import open_source
from hubel.data.source import TEST, TRAIN, VAL, Index, Source
from hubel.errors import SourceError


class Arrays(Source):
    name = "arrays"

    def __init__(self, pictures, labels, *, splits=None, groups=None, task="classification"):
        labels = np.asarray(labels)
        number = labels.shape[1] if labels.ndim == 2 else int(labels.max(initial=0)) + 1
        self.pictures = list(pictures)
        self.index = Index(
            task=task,
            classes=tuple("abcdefgh"[:number]) if task != "unlabelled" else (),
            keys=[f"p{number}" for number in range(len(self.pictures))],
            labels=labels,
            splits=np.full(len(labels), -1, np.int8) if splits is None else np.array(splits, "i1"),
            groups=None if groups is None else np.asarray(groups),
        )

    def read(self, position):
        return self.pictures[position]


def noise(number, *shape):
    return np.random.default_rng(0).integers(0, 256, (number, *(shape or (8, 8))), dtype=np.uint8)


def inspect(pictures, labels, **more):
    return inspect_source(open_source(Arrays(pictures, labels, **more)), seed=0)


def findings(dataset):
    return {finding.id: finding for finding in dataset.inspection.findings}


def test_digits():
    dataset = inspect_source(open_source("digits"), seed=0)
    inspection = dataset.inspection
    assert inspection.pictures == 1797
    assert inspection.splits == {"train": 1221, "val": 216, "test": 360}
    assert inspection.splits_made_by == "hubel"
    assert inspection.grey
    assert inspection.channels == {"1": 1797}
    assert inspection.bit_depths == {"8": 1797}
    assert inspection.formats == {"array": 1797}
    assert inspection.short_sides.median == 8
    assert inspection.findings == ()
    assert inspection.duplicates == ()
    assert sum(row.total for row in inspection.classes) == 1797
    assert all(row.total == row.train + row.val + row.test for row in inspection.classes)
    assert len(dataset.positions(TEST)) == 360
    assert np.array_equal(dataset.usable, np.arange(1797))
    labels = dataset.labels_of(dataset.positions(VAL))
    assert np.bincount(labels).tolist() == [row.val for row in inspection.classes]


def test_sizes_channels_depths_and_formats(tmp_path):
    for number, shape in enumerate([(10, 20), (30, 40, 3), (50, 60, 4)]):
        Image.fromarray(noise(1, *shape)[0]).save(tmp_path / f"{number}.png")
    Image.fromarray(noise(1, 70, 80).astype(np.uint16)[0] * 200).save(tmp_path / "3.png")
    inspection = inspect_source(open_source(tmp_path), seed=0).inspection
    assert inspection.task == "unlabelled"
    assert (inspection.widths.least, inspection.widths.greatest) == (20, 80)
    assert (inspection.heights.least, inspection.heights.median) == (10, 40)
    assert inspection.short_sides.median == 40
    assert inspection.channels == {"1": 2, "3": 1, "4": 1}
    assert inspection.bit_depths == {"8": 3, "16": 1}
    assert inspection.formats == {"PNG": 4}
    assert not inspection.grey
    assert inspection.splits == {}
    assert inspection.splits_made_by == "none"
    assert inspection.classes == ()


def test_nothing_can_be_decoded(tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(SourceError, match=r"None of the 1 picture of .* the first, text\.jpg: "):
        inspect_source(open_source(tmp_path), seed=0)


def test_undecodable_pictures_are_named_counted_and_unused():
    dataset = inspect([*noise(12), b"text", b""], [0, 1] * 7)
    assert dataset.inspection.pictures == 12
    assert [line.split(":")[0] for line in dataset.inspection.undecodable] == ["p12", "p13"]
    found = findings(dataset)["data/undecodable"]
    assert found.what == "2 pictures cannot be decoded and are not used."
    assert found.where == ("p12", "p13")
    assert "p12: " in found.evidence
    assert dataset.splits[12:].tolist() == [-1, -1]
    assert dataset.usable.tolist() == list(range(12))


def test_exact_duplicates_stay_on_one_side():
    pictures = noise(30)
    pictures[7] = pictures[3]
    for seed in range(4):
        dataset = inspect_source(Arrays(pictures, [0, 1] * 15), seed=seed)
        assert dataset.splits[7] == dataset.splits[3]
    (group,) = dataset.inspection.duplicates
    assert (group.kind, group.keys, group.labels) == ("exact", ("p3", "p7"), ("b", "b"))
    found = findings(dataset)
    assert found["data/exact-duplicate"].where == ("p3", "p7")
    assert "1 picture is an exact duplicate of another, in 1 group" in (
        found["data/exact-duplicate"].what
    )
    assert "data/label-conflict" not in found
    assert "data/leak" not in found


def test_duplicates_with_different_labels():
    pictures = noise(12)
    pictures[3] = pictures[0]
    found = findings(inspect(pictures, [0, 1] * 6))["data/label-conflict"]
    assert found.severity == "error"
    assert found.evidence == "p0 (a) and p3 (b)"


def test_near_duplicates_with_different_labels():
    cat = skimage.data.chelsea()
    dataset = inspect([cat, cat[::2, ::2], *noise(10)], [0, 1] * 6)
    found = findings(dataset)
    assert found["data/near-duplicate"].where == ("p0", "p1")
    assert found["data/label-conflict"].severity == "warning"
    assert dataset.splits[0] == dataset.splits[1]


def test_the_same_picture_on_both_sides():
    pictures = noise(12)
    pictures[9], pictures[5] = pictures[0], pictures[1]
    splits = [TRAIN] * 4 + [VAL] * 4 + [TEST] * 4
    found = findings(inspect(pictures, [0, 1, 0] * 4, splits=splits))["data/leak"]
    assert found.severity == "error"
    assert found.where == ("p0", "p9", "p1", "p5")
    assert found.what.startswith("2 times, the same picture stands on both sides")


def test_duplicates_on_one_side_of_the_users_splits_are_no_leak():
    pictures = noise(12)
    pictures[1] = pictures[0]
    splits = [TRAIN] * 8 + [TEST] * 4
    assert "data/leak" not in findings(inspect(pictures, [0, 1] * 6, splits=splits))


def test_a_certain_copy_on_both_sides_is_an_error_and_a_look_alike_a_warning():
    cat = skimage.data.chelsea()
    copy = np.asarray(Image.fromarray(cat).resize((225, 150)))
    marked = skimage.data.coffee().copy()
    marked[20:40, 20:40] = 255
    pictures = [cat, skimage.data.coffee(), *noise(4), copy, marked, *noise(2, 9, 9)]
    splits = [TRAIN] * 6 + [TEST] * 4
    dataset = inspect(pictures, [0, 1] * 5, splits=splits)
    leaks = [item for item in dataset.inspection.findings if item.id == "data/near-leak"]
    assert [(leak.severity, leak.where) for leak in leaks] == [
        ("error", ("p0", "p6")),
        ("warning", ("p1", "p7")),
    ]


def test_the_list_of_leaks_is_whole():
    pictures = np.concatenate([noise(80)] * 2)
    splits = [TRAIN] * 80 + [TEST] * 80
    found = findings(inspect(pictures, [0, 1] * 80, splits=splits))
    assert len(found["data/leak"].where) == 160
    assert len(found["data/exact-duplicate"].where) == WHERE_LIMIT


def test_groups_on_both_sides():
    groups = [0, 1, 2, 3, 0, 5, 6, 7]
    splits = [TRAIN] * 4 + [TEST] * 4
    found = findings(inspect(noise(8), [0, 1] * 4, splits=splits, groups=groups))
    assert found["data/group-across-splits"].where == ("p0", "p4")
    whole = findings(inspect(noise(8), [0, 1] * 4, splits=splits, groups=range(8)))
    assert "data/group-across-splits" not in whole
    assert "data/group-across-splits" not in findings(
        inspect(noise(8), [0, 1] * 4, groups=[0] * 4 + [1] * 4)
    )


def test_a_class_absent_from_a_split():
    splits = [TRAIN] * 6 + [VAL] * 3 + [TEST] * 3
    labels = [0, 1, 2, 0, 1, 0, 0, 1, 0, 0, 2, 2]
    found = findings(inspect(noise(12), labels, splits=splits))["data/class-absent-from-split"]
    assert found.where == ("c", "b")
    assert found.evidence == "c from val and b from test"


def test_one_class():
    found = findings(inspect(noise(8), [0] * 8))["data/one-class"]
    assert found.severity == "error"
    assert "nothing to tell apart" in found.remedy


def test_one_class_because_the_classes_lie_deeper(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.fromarray(noise(1)[0]).save(tmp_path / "pictures" / name / "1.png")
    found = findings(inspect_source(open_source(tmp_path), seed=0))["data/one-class"]
    assert f"Did you mean {tmp_path}/pictures, which holds the folders cat and dog?" in found.remedy


def test_a_tiny_class_goes_to_train():
    dataset = inspect(noise(12), [0] * 10 + [1] * 2)
    found = findings(dataset)["data/tiny-class"]
    assert found.where == ("b",)
    assert found.evidence == "b: 2"
    assert dataset.splits[10:].tolist() == [TRAIN, TRAIN]
    assert "data/tiny-class" not in findings(inspect(noise(6), [0, 1] * 3))


@pytest.mark.parametrize(("small", "expected"), [(3, True), (4, False)])
def test_imbalance(small, expected):
    found = findings(inspect(noise(30 + small), [0] * 30 + [1] * small))
    assert ("data/imbalance" in found) is expected
    if expected:
        assert "a, has 10 times as many pictures as the smallest, b" in (
            found["data/imbalance"].what
        )


def test_constant_and_nearly_constant_pictures():
    pictures = noise(12, 20, 20)
    pictures[2], pictures[5] = 77, 78
    pictures[5, 0, 0] = 90
    found = findings(inspect(pictures, [0, 1] * 6))
    assert found["data/constant-picture"].where == ("p2",)
    assert found["data/near-constant-picture"].where == ("p5",)


def test_extreme_shapes():
    pictures = [*noise(10), *noise(1, 1, 5000), *noise(1, 4, 40), *noise(1, 41, 4)]
    found = findings(inspect(pictures, [0, 1] * 6 + [0]))["data/extreme-shape"]
    assert found.where == ("p10", "p12")
    assert found.evidence == "up to 5000 : 1"


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ([TRAIN] * 20, {"data/no-test"}),
        ([TRAIN, VAL] * 10, {"data/no-test"}),
        ([VAL, VAL, TEST, TEST] * 5, {"data/no-train"}),
        ([TEST] * 20, {"data/no-train", "data/no-val"}),
        ([-1] * 20, set()),
    ],
)
def test_missing_splits(splits, expected):
    found = findings(inspect(noise(20), [0, 1] * 10, splits=splits))
    assert {identity for identity in found if identity.startswith("data/no-")} == expected


def test_findings_of_the_opening_are_kept_and_errors_come_first(tmp_path):
    for name, picture in zip(["a/1.png", "a/2.png", "b/3.png"], noise(3), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / name)
    Image.fromarray(noise(3)[0]).save(tmp_path / "b/4.png")
    (tmp_path / "notes.txt").write_text("")
    inspection = inspect_source(open_source(tmp_path), seed=0).inspection
    order = [finding.severity for finding in inspection.findings]
    assert order == sorted(order, key=["error", "warning", "note"].index)
    assert {"data/label-conflict", "data/ignored-files"} <= {
        finding.id for finding in inspection.findings
    }


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("multilabel", np.tile(np.array([[1, 0], [1, 1]], np.uint8), (10, 1))),
        ("regression", np.linspace(0, 1, 20, dtype=np.float32)[:, None]),
    ],
)
def test_other_tasks(task, labels):
    pictures = noise(20)
    pictures[1] = pictures[0]
    dataset = inspect(pictures, labels, task=task)
    assert [row.total for row in dataset.inspection.classes] == (
        [20, 10] if task == "multilabel" else [20]
    )
    assert "data/label-conflict" in findings(dataset)
    assert dataset.inspection.duplicates[0].labels[0] in {"a", "0.0"}


def test_the_digest_knows_pixels_labels_names_and_splits_but_no_seed():
    pictures, labels = noise(12), [0, 1] * 6

    def digest(seed=0, **changed):
        source = Arrays(changed.pop("pictures", pictures), changed.pop("labels", labels), **changed)
        return inspect_source(source, seed=seed).inspection.digest

    first = digest()
    assert digest(seed=5) == first
    other = pictures.copy()
    other[3, 0, 0] ^= 1
    assert len({first, digest(pictures=other), digest(labels=[1, 0] * 6)}) == 3
    assert digest(splits=[TRAIN, TRAIN, VAL, TEST] * 3) != first


def test_progress_is_told():
    seen = []
    source = Arrays(noise(10), [0, 1] * 5)
    inspect_source(source, seed=0, threads=1, progress=lambda *parts: seen.append(parts))
    assert seen == [(10, 10)]
