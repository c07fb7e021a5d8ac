"""The reliability diagram and the plots of a regression: positions re-derived, degenerate data."""

from __future__ import annotations

import math

import pytest

from hubel.report.charts import reliability, reliability_diagram, scatter
from hubel.report.charts import scatter as scatter_function
from hubel.report.charts.scatter import BOTTOM, LEFT, MOST_POINTS, RIGHT, TOP, pairs
from hubel.results import ReliabilityBin

assert scatter is scatter_function


def bins(*known):
    rows = []
    for low in range(10):
        amount, confidence, accuracy = next(
            (k for k in known if int(k[1] * 10) == low), (0, math.nan, math.nan)
        )
        rows.append(
            ReliabilityBin(
                low=low / 10,
                high=(low + 1) / 10,
                count=amount,
                confidence=confidence,
                accuracy=accuracy,
            )
        )
    return rows


def test_dots_stand_at_confidence_and_accuracy(read):
    drawing = read(
        reliability_diagram(
            bins((30, 0.85, 0.6)), bins((10, 0.55, 0.5), (20, 0.72, 0.75)), scaled=True
        )
    )
    dots = [e for e in drawing.all("circle", "after") if e.get("class") != "ring"]
    m = reliability
    expected = [
        (m.LEFT + (m.RIGHT - m.LEFT) * c, m.BOTTOM - (m.BOTTOM - m.TOP) * a)
        for c, a in ((0.55, 0.5), (0.72, 0.75))
    ]
    places = [(float(e.get("cx")), float(e.get("cy"))) for e in dots]
    assert [c for p in places for c in p] == pytest.approx(
        [c for p in expected for c in p], abs=0.006
    )
    assert float(dots[1].get("r")) > float(dots[0].get("r"))
    assert "after scaling\nsays 55.0%, right 50.0%\n10 pictures" in drawing.tips()
    assert len(drawing.all("circle", "before")) == 2


def test_bars_count_the_pictures_after_scaling(read):
    drawing = read(
        reliability_diagram(
            bins((1, 0.15, 1.0)), bins((10, 0.55, 0.5), (20, 0.75, 0.7)), scaled=True
        )
    )
    heights = [float(e.get("height")) for e in drawing.all("rect", "bars")]
    assert heights == pytest.approx(
        [
            (reliability.BARS_BOTTOM - reliability.BARS_TOP) / 2,
            reliability.BARS_BOTTOM - reliability.BARS_TOP,
        ]
    )


def test_without_a_temperature_there_is_one_line(read):
    drawing = read(reliability_diagram(bins((5, 0.95, 0.9)), bins(), scaled=False))
    assert len(drawing.all("circle", "after")) == 2
    assert drawing.all("circle", "before") == []
    assert "as it stands" in drawing.root.get("aria-label")


def test_labels_of_pictures_are_present_not_right(read):
    drawing = read(reliability_diagram(bins((5, 0.95, 0.9)), bins(), scaled=False, labels=True))
    assert "share that is present" in drawing.texts()
    assert any("5 labels" in tip for tip in drawing.tips())


def test_empty_bins_draw_nothing_and_no_nan(read):
    text = reliability_diagram(bins(), bins(), scaled=True)
    drawing = read(text)
    assert drawing.all("circle") == []
    assert "nan" not in text


def test_answers_lie_over_the_truth_on_equal_axes(read):
    drawing = read(scatter([0.0, 10.0], [10.0, 0.0], name="ink", kind="answers"))
    low, high = -0.5, 10.5
    places = drawing.points("cloud")[0]
    x = [LEFT + (RIGHT - LEFT) * (v - low) / (high - low) for v in (0, 10)]
    y = [BOTTOM - (BOTTOM - TOP) * (v - low) / (high - low) for v in (10, 0)]
    assert [c for p in places for c in p] == pytest.approx([x[0], y[0], x[1], y[1]], abs=0.006)
    (ideal,) = drawing.points("ideal")
    assert ideal == [(LEFT, BOTTOM), (RIGHT, TOP)]


def test_errors_lie_around_zero(read):
    drawing = read(scatter([1.0, 2.0, 3.0], [1.0, 2.5, 2.0], name="ink", kind="errors"))
    middle = (TOP + BOTTOM) / 2
    ys = [y for _, y in drawing.points("cloud")[0]]
    reach = 1.05
    expected = [middle - (BOTTOM - TOP) / 2 * e / reach for e in (0.0, -0.5, 1.0)]
    assert ys == pytest.approx(expected, abs=0.006)
    assert {y for _, y in drawing.points("ideal")[0]} == {middle}


def test_the_greatest_errors_tell_their_numbers(read):
    truth = [float(i) for i in range(100)]
    prediction = [t + (5.0 if i == 70 else 0.01 * i) for i, t in enumerate(truth)]
    drawing = read(scatter(truth, prediction, name="ink", kind="answers"))
    assert drawing.tips()[0] == "truth 70\nanswer 75"
    assert len(drawing.tips()) == 25


@pytest.mark.parametrize("kind", ["answers", "errors"])
@pytest.mark.parametrize("values", [[], [math.nan], [2.0], [2.0, 2.0]])
def test_degenerate_targets_are_drawn(read, kind, values):
    text = scatter(values, values, name="ink", kind=kind)
    read(text)
    assert "nan" not in text


def test_many_points_are_thinned_evenly():
    many = pairs([float(i) for i in range(4500)], [0.0] * 4500)
    assert len(many) == 1500 <= MOST_POINTS
    assert many[1][0] == 3.0


def test_a_name_is_escaped():
    assert "<b>" not in scatter([1.0], [1.0], name="<b>", kind="answers")
