"""Whoever cites a source names one entry of the bibliography."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from pybtex.database import parse_string

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "hubel"
KEY = re.compile(r"\b[a-z]+(?:1[89]|20)\d\d[a-z]*\b")
BIBLIOGRAPHY = (ROOT / "docs" / "references.bib").read_text("utf-8")
ENTRIES = Counter(re.findall(r"^@\w+\{([^,\s]+),", BIBLIOGRAPHY, flags=re.MULTILINE))


def texts(source: str) -> list[str]:
    """Return the string literals of a source text, docstrings included."""
    return [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def cited() -> dict[str, set[str]]:
    """Return the keys that the source text names, and where."""
    found: dict[str, set[str]] = {}
    for file in SOURCE.rglob("*.py"):
        for text in texts(file.read_text("utf-8")):
            for key in KEY.findall(text):
                found.setdefault(key, set()).add(str(file.relative_to(SOURCE)))
    return found


CITED = cited()


def test_bibliography_can_be_read():
    entries = parse_string(BIBLIOGRAPHY, "bibtex").entries
    assert sorted(entries) == list(entries) == list(ENTRIES)
    incomplete = [key for key, entry in entries.items() if not {"title", "year"} <= {*entry.fields}]
    assert incomplete == []


def test_source_text_cites_something():
    assert "lecun1998gradient" in CITED


@pytest.mark.parametrize("key", sorted(CITED))
def test_cited_key_is_one_entry(key):
    assert ENTRIES[key] == 1, f"{', '.join(sorted(CITED[key]))} cite {key}"


@pytest.mark.parametrize("key", sorted(ENTRIES))
def test_entry_has_the_shape_of_a_key_and_stands_once(key):
    assert KEY.fullmatch(key)
    assert ENTRIES[key] == 1


def test_no_entry_is_there_for_nothing():
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md"))
    assert [key for key in ENTRIES if key not in CITED and key not in pages] == []


def sources_named(source: str) -> list[str]:
    """Return the keys after "Source:" in docstrings and as `source=` of findings and networks.

    A key may be followed by a comma and a place in the source: `he2016deep, table 3`.
    """
    named = [
        part.strip()
        for text in texts(source)
        for found in re.findall(r"\bSources?: (.+?)\.(?:\s|$)", text, flags=re.DOTALL)
        for part in re.split(r"[,;]", re.sub(r"\([^)]*\)", "", found))
    ]
    return named + [
        node.value.value.partition(",")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.keyword)
        and node.arg == "source"
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]


@pytest.mark.parametrize(
    "file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE))
)
def test_named_sources_are_keys_or_hubel_itself(file):
    for name in sources_named(file.read_text("utf-8")):
        assert name == "hubel" or name in ENTRIES, f"{name!r} is no entry of references.bib"


def test_a_source_is_read_out_of_docstrings_and_calls():
    text = '"""A formula. Source: he2016deep (step), kingma2015adam. More."""'
    text += '\nf(source="none2000, table 1")'
    assert sources_named(text) == ["he2016deep", "kingma2015adam", "none2000"]
