"""The README's two lines are what a new user types, and what `.ci/run` runs."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from hubel.cli.main import VERBS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
FIRST_LINES = [
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/hubel train digits",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest",
]


def code_lines(markdown: str) -> list[str]:
    """Return the lines inside fenced code blocks."""
    return [
        line
        for block in re.findall(r"^```\w*\n(.*?)^```$", markdown, flags=re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]


@pytest.mark.parametrize("line", FIRST_LINES)
def test_readme_holds_each_set_up_line_once(line):
    assert code_lines(README).count(line) == 1


def test_ci_reads_exactly_these_two_lines_out_of_the_readme():
    ended = subprocess.run(
        [ROOT / ".ci" / "run", "--show-lines"], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines() == FIRST_LINES


def test_ci_is_executable():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_readme_shows_each_verb(verb):
    assert any(re.search(rf"\bhubel {verb}\b", line) for line in code_lines(README))


def test_pictures_of_the_readme_exist_and_are_small():
    pictures = re.findall(r"\]\((docs/[^)]+\.(?:png|svg))\)|src=\"(docs/[^\"]+)\"", README)
    paths = [ROOT / (one or other) for one, other in pictures]
    assert paths
    assert [path.name for path in paths if not path.is_file()] == []
    assert [path.name for path in paths if path.stat().st_size > 300_000] == []


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", README)
    local = [link for link in links if not re.match(r"https?:|mailto:", link)]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_licence_is_apache_2():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")[:200]
