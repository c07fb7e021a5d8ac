"""Tables are literal: what lies in a folder is in its table, and what is offered exists."""

import importlib
import typing
from pathlib import Path

import pytest

from hubel.architectures import ARCHITECTURES
from hubel.cli.main import VERBS
from hubel.data.augmentation import SETS
from hubel.data.classical import FILTERS
from hubel.options import DataOptions, TrainOptions
from hubel.options.train import LossName, OptimizerName, ScheduleName
from hubel.training.losses import TASKS
from hubel.training.optimizers import OPTIMIZERS
from hubel.training.schedules import SHAPES

SOURCE = Path(__file__).parents[2] / "src" / "hubel"
MACHINERY = {"__init__", "architecture", "arguments", "files", "libraries", "loading", "table"}
"""Files of architectures/ that are no paper's page."""


def words(kind: type, field: str) -> str:
    """Return the source text of an options file, from a field to the next."""
    text = Path(importlib.import_module(kind.__module__).__file__).read_text("utf-8")
    after = text.partition(f"\n    {field}: ")[2]
    return after.partition("\n\n")[0]


def test_every_architecture_file_is_in_the_table():
    files = {path.stem for path in (SOURCE / "architectures").glob("*.py")} - MACHINERY
    homes = {
        entry.builder.__module__.rpartition(".")[2] for entry in ARCHITECTURES.values()
    }  # fmt: skip
    assert homes == files


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture_has_its_name_and_its_sizes(name):
    entry = ARCHITECTURES[name]
    assert entry.name == name
    assert 1 <= entry.least_size <= entry.design_size
    assert not entry.fixed_size or entry.least_size == entry.design_size
    assert entry.summary


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_its_function_and_its_workflow(verb):
    module, _, function = verb.function.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert (SOURCE / "workflows" / f"{verb.name}.py").is_file()


def test_every_options_file_belongs_to_a_verb():
    files = {path.stem for path in (SOURCE / "options").glob("*.py")}
    assert files - {"__init__", "gathering", "preprocessing"} == {verb.name for verb in VERBS}


@pytest.mark.parametrize(
    ("offered", "table"),
    [(OptimizerName, OPTIMIZERS), (ScheduleName, SHAPES), (LossName, TASKS)],
    ids=["optimizers", "schedules", "losses"],
)
def test_what_the_options_offer_is_in_its_table(offered, table):
    assert set(typing.get_args(offered)) == set(table)


@pytest.mark.parametrize("name", FILTERS)
def test_help_names_every_filter(name):
    module = importlib.import_module("hubel.options.preprocessing")
    text = words(module.PreprocessingOptions, "filters")
    assert f"{name}," in text or f"{name}:" in text or f"{name}." in text


@pytest.mark.parametrize("kind", [DataOptions, TrainOptions])
def test_help_names_every_augmentation_set(kind):
    text = words(kind, "augment").replace("\n", " ")
    assert [name for name in SETS if name not in text] == []
