"""Curves over passes: positions re-derived from the axes; degenerate trainings."""

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from hubel.report.charts import Series, line_chart
from hubel.report.charts.lines import BOTTOM, MOST_POINTS, MOST_STOPS, TOP
from hubel.report.words import percent

Drawn = Callable[[str], Any]


def lines(*values: list[float], **settings: Any) -> str:
    """A chart of training and, where given, validation."""
    names = (("train", "train"), ("validation", "val"))
    series = [
        Series(name=name, role=role, points=[(i + 1.0, v) for i, v in enumerate(line)])
        for (name, role), line in zip(names, values, strict=False)
    ]
    return str(line_chart(series, title="Loss by pass", y_title="loss", **settings))


def path_points(d: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", d)]


def test_points_lie_where_the_axes_say(drawn: Drawn) -> None:
    values = [0.31, 0.62, 0.85, 0.97]
    chart = drawn(lines(values, percent=True))
    ticks = {
        float(t.text.rstrip("%")) / 100: float(t.get("y")) - 4
        for t in chart.all("text", "tick")
        if t.text.endswith("%")
    }
    (low, at_low), (high, at_high) = min(ticks.items()), max(ticks.items())
    points = path_points(chart.all("path")[0].get("d"))
    for value, (_, y) in zip(values, points, strict=True):
        expected = at_low + (value - low) / (high - low) * (at_high - at_low)
        assert y == pytest.approx(expected, abs=0.05)
    xs = [x for x, _ in points]
    assert xs[1] - xs[0] == pytest.approx(xs[3] - xs[2], abs=0.02)


def test_the_pointer_finds_the_values(drawn: Drawn) -> None:
    chart = drawn(lines([0.5, 0.25], [0.75, math.nan], show=percent))
    assert chart.tips() == [
        "pass 1\ntrain: 50.0%\nvalidation: 75.0%",
        "pass 2\ntrain: 25.0%\nvalidation: –",
    ]
    assert "train from 50.0% to 25.0%" in chart.root.get("aria-label")


def test_a_share_scale_never_passes_its_limits(drawn: Drawn) -> None:
    labels = drawn(lines([0.0, 1.0], percent=True)).texts("tick")
    assert {"0%", "100%"} <= set(labels)
    assert not any(float(t.rstrip("%")) > 100 or t.startswith("−") for t in labels if "%" in t)


def test_the_scale_from_zero_begins_there(drawn: Drawn) -> None:
    chart = drawn(lines([90.0, 100.0], zero=True))
    zero = next(t for t in chart.all("text", "tick") if t.text == "0")
    assert float(zero.get("y")) - 4 == BOTTOM


def test_values_that_are_not_finite_break_the_line(drawn: Drawn) -> None:
    chart = drawn(lines([1.0, 2.0, math.nan, 3.0, math.inf, 4.0, 5.0]))
    runs = [len(path_points(p.get("d"))) for p in chart.all("path")]
    assert runs == [2, 2]
    lone = [c for c in chart.all("circle") if c.get("r") == "3"]
    assert len(lone) == 1


@pytest.mark.parametrize(
    "values",
    [[0.5], [math.nan], [math.nan] * 3, [0.7] * 9, [0.0] * 4, [1e-9, 1e9], [-5.0, -5.0]],
    ids=["one pass", "one NaN", "all NaN", "constant", "zeros", "huge span", "negative"],
)
@pytest.mark.parametrize("settings", [{}, {"log": True}, {"zero": True}, {"percent": True}])
def test_degenerate_curves_stay_in_the_frame(
    drawn: Drawn, values: list[float], settings: dict[str, bool]
) -> None:
    inside = [min(max(v, 0.0), 1.0) for v in values] if "percent" in settings else values
    chart = drawn(lines(inside, mark=(1.0, "best, pass 1"), **settings))
    assert "nan" not in str(lines(inside, **settings)).replace(" nan", "")
    assert chart.inside()
    for circle in chart.all("circle"):
        assert TOP - 1 <= float(circle.get("cy")) <= BOTTOM + 1


def test_a_thousand_passes_stay_small_and_keep_their_extremes(drawn: Drawn) -> None:
    values = [1 / (i + 1) for i in range(1000)]
    values[500] = 3.0
    chart = drawn(lines(values))
    points = path_points(chart.all("path")[0].get("d"))
    assert len(points) <= MOST_POINTS
    assert len(chart.tips()) <= MOST_STOPS
    highest = min(points, key=lambda point: point[1])
    ends = points[0][0], points[-1][0]
    assert highest[0] == pytest.approx(ends[0] + 500 / 999 * (ends[1] - ends[0]), abs=0.05)


def test_names_beside_lines_that_end_together_do_not_overlap(drawn: Drawn) -> None:
    names = drawn(lines([2.0, 1.0], [3.0, 1.0])).all("text", "line-name")
    assert abs(float(names[0].get("y")) - float(names[1].get("y"))) >= 15


@pytest.mark.parametrize("at", [1.0, 5.0])
def test_the_mark_is_named_above_the_curves(drawn: Drawn, at: float) -> None:
    chart = drawn(lines([1.0] * 5, [1.0] * 5, percent=True, mark=(at, f"best, pass {at:.0f}")))
    (name,) = chart.all("text", "mark-name")
    assert float(name.get("y")) < TOP - 4
    assert chart.inside()
    (axis,) = [t for t in chart.all("text", "axis-name") if t.text == "loss"]
    assert float(axis.get("y")) <= float(name.get("y")) - 12
    assert not drawn(lines([1.0] * 5, mark=(9.0, "elsewhere"))).all("line", "mark")
