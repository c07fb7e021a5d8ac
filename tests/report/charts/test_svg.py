"""The writer of SVG: escaping, numbers, room for text."""

from __future__ import annotations

import doctest

import pytest

from hubel.report.charts import svg
from hubel.report.charts.scale import Scale


def test_examples():
    assert doctest.testmod(svg).failed == 0


def test_text_and_attributes_are_escaped():
    made = svg.tag("text", "</svg><script>", data_name='"><script>')
    assert "<script>" not in made
    assert "&lt;script&gt;" in made
    assert '"><' not in made


def test_children_that_are_markup_stay():
    assert str(svg.tag("g", svg.tag("circle", r=1))) == '<g><circle r="1"></circle></g>'


@pytest.mark.parametrize(("text", "room"), [("a" * 60, 80), ("数字分类" * 9, 80), ("short", 80)])
def test_shortened_text_fits(text, room):
    kept = svg.shorten(text, room)
    assert svg.text_width(kept) <= room
    assert kept == text or kept.endswith("…")


def test_wide_letters_take_a_whole_em():
    assert svg.text_width("数字", 10) == 20
    assert svg.text_width("ab", 10) == pytest.approx(11)


def test_an_axis_of_passes_has_whole_numbers_only():
    labels = "".join(svg.x_axis(Scale(low=1, high=2, start=0, end=100), 50, whole=True))
    assert ">1<" in labels
    assert ">2<" in labels
    assert "1.5" not in labels
