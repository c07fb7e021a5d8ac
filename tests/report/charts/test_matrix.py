"""The confusion matrix: shades re-derived, places, names, large ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.report.charts import chosen, confusion_matrix
from hubel.report.charts.matrix import MOST_TIPS, layout, shade


@given(st.floats(0, 1))
def test_the_shade_is_the_square_root_of_the_share_in_ten_steps(share):
    level = shade(share)
    assert 0 <= level <= 9
    assert level <= math.sqrt(share) * 10 + 1e-9
    assert level == 9 or math.sqrt(share) * 10 < level + 1


def test_cells_stand_at_their_row_and_column(read):
    counts = ((8, 2, 0), (0, 10, 0), (1, 0, 3))
    names = ("cat", "dog", "owl")
    drawing = read(confusion_matrix(names, counts))
    cell = layout(names).cell
    frame = next(e for e in drawing.all("rect") if e.get("class") == "frame")
    left, top = float(frame.get("x")), float(frame.get("y"))
    squares = drawing.all("rect", "cells")
    places = {
        (
            round((float(e.get("y")) - 1 - top) / cell),
            round((float(e.get("x")) - 1 - left) / cell),
        ): e.get("class")
        for e in squares
    }
    # Share of the row, its square root in tenths: 8/10 -> 8, 2/10 -> 4, 1/4 -> 5, 3/4 -> 8.
    assert places == {
        (0, 0): "r s8",
        (0, 1): "w s4",
        (1, 1): "r s9",
        (2, 0): "w s5",
        (2, 2): "r s8",
    }
    assert "owl, taken for cat\n1 of 4 (25.0%)" in drawing.tips()
    assert "dog: right\n10 of 10 (100%)" in drawing.tips()


def test_few_classes_write_their_counts_and_many_do_not(read):
    few = read(confusion_matrix(("a", "b"), ((1234, 0), (5, 6))))
    assert {"1,234", "5", "6"} <= set(few.texts())
    many = read(confusion_matrix([f"c{i}" for i in range(60)], np.eye(60, dtype=int).tolist()))
    assert "1" not in many.texts()


def test_one_class_and_empty_rows_are_drawn(read):
    assert len(read(confusion_matrix(("only",), ((3,),))).all("rect", "cells")) == 1
    assert read(confusion_matrix(("a", "b"), ((0, 0), (0, 0)))).all("rect", "cells") == []


def test_a_hundred_classes_full_of_mistakes_tell_only_the_greatest(read):
    counts = np.arange(1, 10_001).reshape(100, 100)
    drawing = read(confusion_matrix([f"class {i}" for i in range(100)], counts.tolist()))
    assert len(drawing.all("rect", "cells")) == 10_000
    tips = drawing.tips()
    assert len(tips) == MOST_TIPS
    assert sum(": right" in tip for tip in tips) == 100
    assert any(tip.startswith("class 99, taken for class 98") for tip in tips)
    assert not any(tip.startswith("class 0, taken") for tip in tips)


def test_over_a_hundred_classes_those_with_most_mistakes_are_chosen():
    counts = np.eye(120, dtype=int) * 5
    counts[110, 111] = 7
    counts[3, 4] = 1
    keep = chosen(counts.tolist(), limit=4)
    assert keep == [3, 4, 110, 111]
    assert chosen(counts[:100, :100].tolist()) == list(range(100))


def test_names_are_escaped_and_shortened(read):
    drawing = read(confusion_matrix(("<script>alert(1)</script>", "y" * 200), ((1, 1), (0, 1))))
    assert "<script>" not in drawing.text
    assert any(text.startswith("<script>") for text in drawing.texts())
    assert max(len(text) for text in drawing.texts()) < 40


def test_the_map_is_about_as_wide_as_a_column_for_any_number_of_classes():
    for size in (2, 10, 26, 50, 100):
        sizes = layout([f"name {i}" for i in range(size)])
        assert 7 <= sizes.letters <= 12
        assert sizes.cell * size + sizes.names < 1000
    assert layout(["x" * 500]).names == pytest.approx(130)
