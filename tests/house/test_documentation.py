"""What the code can say is in the documentation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hubel.analysis.lint import RULES
from hubel.cli.main import VERBS
from hubel.results import Run

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "hubel"
FINDINGS = sorted(
    {
        name
        for file in (SOURCE / "data").rglob("*.py")
        for name in re.findall(r"[\"'](data/[a-z-]+[a-z])[\"']", file.read_text("utf-8"))
    }
)
FRAGMENT = re.compile(r"[\w+-][\w+.-]*\.(added|changed|fixed)(\.\d+)?\.md")


def test_there_are_findings():
    assert "data/leak" in FINDINGS


@pytest.mark.parametrize("name", FINDINGS)
def test_every_finding_is_documented(name):
    assert f"`{name}`" in (DOCS / "findings.md").read_text("utf-8")


def test_every_design_rule_is_documented_by_its_table():
    page = (DOCS / "findings.md").read_text("utf-8")
    assert "```{rules}" in page
    assert len(RULES) >= 25


@pytest.mark.parametrize("name", [verb.name for verb in VERBS])
def test_every_verb_has_a_page_with_its_options(name):
    page = (DOCS / "guide" / f"{name}.md").read_text("utf-8")
    assert page.startswith(f"# hubel {name}\n")
    assert f"```{{options}} {name.capitalize()}Options" in page


@pytest.mark.parametrize(
    "name", [name for name, value in vars(Run).items() if isinstance(value, property)]
)
def test_every_file_of_a_run_is_documented(name):
    path = getattr(Run(Path("run")), name)
    if isinstance(path, Path):
        assert f"`{path.name}" in (DOCS / "run.md").read_text("utf-8")


def test_fragments_of_the_changelog_have_a_name_that_towncrier_knows():
    names = {path.name for path in (ROOT / "changes").iterdir()} - {"README.md"}
    assert [name for name in names if not FRAGMENT.fullmatch(name)] == []


def test_changelog_can_be_built():
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "## next" in ended.stdout
