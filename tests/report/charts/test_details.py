"""Small promises of the charts: bands of the pointer, ties, sizes of dots, stretches of scales."""

from __future__ import annotations

import math

import pytest

from hubel.report.charts import Series, line_chart, reliability_diagram, strip
from hubel.report.charts.lines import BOTTOM, LEFT, TOP, WIDTH
from hubel.results import Metric, ReliabilityBin

WHOLE = Metric(value=0.9, low=0.85, high=0.94)


def chart(values, **settings):
    points = [(float(i + 1), v) for i, v in enumerate(values)]
    line = Series(name="train", role="train", points=points)
    return line_chart([line], title="Loss by pass", y_title="loss", **settings)


def test_the_bands_of_the_pointer_fill_the_plot_without_gaps(drawn):
    bands = drawn(chart([1.0, 2.0, 3.0, 4.0])).all("rect")
    edges = [(float(e.get("x")), float(e.get("x")) + float(e.get("width"))) for e in bands]
    assert edges[0][0] == pytest.approx(LEFT)
    assert edges[-1][1] == pytest.approx(WIDTH - 14, abs=0.02)
    assert [a[1] for a in edges[:-1]] == pytest.approx([b[0] for b in edges[1:]], abs=0.02)


def test_the_pointer_says_where_a_value_is_missing(drawn):
    assert drawn(chart([1.0, math.nan])).tips() == ["pass 1\ntrain: 1", "pass 2\ntrain: –"]


def test_shares_below_zero_stay_in_the_frame(drawn):
    # A score that is no share after all (a R² that was called accuracy) is drawn, not cut.
    (line,) = [e.get("d") for e in drawn(chart([-0.5, 1.0], percent=True)).all("path")]
    ys = [float(part.split(" ")[1]) for part in line.replace("M", "L").split("L")[1:]]
    assert ys == pytest.approx([BOTTOM, TOP], abs=0.01)


def test_a_scale_from_zero_is_not_for_values_below_it(drawn):
    assert "0" in drawn(chart([0.0, 10.0], zero=True)).texts("tick")
    ticks = drawn(chart([-10.0, 10.0], zero=True)).texts("tick")
    assert any(tick.startswith("−") for tick in ticks)


def test_tied_weakest_classes_are_counted(drawn):
    parts = [("a", 0.5), ("b", 0.5), ("c", 1.0)]
    texts = drawn(strip(WHOLE, parts, title="Accuracy", noun="class")).texts()
    assert "weakest: 2 classes, 50.0%" in texts


def test_dots_grow_with_the_root_of_their_pictures(drawn):
    bins = [
        ReliabilityBin(low=low, high=low + 0.1, count=amount, confidence=low + 0.05, accuracy=0.5)
        for low, amount in ((0.5, 25), (0.9, 100))
    ]
    drawing = drawn(reliability_diagram(bins, bins, scaled=False))
    radii = [float(e.get("r")) for e in drawing.all("circle") if e.get("class") != "ring"]
    assert radii == pytest.approx([2.5 + 3.5 * 0.5, 2.5 + 3.5])
