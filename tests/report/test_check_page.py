"""The page of `check`: figures, findings, drawing with an example picture, several networks."""

import base64
import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from hubel.report import render_check
from hubel.report.check_page import short

sys.path.insert(0, str(Path(__file__).parent))

from sample_checks import CHECK, FINDING, ROWS, row

EVIL = "<script>alert('x')</script>\"'&{{ 7*7 }}"


def png(width, height):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "grey").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_page_says_what_was_found_and_what_it_costs(parse):
    page = parse(render_check([CHECK]))
    for part in ("1 warning.", "A kernel is even.", "Take 3x3.", "18.7 k", "18,688", "tiny",
                 "stem", "BatchNorm2d", "whole"):  # fmt: skip
        assert part in page.text, part
    assert "<image" not in page.html
    assert page.requests() == []


def test_picture_of_the_input_shows_the_field(parse):
    page = parse(render_check([CHECK], {"tiny": png(8, 8)}))
    image = {name: value for tag, name, value in page.attributes if tag == "image"}
    assert (image["width"], image["height"]) == ("8", "8")
    assert image["href"].startswith("data:image/png;base64,")


def test_several_networks_stand_side_by_side(parse):
    other = replace(CHECK, model="other", findings=())
    page = parse(render_check([CHECK, other]))
    assert "Side by side" in page.text
    assert "Nothing wrong was found." in page.text
    assert page.html.count('class="chart network"') == 2
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_operations_without_a_rule_are_named(parse):
    page = parse(render_check([replace(CHECK, not_analysed=("aten.strange",))]))
    assert "aten.strange" in page.text
    assert "Not analysed" not in parse(render_check([CHECK])).text


def test_names_of_others_are_escaped(parse):
    hostile = replace(
        CHECK, model=EVIL, layers=(row(EVIL, EVIL, (1, 3, 8, 8)),), edges=((-1, 0),),
        findings=(replace(FINDING, what=EVIL, where=(EVIL,)),), notes=(EVIL,),
    )  # fmt: skip
    page = parse(render_check([hostile]))
    assert "<script>alert" not in page.html
    assert len(page.scripts()) == 1


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0"), (999, "999"), (1000, "1 k"), (138_357_544, "138 M")]
)
def test_large_numbers_are_short(amount, text):
    assert short(amount) == text


def test_a_layer_called_again_says_so(parse):
    again = replace(CHECK, layers=(*ROWS, replace(ROWS[1], call=1)), edges=())
    assert "bn (call 2)" in parse(render_check([again])).text
