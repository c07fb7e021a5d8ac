"""Every option stands once, in its dataclass, and speaks for itself in --help."""

import ast
import contextlib
import dataclasses
import functools
import inspect
import io
import itertools
import os
import re
from unittest import mock

import pytest

from hubel import options
from hubel.cli.main import VERBS, run

CLASSES = {
    "models": options.ModelsOptions,
    "data": options.DataOptions,
    "check": options.CheckOptions,
    "train": options.TrainOptions,
    "evaluate": options.EvaluateOptions,
    "diagnose": options.DiagnoseOptions,
    "predict": options.PredictOptions,
    "report": options.ReportOptions,
}
FIELDS = [
    pytest.param(verb, field.name, id=f"{verb}-{field.name}")
    for verb, kind in CLASSES.items()
    for field in dataclasses.fields(kind)
]


def docstrings(kind: type) -> dict[str, str]:
    """Return the text that stands below each field of a dataclass and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        body = ast.parse(inspect.getsource(base)).body[0].body
        for field, text in itertools.pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(text.value.value.split())
    return found


def plain(text: str) -> str:
    """Return a help page without frames, colours and line breaks."""
    without = re.sub(r"[│╭╮╰╯─]|\x1b\[[0-9;]*m", " ", text)
    return " ".join(without.split())


@functools.cache
def help_of(verb: str) -> str:
    """Return what `hubel VERB --help` prints, on one line."""
    printed = io.StringIO()
    wide = mock.patch.dict(os.environ, {"COLUMNS": "1000", "NO_COLOR": "1"})
    with wide, contextlib.redirect_stdout(printed):
        assert run([verb, "--help"]) == 0
    return plain(printed.getvalue())


def test_every_verb_has_its_options():
    assert {verb.name for verb in VERBS} == set(CLASSES)
    assert {kind.__name__ for kind in CLASSES.values()} == set(options.__all__)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_options_are_frozen_slotted_and_keyword_only(kind):
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert not hasattr(kind(), "__dict__")
    assert all(field.kw_only for field in dataclasses.fields(kind))


@pytest.mark.parametrize(("verb", "field"), FIELDS)
def test_every_option_is_explained_in_its_class(verb, field):
    text = docstrings(CLASSES[verb]).get(field, "")
    assert text.endswith("."), f"{verb}.{field} needs a sentence below it"


@pytest.mark.parametrize(("verb", "field"), FIELDS)
def test_every_option_is_a_flag_with_its_sentence(verb, field):
    flag = f"--{field.replace('_', '-')}"
    sentence = docstrings(CLASSES[verb])[field]
    assert re.search(rf"{flag}\b", help_of(verb))
    assert " ".join(re.sub(r"[│─]", " ", sentence).split()) in help_of(verb)


@pytest.mark.parametrize("verb", CLASSES)
def test_help_has_no_flag_that_is_no_option(verb):
    known = {field.name.replace("_", "-") for field in dataclasses.fields(CLASSES[verb])}
    positional = {"source", "run", "pictures", "models", "name", "subject"}
    shown = {
        re.sub(r"^no-", "", flag) if flag.startswith("no-") else flag
        for flag in re.findall(r"(?<!\S)--([a-z][a-z0-9-]*)", help_of(verb))
    }
    assert shown - known - positional <= {"help", "version", "config"}
