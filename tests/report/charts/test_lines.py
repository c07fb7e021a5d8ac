"""Curves: positions re-derived, gaps, long and degenerate lines."""

from __future__ import annotations

import math

import pytest

from hubel.report.charts import Series, line_chart
from hubel.report.charts.lines import BOTTOM, LABEL_ROOM, LEFT, MOST_POINTS, TOP, WIDTH


def series(values, name="train", role="train"):
    return Series(name=name, role=role, points=[(float(i + 1), v) for i, v in enumerate(values)])


def chart(*lines, **settings):
    return line_chart(lines, title="Loss by pass", y_title="loss", **settings)


def test_positions_follow_from_the_values(read):
    drawing = read(chart(series([2.0, 1.0, 4.0])))
    low, high = 1.0 - 0.15, 4.0 + 0.15
    right = WIDTH - 14
    expected = [
        (LEFT + (right - LEFT) * i / 2, BOTTOM - (BOTTOM - TOP) * (v - low) / (high - low))
        for i, v in enumerate([2.0, 1.0, 4.0])
    ]
    (line,) = drawing.points("train")
    assert [c for p in line for c in p] == pytest.approx(
        [c for p in expected for c in p], abs=0.006
    )


def test_a_logarithmic_chart_says_so_and_gives_factors_equal_steps(read):
    drawing = read(chart(series([100.0, 10.0, 1.0]), log=True))
    (line,) = drawing.points("train")
    assert line[1][1] - line[0][1] == pytest.approx(line[2][1] - line[1][1], abs=0.02)
    assert "loss, logarithmic" in drawing.texts()


def test_a_narrow_range_stays_linear_although_log_was_asked(read):
    drawing = read(chart(series([1.0, 2.0]), log=True))
    assert "loss" in drawing.texts()


def test_percent_never_leaves_the_range_of_shares_but_holds_every_value(read):
    drawing = read(chart(series([0.0, 1.0]), percent=True))
    ys = [y for line in drawing.points("train") for _, y in line]
    assert ys == pytest.approx([BOTTOM, TOP])
    assert "100%" in drawing.texts()


def test_zero_begins_the_scale_where_asked(read):
    drawing = read(chart(series([10.0, 20.0]), zero=True))
    (line,) = drawing.points("train")
    assert line[0][1] == pytest.approx(BOTTOM - (BOTTOM - TOP) * 10 / 20.5, abs=0.006)


def test_values_that_are_not_finite_leave_gaps(read):
    drawing = read(chart(series([1.0, 2.0, math.nan, 3.0, 4.0, math.inf, 2.5])))
    assert [len(line) for line in drawing.points("train")] == [2, 2]
    # The last value stands alone between two gaps: a dot.
    assert len(drawing.all("circle", "line")) == 1
    assert "nan" not in drawing.text
    assert "inf" not in drawing.text


@pytest.mark.parametrize("values", [[], [math.nan], [math.nan, math.nan]])
def test_a_chart_without_values_is_still_a_chart(read, values):
    drawing = read(chart(series(values)))
    assert drawing.all("path", "line") == []
    assert "nan" not in drawing.text


def test_one_pass_is_a_dot_in_the_middle(read):
    drawing = read(chart(series([0.7])))
    (dot,) = drawing.all("circle", "line")
    assert float(dot.get("cx")) == pytest.approx((LEFT + WIDTH - 14) / 2)
    assert float(dot.get("cy")) == pytest.approx((TOP + BOTTOM) / 2)


def test_constant_values_lie_in_the_middle(read):
    (line,) = read(chart(series([3.0] * 5))).points("train")
    assert {y for _, y in line} == {(TOP + BOTTOM) / 2}


def test_a_thousand_passes_stay_small_and_keep_the_spike(read):
    values = [1.0 + 0.001 * i for i in range(1000)]
    values[517] = 40.0
    text = chart(series(values))
    drawing = read(text)
    (line,) = drawing.points("train")
    assert len(line) <= MOST_POINTS
    assert min(y for _, y in line) == pytest.approx(TOP + (BOTTOM - TOP) * 1.95 / 42.9, abs=0.02)
    assert len(drawing.tips()) <= 120
    assert "pass 1000" in drawing.tips()[-1]
    assert len(text) < 60_000


def test_the_pointer_finds_every_value(read):
    drawing = read(
        chart(
            series([1.0, 0.5]),
            series([1.2, math.nan], "validation", "val"),
            show=lambda v: f"{v:.3f}",
        )
    )
    assert drawing.tips() == [
        "pass 1\ntrain: 1.000\nvalidation: 1.200",
        "pass 2\ntrain: 0.500\nvalidation: –",
    ]


def test_the_bands_of_the_pointer_fill_the_plot_without_gaps(read):
    bands = read(chart(series([1.0, 2.0, 3.0, 4.0]))).all("rect", "stops")
    edges = [(float(e.get("x")), float(e.get("x")) + float(e.get("width"))) for e in bands]
    assert edges[0][0] == pytest.approx(LEFT)
    assert edges[-1][1] == pytest.approx(WIDTH - 14, abs=0.02)
    assert [a[1] for a in edges[:-1]] == pytest.approx([b[0] for b in edges[1:]], abs=0.02)


def test_names_beside_the_ends_do_not_touch(read):
    drawing = read(chart(series([1.0, 0.5]), series([1.0, 0.5001], "validation", "val")))
    names = [e for e in drawing.all("text") if "line-name" in (e.get("class") or "")]
    ys = sorted(float(e.get("y")) for e in names)
    assert len(ys) == 2
    assert ys[1] - ys[0] >= 15
    assert ys[1] <= BOTTOM + 4
    assert {float(e.get("x")) for e in names} == {WIDTH - LABEL_ROOM + 8}


def test_the_mark_stands_at_its_pass(read):
    drawing = read(chart(series([1.0, 0.5, 0.7]), mark=(2.0, "best, pass 2")))
    (mark,) = [e for e in drawing.all("line") if e.get("class") == "mark"]
    assert float(mark.get("x1")) == pytest.approx((LEFT + WIDTH - 14) / 2)
    assert "best, pass 2" in drawing.texts()


def test_a_mark_outside_is_left_out(read):
    drawing = read(chart(series([1.0, 0.5]), mark=(9.0, "best")))
    assert "best" not in drawing.texts()


def test_it_is_read_aloud(read):
    root = read(chart(series([1.0, 0.25]))).root
    assert root.get("role") == "img"
    assert root.get("aria-label") == "Loss by pass. train from 1 to 0.25"
