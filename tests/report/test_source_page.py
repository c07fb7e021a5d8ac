"""The page about a source: its troubles are shown, names are inert, its size is bounded."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

from hubel.report import render_inspection

HOSTILE = "<script>alert(1)</script>"


def test_the_page_of_a_source_shows_its_troubles(
    samples: ModuleType, parse: Callable[[str], Any]
) -> None:
    data, thumbnails = samples.troubled()
    made = parse(render_inspection(data, thumbnails))
    assert made.requests() == []
    assert "2 errors, 2 warnings and 1 note in 1,797 pictures." in made.text
    for line in data.undecodable:
        assert line in made.text
    for group in data.duplicates:
        for key in group.keys:
            assert key in made.text
            assert thumbnails[key] in made.html
    assert "on both sides of a split" in made.text
    assert "with different labels" in made.text
    assert made.text.index("on both sides of a split") < made.text.index("with different labels")
    assert "mean difference 2.73 of 255" in made.text


def test_a_source_without_trouble_or_classes_renders(
    samples: ModuleType, parse: Callable[[str], Any]
) -> None:
    plain = samples.inspection(
        task="none", classes=(), findings=(), splits={}, splits_made_by="none", duplicates=()
    )
    made = parse(render_inspection(plain, {}))
    assert "Nothing wrong was found in 1,797 pictures." in made.text
    assert "without classes" in made.text


def test_a_source_of_very_many_findings_stays_bounded(
    samples: ModuleType, parse: Callable[[str], Any]
) -> None:
    data, thumbnails = samples.troubled()
    keys = tuple(thumbnails)
    group = replace(data.duplicates[0], keys=keys, labels=("a",) * 80, splits=("train",) * 80)
    data = replace(
        data,
        findings=data.findings * 200,
        duplicates=(group,) * 1000,
        undecodable=tuple(f"photos/{i}.jpg: the file is empty (0 bytes)" for i in range(5000)),
    )
    made = parse(render_inspection(data, thumbnails))
    assert len(made.html) < 3_000_000
    assert made.html.count('<div class="group">') == 60
    assert "940 more groups stand in data.json." in made.text
    assert "4,800 more stand in data.json." in made.text
    assert "72 more of this group are left out." in made.text


def test_hostile_names_are_inert_on_the_page_of_a_source(
    samples: ModuleType, parse: Callable[[str], Any]
) -> None:
    data, thumbnails = samples.troubled()
    group = data.duplicates[0]
    hostile = replace(
        data,
        source=HOSTILE,
        undecodable=(HOSTILE,),
        duplicates=(replace(group, labels=(HOSTILE, "a"), keys=(HOSTILE, 'a"b')),),
    )
    made = parse(render_inspection(hostile, {HOSTILE: thumbnails[group.keys[0]]}))
    assert HOSTILE not in made.html
    assert len(made.scripts()) == 1
    assert 'a"b' in made.text
