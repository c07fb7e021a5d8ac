"""Files and functions stay small enough to be read whole."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "src" / "hubel").rglob("*.py"))
OTHERS = sorted(path for room in ("tests", "benchmarks") for path in (ROOT / room).rglob("*.py"))
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60


def long_functions(text: str) -> list[str]:
    """Return the functions of a source text that are too long."""
    return [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION
    ]


def test_there_are_files():
    assert len(FILES) > 40
    assert len(OTHERS) > 40


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_file_and_its_functions_are_short(file):
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES_OF_A_FILE
    assert long_functions(text) == []


@pytest.mark.parametrize("file", OTHERS, ids=lambda file: str(file.relative_to(ROOT)))
def test_file_of_tests_or_benchmarks_is_short(file):
    assert len(file.read_text("utf-8").splitlines()) <= MOST_LINES_OF_A_FILE


def test_a_long_function_is_seen():
    body = "\n".join(f"    x{number} = {number}" for number in range(60))
    assert long_functions(f"def f():\n{body}\n") == ["f (61 lines)"]
    assert long_functions(f"def f():\n{body[: body.rindex(chr(10))]}\n") == []
