"""The charts of an evaluation: values re-derived from the drawing."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hubel.report.charts import (
    chosen,
    confusion_matrix,
    reliability_diagram,
    scatter,
    stacked_bar,
    strip,
)
from hubel.report.charts.matrix import MOST_TIPS, shade
from hubel.report.charts.scatter import MOST_POINTS
from hubel.report.charts.strip import NARROW, WIDE
from hubel.report.palette import DARK, DARK_SHADES_FROM, LIGHT, SHADES
from hubel.results import Metric, ReliabilityBin

Drawn = Callable[[str], Any]


def numbers(element: Any, *names: str) -> list[float]:
    return [float(element.get(name)) for name in names]


# --- confusion matrix


def test_cells_stand_at_their_row_and_column(drawn: Drawn) -> None:
    counts = [[8, 2, 0], [0, 5, 0], [1, 0, 3]]
    chart = drawn(confusion_matrix(["a", "b", "c"], counts))
    (frame,) = chart.all("rect", "frame")
    left, top, side = numbers(frame, "x", "y", "width")
    found = {}
    for group in chart.all("g", "hit"):
        rect, text = group.find("rect"), group.find("text")
        x, y = numbers(rect, "x", "y")
        place = int((y - top) / side * 3), int((x - left) / side * 3)
        found[place] = int(text.text), rect.get("class").split()[0]
    assert found == {
        (0, 0): (8, "r"), (0, 1): (2, "w"), (1, 1): (5, "r"), (2, 0): (1, "w"), (2, 2): (3, "r"),
    }  # fmt: skip
    assert "a, taken for b\n2 of 10 (20.0%)" in chart.tips()
    assert "b: right\n5 of 5 (100%)" in chart.tips()


@pytest.mark.parametrize(("share", "level"), [(0.0, 0), (0.01, 1), (0.09, 3), (0.5, 7), (1.0, 9)])
def test_shades_are_tenths_of_the_square_root(share: float, level: int) -> None:
    assert shade(share) == level == min(9, math.floor(10 * share**0.5 + 1e-9))


def test_of_many_classes_those_with_most_mistakes_are_drawn() -> None:
    counts = np.diag(np.full(130, 50))
    for i in range(100):
        counts[i + 15, (i + 16) % 130] += 1
    keep = chosen(counts.tolist())
    assert len(keep) == 100
    mistakes = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    assert mistakes[keep].min() >= np.delete(mistakes, keep).max()
    assert keep == sorted(keep)
    assert chosen([[1]]) == [0]


@pytest.mark.parametrize("size", [1, 2, 7, 13, 26, 100])
def test_a_matrix_of_any_size_fits_its_frame(drawn: Drawn, size: int) -> None:
    counts = [[(i * j) % 3 + 1 for i in range(size)] for j in range(size)]
    names = [f"a class with a long name {i}" for i in range(size)]
    chart = drawn(confusion_matrix(names, counts))
    assert chart.inside()
    assert len(chart.tips()) <= MOST_TIPS
    assert chart.width < 1000
    assert len(str(confusion_matrix(names, counts))) < 2_000_000


def test_short_names_leave_room_for_the_corner(drawn: Drawn) -> None:
    chart = drawn(confusion_matrix(["0", "1"], [[1, 0], [0, 1]]))
    (truth,) = [t for t in chart.all("text") if t.text.startswith("truth")]
    assert float(truth.get("x")) - 6.6 * len(truth.text) >= -3


def test_a_class_without_pictures_is_an_empty_row(drawn: Drawn) -> None:
    assert len(drawn(confusion_matrix(["a", "b"], [[3, 0], [0, 0]])).tips()) == 1


# --- reliability


def bins(*filled: tuple[float, float, int]) -> tuple[ReliabilityBin, ...]:
    """Ten bins; (confidence, accuracy, count) in those that are given."""
    known = {min(9, int(confidence * 10)): (confidence, a, n) for confidence, a, n in filled}
    rows = []
    for i in range(10):
        confidence, accuracy, amount = known.get(i, (math.nan, math.nan, 0))
        rows.append(
            ReliabilityBin(
                low=i / 10, high=(i + 1) / 10, count=amount, confidence=confidence,
                accuracy=accuracy,
            )
        )  # fmt: skip
    return tuple(rows)


def test_dots_lie_at_confidence_and_accuracy(drawn: Drawn) -> None:
    after = bins((0.55, 0.4, 10), (0.95, 0.99, 90))
    chart = drawn(reliability_diagram(bins((0.75, 0.9, 100)), after, scaled=True))
    (ideal,) = chart.all("path", "ideal")
    x0, y0, x1, y1 = map(float, re.findall(r"-?[\d.]+", ideal.get("d")))
    dots = {
        role: [
            ((float(c.get("cx")) - x0) / (x1 - x0), (float(c.get("cy")) - y0) / (y1 - y0))
            for c in group.iter("circle")
            if c.get("class") is None
        ]
        for role in ("before", "after")
        for group in chart.all("g", role)
    }
    assert dots["before"] == [pytest.approx((0.75, 0.9), abs=1e-3)]
    assert dots["after"] == [
        pytest.approx((0.55, 0.4), abs=1e-3),
        pytest.approx((0.95, 0.99), abs=1e-3),
    ]
    tall = [float(r.get("height")) for r in chart.all("g", "bars")[0].iter("rect")]
    assert tall[0] / tall[1] == pytest.approx(10 / 90, abs=0.01)
    assert "after scaling\nsays 55.0%, right 40.0%\n10 pictures" in chart.tips()


def test_without_scaling_there_is_one_line(drawn: Drawn) -> None:
    chart = drawn(reliability_diagram(bins((0.5, 0.5, 1)), bins((0.7, 0.7, 1)), scaled=False))
    assert not chart.all("g", "before")
    assert "as it stands\nsays 50.0%, right 50.0%\n1 picture" in chart.tips()


def test_labels_are_present_not_right(drawn: Drawn) -> None:
    chart = drawn(reliability_diagram(bins(), bins((0.2, 0.1, 30)), scaled=True, labels=True))
    assert "share that is present" in chart.texts("axis-name")
    assert "after scaling\nsays 20.0%, present 10.0%\n30 labels" in chart.tips()


def test_empty_bins_draw_nothing(drawn: Drawn) -> None:
    chart = drawn(reliability_diagram(bins(), bins(), scaled=True))
    assert not chart.all("circle")
    assert chart.inside()


# --- scatter


@pytest.mark.parametrize("kind", ["answers", "errors"])
def test_points_of_a_regression_lie_where_the_axes_say(drawn: Drawn, kind: Any) -> None:
    truth, answer = [0.0, 10.0, 20.0], [1.0, 10.0, 16.0]
    chart = drawn(scatter(truth, answer, name="size", kind=kind))
    dots = [
        (float(x), float(y))
        for x, y in re.findall(r"M([\d.]+) ([\d.]+)h0", chart.all("path", "cloud")[0].get("d"))
    ]
    wanted = (
        list(zip(truth, answer, strict=True))
        if kind == "answers"
        else [(a, t - a) for t, a in zip(truth, answer, strict=True)]
    )
    for axis, sign in ((0, 1), (1, -1)):
        places = [d[axis] for d in dots]
        values = [w[axis] for w in wanted]
        scale = (places[2] - places[0]) / (values[2] - values[0])
        assert scale * sign > 0
        assert places[1] == pytest.approx(places[0] + scale * (values[1] - values[0]), abs=0.05)
    assert chart.tips()[0] == "truth 20\nanswer 16"


@pytest.mark.parametrize(
    ("truth", "answer"),
    [([], []), ([1.0], [1.0]), ([2.0] * 5, [2.0] * 5), ([math.nan, 1.0], [0.0, math.inf])],
    ids=["none", "one", "constant", "not finite"],
)
@pytest.mark.parametrize("kind", ["answers", "errors"])
def test_degenerate_regressions_are_drawn(
    drawn: Drawn, truth: list[float], answer: list[float], kind: Any
) -> None:
    markup = str(scatter(truth, answer, name="size", kind=kind))
    assert drawn(markup).inside()
    assert "nan" not in markup
    assert "inf" not in markup


def test_many_points_are_thinned_evenly(drawn: Drawn) -> None:
    values = [float(i) for i in range(9001)]
    cloud = drawn(scatter(values, values, name="size", kind="answers")).all("path", "cloud")[0]
    assert MOST_POINTS / 2 < cloud.get("d").count("h0") <= MOST_POINTS


# --- strip


def whole(value: float, low: float = math.nan, high: float = math.nan) -> Metric:
    return Metric(value=value, low=low, high=high)


def test_classes_and_score_lie_at_their_place_on_the_line(drawn: Drawn) -> None:
    parts = [("a", 0.71), ("b", 0.9), ("c", 1.0)]
    chart = drawn(strip(whole(0.87, 0.8, 0.92), parts, title="Accuracy", noun="class"))
    ticks = {float(t.text[:-1]) / 100: float(t.get("x")) for t in chart.all("text", "tick")}
    (low, start), (high, end) = min(ticks.items()), max(ticks.items())

    def at(value: float) -> float:
        return start + (value - low) / (high - low) * (end - start)

    bars = [float(b.get("x1")) for b in chart.all("g", "bars")[0].iter("line")]
    assert bars == pytest.approx([at(v) for _, v in parts], abs=0.05)
    (interval,) = chart.all("rect", "interval")
    x, wide = numbers(interval, "x", "width")
    assert (x, x + wide) == pytest.approx((at(0.8), at(0.92)), abs=0.05)
    diamond = re.match(r"M([\d.]+)", chart.all("path", "score")[0].get("d"))
    assert diamond is not None
    assert float(diamond[1]) == pytest.approx(at(0.87), abs=0.05)
    assert "weakest class: a, 71.0%" in chart.texts("mark-name")


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("value", [0.0, 0.004, 0.5, 0.996, 1.0])
def test_labels_stay_in_the_frame_at_both_ends(drawn: Drawn, value: float, width: float) -> None:
    parts = [("the class with the longest name of all of them, by far", value), ("b", 1 - value)]
    chart = drawn(strip(whole(value, 0.0, 1.0), parts, title="A", noun="class", width=width))
    assert chart.inside()
    assert chart.width == width


def test_classes_at_one_place_share_a_bar(drawn: Drawn) -> None:
    parts = [(f"class {i}", 1.0) for i in range(15)] + [("last", 0.5)]
    chart = drawn(strip(whole(0.97), parts, title="A", noun="class"))
    assert chart.texts("many") == ["×15"]
    shared = chart.tips()[1].splitlines()
    assert shared[0] == "class 0: 100%"
    assert shared[-1] == "and 3 more"


def test_where_all_tie_none_is_called_the_weakest(drawn: Drawn) -> None:
    parts = [("a", 1.0), ("b", 1 - 1e-12)]
    chart = drawn(strip(whole(1.0, 1.0, 1.0), parts, title="A", noun="class"))
    assert chart.texts("mark-name") == []
    assert chart.texts("score-name") == ["100% in all"]


def test_the_score_stands_clear_of_the_bars_below(drawn: Drawn) -> None:
    parts = [("a", 1.0), ("b", 1.0)]
    chart = drawn(strip(whole(1.0), parts, title="A", noun="class"))
    (many,) = chart.all("text", "many")
    diamond = re.match(r"M[\d.]+ ([\d.]+)", chart.all("path", "score")[0].get("d"))
    assert diamond is not None
    assert float(diamond[1]) + 16 < float(many.get("y")) - 8


def test_unknown_scores_are_left_out(drawn: Drawn) -> None:
    chart = drawn(strip(whole(math.nan), [("a", math.nan)], title="A", noun="class"))
    assert not chart.all("path", "score")
    assert chart.inside()


# --- bars, colours


def test_text_and_attributes_of_a_drawing_are_escaped(drawn: Drawn) -> None:
    hostile = '"><script>alert(1)</script>'
    markup = str(stacked_bar([(hostile, 1)], 1))
    assert "<script" not in markup
    assert drawn(markup).all("rect")[0].get("class") == hostile
    counts = [[1, 0], [0, 1]]
    assert "<script" not in confusion_matrix([hostile, "b"], counts)


def test_bars_stand_side_by_side_in_proportion(drawn: Drawn) -> None:
    chart = drawn(stacked_bar([("in-train", 6), ("in-val", 0), ("in-test", 2)], 16))
    assert [numbers(r, "x", "width") for r in chart.all("rect")] == [[0, 375], [375, 125]]
    assert not drawn(stacked_bar([("in-train", 0)], 0)).all("rect")


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of the Web Content Accessibility Guidelines."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "ink-2", "ink-3", "right", "wrong", "caution", "train"])
@pytest.mark.parametrize("ground", ["paper", "sunken"])
def test_every_text_can_be_read(theme: dict[str, str], ink: str, ground: str) -> None:
    assert contrast(rgb(theme[ink]), rgb(theme[ground])) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("hue", ["right", "wrong"])
@pytest.mark.parametrize("level", range(10))
def test_counts_can_be_read_on_every_shade(theme: dict[str, str], hue: str, level: int) -> None:
    opacity = SHADES[level]
    mixed = tuple(
        opacity * a + (1 - opacity) * b
        for a, b in zip(rgb(theme[hue]), rgb(theme["sunken"]), strict=True)
    )
    text = theme["paper" if level >= DARK_SHADES_FROM else "ink"]
    assert contrast(rgb(text), mixed) >= 4.5
