from pathlib import Path

import pytest

from hubel.errors import UsageError
from hubel.options import DataOptions, PredictOptions, TrainOptions
from hubel.options.gathering import gather_options


def test_without_settings_the_defaults_stand():
    assert gather_options(TrainOptions, None, {}) == TrainOptions()


@pytest.mark.parametrize("out", ["runs/one", Path("runs/one")])
def test_a_path_may_be_text(out):
    assert gather_options(TrainOptions, None, {"out": out}).out == Path("runs/one")


def test_settings_win_over_options_and_leave_the_others():
    options = TrainOptions(epochs=3, seed=5, out=Path("a"), augment=("none",))
    assert gather_options(TrainOptions, options, {"epochs": 9}) == TrainOptions(
        epochs=9, seed=5, out=Path("a"), augment=("none",)
    )


def test_a_list_becomes_a_tuple_and_a_whole_number_a_float():
    options = gather_options(TrainOptions, None, {"augment": ["safe", "mixup"], "lr": 1})
    assert options.augment == ("safe", "mixup")
    assert options.lr == 1.0
    assert isinstance(options.lr, float)


def test_an_unknown_name_offers_close_matches():
    with pytest.raises(UsageError, match=r"There is no option 'epoch': did you mean epochs\?"):
        gather_options(TrainOptions, None, {"epoch": 3})


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (
            TrainOptions,
            {"epochs": "3"},
            "option epochs cannot be '3': Expected int | null, got str",
        ),
        (TrainOptions, {"fit": "stretch"}, "option fit cannot be 'stretch': Invalid enum value"),
        (TrainOptions, {"augment": "safe"}, "option augment cannot be 'safe': Expected array"),
        (TrainOptions, {"augment": [1]}, r"option augment cannot be \[1\]: Expected str, got int"),
        (DataOptions, {"preview": 1}, "option preview cannot be 1: Expected bool, got int"),
        (PredictOptions, {"csv": 5}, "option csv cannot be 5: Expected path, got int"),
    ],
)
def test_a_value_of_another_type_is_named(kind, settings, message):
    with pytest.raises(UsageError, match=message.replace(" | ", r" \| ")):
        gather_options(kind, None, settings)


def test_what_was_wrong_in_the_options_is_named_too():
    with pytest.raises(UsageError, match="The option epochs: Expected int"):
        gather_options(TrainOptions, TrainOptions(epochs="many"), {})
