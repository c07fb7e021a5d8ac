"""The page about a source of pictures."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest

from hubel.report import render_inspection
from hubel.report.data_view import span, tally
from hubel.report.view import is_tiny, picture
from hubel.results import DuplicateGroup, Summary


def words(text):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def test_findings_come_gravest_first_with_their_pictures(samples):
    data, thumbnails = samples.troubled()
    text = render_inspection(replace(data, findings=data.findings[::-1]), thumbnails)
    order = re.findall(r'class="badge (\w+)"', text)
    assert order == ["error", "error", "warning", "warning", "note"]
    assert "2 errors, 2 warnings and 1 note in 1,797 pictures." in words(text)
    for key in data.findings[0].where:
        assert thumbnails[key] in text


def test_duplicates_stand_side_by_side_leaks_first(samples):
    data, thumbnails = samples.troubled()
    text = words(render_inspection(data, thumbnails))
    leak = text.index("2 pictures, exact duplicates on both sides of a split")
    near = text.index("3 pictures, near duplicates, mean difference 2.73 of 255 on both sides")
    conflict = text.index("2 pictures, exact duplicates with different labels")
    assert leak < near < conflict
    assert "three (test)" in text


def test_files_that_cannot_be_decoded_are_named(samples):
    text = words(render_inspection(*samples.troubled()))
    assert "photos/two/broken.jpg: the file ends too early (412 bytes)" in text
    assert "2 more cannot be decoded" in text


def test_a_clean_source_is_praised(samples):
    data = samples.inspection(findings=(), duplicates=())
    text = words(render_inspection(data, {}))
    assert "Nothing wrong was found in 1,797 pictures." in text
    assert "Pictures that show the same" not in text


@pytest.mark.parametrize("task", ["unlabelled", "regression"])
def test_a_source_without_classes_has_no_class_table(samples, task):
    data = samples.inspection(task=task, classes=(), splits={}, splits_made_by="none", findings=())
    text = render_inspection(data, {})
    assert '<table class="classes">' not in text
    assert "There are no splits." in words(text)


def test_many_groups_and_large_groups_are_cut(samples):
    keys = tuple(f"k{i}" for i in range(11))
    group = DuplicateGroup(
        kind="exact", keys=keys, labels=("one",) * 11, splits=("train",) * 11, difference=0.0
    )
    text = words(render_inspection(samples.inspection(duplicates=(group,) * 63), {}))
    assert text.count("3 more of this group are left out.") == 60
    assert "3 more groups stand in data.json." in text


def test_a_missing_thumbnail_is_said_and_a_false_one_is_not_shown(samples):
    data, _ = samples.troubled()
    key = data.duplicates[0].keys[0]
    for thumbnails in ({}, {key: "no base64!"}, {key: base64.b64encode(b"GIF89a").decode()}):
        text = render_inspection(data, thumbnails)
        assert "no thumbnail" in text
        assert text.count("data:image/png") == 0


def test_small_thumbnails_keep_their_pixels(samples):
    import numpy as np

    assert is_tiny(picture(samples.thumbnail(np.zeros((8, 32)))))
    assert not is_tiny(picture(samples.thumbnail(np.zeros((8, 33)))))


def test_spans_and_tallies(samples):
    assert span(Summary(least=8, median=8, greatest=8)) == "8"
    assert span(Summary(least=31, median=640, greatest=5000)) == "31–5,000"
    assert tally(samples.FINDINGS) == "1 error, 1 warning and 1 note"
