"""`hubel models`: the list, one network with its paper, the drawing, JSON."""

import json
from xml.etree import ElementTree as ET

import pytest

import hubel
from hubel.architectures import ARCHITECTURES
from hubel.cli.main import run
from hubel.workflows.models import network_page


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_every_network_is_listed_by_year(capsys):
    networks = hubel.models()
    assert {one.name for one in networks} == set(ARCHITECTURES)
    assert [one.year for one in networks] == sorted(one.year for one in networks)
    assert run(["models"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ARCHITECTURES)
    assert "138 M" in printed  # VGG-16


def test_the_list_as_json(capsys):
    assert run(["models", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    vgg = next(one for one in document if one["name"] == "vgg16")
    assert vgg["params"] == 138_357_544
    assert vgg["input"] == [3, 224, 224]


def test_one_network_with_the_table_of_its_paper(capsys):
    assert run(["models", "mobilenet_v2"]) == 0
    printed = capsys.readouterr().out
    assert "3,504,872" in printed
    assert "Table 2" in printed
    assert "Drawing at 3×224×224" in printed


def test_one_network_as_json(capsys):
    assert run(["models", "mobilenet_v2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["entry"]["name"] == "mobilenet_v2"
    assert [title["title"] for title in document["tables"]] == ["Table 2"]


def test_every_page_has_a_table_or_a_listing_of_its_paper():
    for name in ARCHITECTURES:
        page = network_page(name)
        assert page.text
        assert page.tables or page.listing or name == "plain", name


def test_a_drawing_is_an_svg_file(tmp_path, capsys):
    path = tmp_path / "drawings" / "lenet5.svg"
    assert run(["models", "lenet5", "--draw", str(path)]) == 0
    assert f"Drawing: {path}" in capsys.readouterr().out.replace("\n", "")
    assert ET.fromstring(path.read_text("utf-8")).tag.endswith("svg")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["models", "vgg61"], "There is no network 'vgg61': did you mean vgg1"),
        (["models", "--draw", "x.svg"], "--draw draws one network: name it, as in hubel models"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(words, sentence, capsys):
    assert run(words) == 2
    assert sentence in capsys.readouterr().err
