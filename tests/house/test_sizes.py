"""Files and functions stay small enough to be read whole."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "hubel"
FILES = sorted(SOURCE.rglob("*.py"))
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


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_file_and_its_functions_are_short(file):
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES_OF_A_FILE
    assert long_functions(text) == []


def test_a_long_function_is_seen():
    body = "\n".join(f"    x{number} = {number}" for number in range(60))
    assert long_functions(f"def f():\n{body}\n") == ["f (61 lines)"]
    assert long_functions(f"def f():\n{body[: body.rindex(chr(10))]}\n") == []
