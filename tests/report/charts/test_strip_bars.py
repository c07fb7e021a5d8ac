"""The strip of the verdict and the bars in tables: positions re-derived, ties, degenerate data."""

from __future__ import annotations

import math

import pytest

from hubel.report.charts import stacked_bar, strip, strips
from hubel.report.charts.strip import LEFT, NARROW, WIDE
from hubel.results import Metric

WHOLE = Metric(value=0.9, low=0.85, high=0.94)


def draw(parts, whole=WHOLE, **settings):
    return strip(whole, parts, title="Accuracy", noun="class", **settings)


def place(value, low, width=WIDE):
    return LEFT + (width - 24 - LEFT) * (value - low) / (1 - low)


def test_bars_and_interval_stand_at_their_values(read):
    drawing = read(draw([("a", 0.75), ("b", 0.95)]))
    xs = [float(e.get("x1")) for e in drawing.all("line", "bars")]
    # The line begins at the ten per cent below 75%.
    assert xs == pytest.approx([place(0.75, 0.7), place(0.95, 0.7)], abs=0.006)
    (interval,) = [e for e in drawing.all("rect") if e.get("class") == "interval"]
    assert float(interval.get("x")) == pytest.approx(place(0.85, 0.7), abs=0.006)
    width = place(0.94, 0.7) - place(0.85, 0.7)
    assert float(interval.get("width")) == pytest.approx(width, abs=0.006)
    assert "weakest class: a, 75.0%" in drawing.texts()


def test_classes_at_one_place_share_a_bar_with_their_number(read):
    drawing = read(draw([("a", 0.8), ("b", 1.0), ("c", 1.0), ("d", 1.0)]))
    assert len(drawing.all("line", "bars")) == 2
    assert "×3" in drawing.texts()
    assert "b: 100%\nc: 100%\nd: 100%" in drawing.tips()


def test_tied_weakest_classes_are_counted(read):
    drawing = read(draw([("a", 0.5), ("b", 0.5), ("c", 1.0)]))
    assert "weakest: 2 classes, 50.0%" in drawing.texts()


def test_where_all_tie_none_is_weakest(read):
    assert not any("weakest" in text for text in read(draw([("a", 1.0), ("b", 1.0)])).texts())


@pytest.mark.parametrize("whole", [WHOLE, Metric(value=math.nan, low=math.nan, high=math.nan)])
@pytest.mark.parametrize("parts", [[], [("a", math.nan)], [("a", 0.0)]])
def test_degenerate_strips_are_drawn(read, whole, parts):
    text = draw(parts, whole)
    read(text)
    assert 'x="nan"' not in text
    assert "NaN" not in text


def test_a_hundred_classes_keep_their_labels_apart(read):
    drawing = read(draw([(f"class {i}", 0.4 + 0.005 * (i // 2)) for i in range(100)]))
    many = sorted(float(e.get("x")) for e in drawing.all("text") if e.get("class") == "many")
    assert all(b - a > 22 for a, b in zip(many, many[1:], strict=False))


def test_both_widths_are_made():
    both = strips(WHOLE, [("a", 0.8)], title="Accuracy", noun="class")
    assert both.count("<svg") == 2
    assert f'viewBox="0 0 {WIDE:.0f} ' in both
    assert f'viewBox="0 0 {NARROW:.0f} ' in both


def test_stacked_parts_follow_each_other(read):
    rects = read(stacked_bar([("a", 30), ("b", 0), ("c", 10)], 80)).all("rect")
    assert [(e.get("class"), float(e.get("x")), float(e.get("width"))) for e in rects] == [
        ("a", 0, 375),
        ("c", 375, 125),
    ]


def test_a_bar_of_nothing_is_empty(read):
    assert read(stacked_bar([("a", 0)], 0)).all("rect") == []
