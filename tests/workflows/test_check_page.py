"""The page of a check, its example picture, and the effective receptive field."""

import base64
import io
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from torch import nn

import hubel
from hubel.cli.main import run as command
from hubel.errors import PictureError, RunError, UsageError
from hubel.report.drawing import stand_alone
from hubel.workflows.check_page import effective_picture, write_check_page, write_drawing

SMALL = ["check", "hubelnet", "--input", "3x32x24"]


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))


def example(html):
    """Return the example picture of a page."""
    encoded = html.partition('<image href="data:image/png;base64,')[2].partition('"')[0]
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def test_the_page_shows_the_input_sized_middle_of_a_picture(tmp_path):
    pixels = np.zeros((40, 100, 3), dtype=np.uint8)
    pixels[:, 30:70] = (255, 0, 0)  # the middle, red
    Image.fromarray(pixels).save(tmp_path / "own.png")
    write_check_page([hubel.check(small(), (3, 20, 10))], tmp_path / "a" / "page.html",
                     tmp_path / "own.png")  # fmt: skip
    shown = example((tmp_path / "a" / "page.html").read_text("utf-8"))
    assert shown.size == (10, 20)
    assert shown.convert("RGB").getpixel((5, 10)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("network", "shape"),
    [(nn.Conv1d(2, 4, 3), (2, 32)), (nn.Conv3d(1, 2, 3), (1, 6, 8, 8)), (nn.Identity(), (3, 8, 8))],
    ids=["one axis", "three axes", "no layer"],
)
def test_inputs_that_are_no_pictures_have_a_page_too(tmp_path, network, shape):
    write_check_page([hubel.check(network, shape)], tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text("utf-8")
    assert ("<image" in html) == (len(shape) == 3)
    assert "The frame in the picture" not in html or len(shape) == 3


def test_what_cannot_be_written_or_read_is_one_sentence(tmp_path):
    check = hubel.check(small(), (3, 8, 8))
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Could not write .*page.html"):
        write_check_page([check], tmp_path / "file" / "page.html")
    with pytest.raises(RunError, match="Could not write .*net.svg"):
        write_drawing(check, tmp_path / "file" / "net.svg")
    with pytest.raises(PictureError):
        write_check_page([check], tmp_path / "page.html", tmp_path / "file")


def test_the_effective_field_is_measured_and_drawn(tmp_path):
    check = hubel.check(small(), (3, 12, 12), effective=tmp_path / "field.png")
    field = check.effective
    assert (field.layer, field.possible) == ("2", (5, 5))
    assert all(1 <= side <= 5 for side in field.size)
    assert (tmp_path / "field.png").read_bytes().startswith(b"\x89PNG")


def test_a_network_whose_layers_see_everything_has_no_effective_field(tmp_path):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    with pytest.raises(UsageError, match="--effective: no layer of Sequential sees only a part"):
        hubel.check(network, (3, 4, 4), effective=tmp_path / "field.png")


def test_pictures_of_fields_lie_beside_the_page(tmp_path):
    assert effective_picture("a/b:c", tmp_path / "page.html").parent == tmp_path
    assert effective_picture("hubelnet", None).parts[:2] == ("runs", "check")


def test_html_picture_and_effective_of_the_command_line(tmp_path, capsys):
    page = tmp_path / "page.html"
    assert command([*SMALL, "--html", str(page), "--effective"]) == 0
    said = capsys.readouterr().out.replace("\n", "")
    html = page.read_text("utf-8")
    assert "page.html" in said
    assert example(html).size == (24, 32)
    assert "Effective receptive field" in html
    assert (tmp_path / "effective-hubelnet.png").is_file()
    assert command([*SMALL, "--picture", str(page)]) == 2
    assert "--picture is shown on the page: add --html FILE" in capsys.readouterr().err


def test_the_drawing_of_its_own_is_well_formed():
    drawing = ET.fromstring(stand_alone(hubel.check("squeezenet1_1", (3, 64, 64))))
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [one.text for one in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert "input" in texts
    assert "3 × 64 × 64" in texts


def test_names_in_the_drawing_are_escaped():
    class Evil(nn.Module):
        def forward(self, x):
            return x * 2

    Evil.__name__ = "a<b>&\"c'"
    drawing = stand_alone(hubel.check(nn.Sequential(Evil()), (3, 8, 8)))
    assert any("a<b>&\"c'" in (one.text or "") for one in ET.fromstring(drawing).iter())
