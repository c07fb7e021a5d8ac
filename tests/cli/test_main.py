"""The command line: exit statuses, close matches, TOML."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from hubel.cli.main import VERBS, run
from hubel.options import TrainOptions
from hubel.options.train import SECTIONS
from hubel.workflows import train as workflow


def complaint(tokens: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run `tokens`, which must be wrong usage, and return the sentence."""
    status = run(tokens)
    streams = capsys.readouterr()
    assert status == 2, streams.err
    assert streams.out == ""
    assert streams.err.startswith("hubel: ")
    assert "Traceback" not in streams.err
    assert streams.err.count("\n") == 1
    return streams.err


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert "Usage: hubel " + verb in capsys.readouterr().out


def test_help_shows_no_default_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert "[default: 3]" in text
    assert "[default: False]" not in text
    assert "[default: ()]" not in text


def test_the_help_of_train_has_every_option_in_a_section(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["train", "--help"]) == 0
    text = capsys.readouterr().out
    titles = re.findall(r"^╭─ (.+?) ─", text, re.MULTILINE)
    assert titles == list(SECTIONS.values())
    for field in fields(TrainOptions):
        flag = f"--{field.name.replace('_', '-')} "
        assert len(re.findall(rf"^│ {flag}", text, re.MULTILINE)) == 1, flag


@pytest.mark.parametrize(
    ("tokens", "hint"),
    [
        (["train", "digits", "--epoch", "3"], "--epochs"),
        (["train", "digits", "--epochs", "many"], "--epochs"),
        (["train", "digits", "--fit", "cop"], "crop"),
        (["trian", "digits"], "train"),
        (["train", "digits", "more"], "more"),
        (["train", "digits", "--milestones", "0.5", "0.7"], "flag before each value"),
        (["train", "digits", "--config"], "--config requires an argument"),
        (["report"], "--run requires an argument"),
        (["predict", "no-such-run", "x.png"], "There is no run folder 'no-such-run'"),
        (["report", "digits", "--config", "x.toml"], "--config"),
    ],
)
def test_wrong_usage(tokens: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hint in complaint(tokens, capsys)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("epochz = 3\n", "there is no option 'epochz' of train: did you mean epochs?"),
        ("epochs = 'many'\n", "epochs"),
        ("epochs = \n", "is not TOML"),
        ("[train]\nepochs = 3\n", "there is no option 'train' of train"),
    ],
)
def test_wrong_toml(
    text: str, hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(text)
    assert hint in complaint(["train", "digits", "--config", str(config)], capsys)


def test_missing_toml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = complaint(["train", "digits", "--config", str(tmp_path / "no.toml")], capsys)
    assert "Could not read --config" in sentence


def test_flags_win_over_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'source = "digits"\nepochs = 3\nweight_decay = 0.25\naugment = ["mixup", "cutmix"]\n'
        'ema = 0.5\nallow_leaks = true\nfilters = ["gaussian:5"]\n'
    )
    seen: list[tuple[object, TrainOptions]] = []

    class Stop(Exception):
        pass

    def train(source: object, *, options: TrainOptions, **_rest: object) -> None:
        seen.append((source, options))
        raise Stop

    monkeypatch.setattr(workflow, "train", train)
    with pytest.raises(Stop):
        run(["train", "--config", str(config), "--epochs", "7"])
    source, options = seen[0]
    assert source == "digits"
    assert options.epochs == 7
    assert options.weight_decay == 0.25
    assert options.augment == ("mixup", "cutmix")
    assert options.filters == ("gaussian:5",)
    assert options.ema == 0.5
    assert options.allow_leaks
