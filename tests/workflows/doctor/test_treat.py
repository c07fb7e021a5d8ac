"""`--treat`: paired retrains on the run's own split, and only what was measured is claimed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

import hubel
from doctored import QUICK, Listen
from hubel.errors import UsageError
from hubel.options import TrainOptions
from hubel.results import Diagnosis, Finding, Prescription, Run, Treatment
from hubel.training.gains import Gain
from hubel.workflows.doctor import pairing
from hubel.workflows.doctor.changing import changed
from hubel.workflows.doctor.looks import Candidate, Looks
from hubel.workflows.doctor.pairing import (
    original_of,
    own_scores,
    picture_scores,
    retrain,
    short_options,
)
from hubel.workflows.doctor.treat import (
    candidates_of,
    own_choice,
    sentence,
    treat,
    try_candidates,
)
from pictures import make_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("made")
    pictures = make_folder(folder / "pictures", each=20)
    return hubel.train(pictures, out=folder / "run", lr=1e-7, **QUICK)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[TrainOptions]:
    """Replace retrains by made-up scores: a rate above 0.01 is right, one below 1e-9 is wrong.

    Hubel's own rate, where none is set, is as good as what the run has.
    """
    asked: list[TrainOptions] = []

    def score(_original: Any, options: TrainOptions) -> pairing.Floats:
        asked.append(options)
        rate = options.lr or 1e-7
        share = 0.9 if rate > 0.01 else 0.1 if rate < 1e-9 else 0.5
        return (np.random.default_rng(options.seed).random(200) < share).astype(np.float64)

    monkeypatch.setattr("hubel.workflows.doctor.looks.retrain", score)
    monkeypatch.setattr("hubel.workflows.doctor.looks.own_scores", lambda _original: None)
    return asked


def diagnosis_of(run: Run, *options: dict[str, str]) -> Diagnosis:
    found = run.diagnosis()
    assert found is not None
    prescriptions = tuple(
        Prescription(cause=f"rate/{number}", what="", options=one)
        for number, one in enumerate(options)
    )
    return replace(found, prescriptions=prescriptions)


def test_a_retrain_is_the_training_that_the_options_ask_for(run: Run, tmp_path: Path) -> None:
    original = original_of(run)
    options = short_options(original, run.plan()["seed"], original.passes)
    states, threads = torch.get_rng_state(), torch.get_num_threads()
    again = retrain(original, options)
    assert torch.equal(torch.get_rng_state(), states)
    assert torch.get_num_threads() == threads
    training = run.training()
    assert training is not None
    assert again.mean() == pytest.approx(training.best_val_score)
    assert original.passes == 2
    other = retrain(original, changed(options, {"--lr": "0.005"}))
    assert other.shape == again.shape
    assert other.mean() != pytest.approx(again.mean())


def test_the_run_itself_is_the_first_training_without_the_change(run: Run) -> None:
    original = original_of(run)
    own = own_scores(original)
    assert own is not None
    assert original.seed == run.plan()["seed"]
    again = retrain(original, short_options(original, original.seed, original.passes))
    np.testing.assert_array_equal(own, again)


def test_an_interrupted_run_is_trained_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    training = run.training()
    assert training is not None
    monkeypatch.setattr(Run, "training", lambda _run: replace(training, ended="interrupted"))
    assert own_scores(original_of(run)) is None


def looks_of(run: Run, passes: int = 8, pairs: int = 3, **changes: Any) -> tuple[Looks, Listen]:
    listen = Listen()
    original = replace(original_of(run), passes=passes)
    looks = Looks(original, seeds=range(5, 5 + pairs), passes=passes, told=listen.said, **changes)
    return looks, listen


def test_a_glance_sets_few_passes_beside_all_without_the_change(
    run: Run, made_up: list[TrainOptions]
) -> None:
    looks, _ = looks_of(run)
    found = looks.glance(Candidate(options={"--lr": "0.1"}))
    assert found is not None
    assert (found.verdict, found.pairs, found.passes, found.passes_without) == ("helped", 3, 2, 8)
    assert (found.lengths, found.level) == ("2 passes, against 8 without it", 0.99)
    asked = {(one.seed, one.lr, one.epochs) for one in made_up}
    assert asked == {(seed, *arm) for seed in (5, 6, 7) for arm in ((1e-7, 8), (0.1, 2))}
    assert len(made_up) == 6


def test_few_passes_are_never_held_against_a_prescription(
    run: Run, made_up: list[TrainOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = Gain(value=-0.5, low=-0.6, high=-0.4)
    monkeypatch.setattr("hubel.workflows.doctor.looks.gain_of", lambda *_, **__: worse)
    looks, _ = looks_of(run)
    glance = looks.glance(Candidate(options={"--lr": "0.1"}))
    whole = looks.whole(Candidate(options={"--lr": "0.1"}))
    assert glance is not None
    assert whole is not None
    assert (glance.verdict, glance.level) == ("no difference seen", 0.99)
    assert (whole.verdict, whole.level, whole.passes) == ("made it worse", 0.96, 8)


def test_a_glance_ends_where_its_first_training_is_no_better(
    run: Run, made_up: list[TrainOptions]
) -> None:
    looks, _ = looks_of(run)
    assert looks.glance(Candidate(options={"--lr": "1e-10"})) is None
    assert [(one.seed, one.epochs) for one in made_up] == [(5, 2), (5, 8)]
    again = looks.glance(Candidate(options={"--lr": "0.1"}))
    assert again is not None
    assert again.level == 0.995  # the first one could have claimed something, too


def test_passes_are_no_prescription_for_a_glance(run: Run, made_up: list[TrainOptions]) -> None:
    looks, _ = looks_of(run)
    assert looks.glance(Candidate(options={"--epochs": "16"})) is None
    longer = looks.whole(Candidate(options={"--epochs": "16"}))
    assert longer is not None
    assert longer.lengths == "16 passes, against 8 without it"
    assert longer.level == 0.96
    made_up.clear()
    looks, _ = looks_of(run, passes=3)
    assert looks.glance(Candidate(options={"--lr": "0.1"})) is None
    assert made_up == []


def test_a_spent_budget_ends_the_looks_after_the_first(
    run: Run, made_up: list[TrainOptions]
) -> None:
    looks, listen = looks_of(run, budget=1e-9)
    first = looks.whole(Candidate(options={"--lr": "1e-8"}))
    assert first is not None
    assert looks.whole(Candidate(options={"--lr": "0.1"})) is None
    assert listen.sentences == ["The budget of 1e-09 s leaves no time to try more."]


def test_a_retrain_leaves_nothing_behind(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(path.name for path in run.path.iterdir())
    retrain(original_of(run), short_options(original_of(run), 3, 1))
    assert list(tmp_path.iterdir()) == []
    assert sorted(path.name for path in run.path.iterdir()) == before


def test_what_helps_is_measured_and_kept(run: Run, made_up: list[TrainOptions]) -> None:
    listen = Listen()
    found = treat(run, diagnosis_of(run, {"--lr": "0.1"}), seed=5, watcher=listen)
    assert found.verdict == "helped"
    assert found.low > 0
    assert found.gain == pytest.approx(np.mean(found.after) - np.mean(found.before))
    assert (found.pairs, found.passes, found.cause, found.level) == (3, 2, "rate/0", 0.96)
    assert [(one.seed, one.lr) for one in made_up] == [
        (5, 0.1), (5, 1e-7), (6, 1e-7), (7, 1e-7), (6, 0.1), (7, 0.1),
    ]  # fmt: skip
    assert all((one.epochs, one.doctor, one.budget) == (2, False, None) for one in made_up)
    assert " --lr 0.1 " in f"{found.command} "
    assert found.command.startswith("hubel train ")
    kept = run.diagnosis()
    assert kept is not None
    assert kept.treatment == found
    assert kept.attempts == (found,)
    assert len(listen.sentences) == 1
    assert "--lr 0.1 helped: 48.5% without, 90.3% with it on validation" in listen.sentences[0]
    assert f"Train with it: {found.command}" in listen.sentences[0]


def test_all_attempts_are_told_and_the_one_that_helps_is_the_last(
    run: Run, made_up: list[TrainOptions]
) -> None:
    listen = Listen()
    wanted = diagnosis_of(run, {"--lr": "1e-8"}, {"--lr": "1e-10"}, {"--lr": "0.1"})
    found = treat(run, wanted, watcher=listen)
    kept = run.diagnosis()
    assert kept is not None
    assert [one.verdict for one in kept.attempts] == [
        "no difference seen", "made it worse", "helped",
    ]  # fmt: skip
    assert found == kept.attempts[2]
    assert [one.level for one in kept.attempts] == [0.96, 0.98, 0.99]
    # The trainings without a change are made once.
    assert len(made_up) == 3 + 3 * 3
    assert len(listen.sentences) == 3


@pytest.fixture
def own_is_right(made_up: list[TrainOptions], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hubel's own rate be right, and every other one wrong."""

    def score(_original: Any, options: TrainOptions) -> pairing.Floats:
        made_up.append(options)
        share = 0.9 if options.lr is None else 0.5
        return (np.random.default_rng(options.seed).random(200) < share).astype(np.float64)

    monkeypatch.setattr("hubel.workflows.doctor.looks.retrain", score)


SHUFFLED = Finding(
    id="labels/shuffled", what="", where=(), evidence="", threshold="", severity="error",
    confidence=0.9, remedy="", source="hubel",
)  # fmt: skip


@pytest.mark.usefixtures("own_is_right")
def test_hubels_own_choice_is_tried_where_no_prescription_helps(run: Run) -> None:
    listen = Listen()
    found = treat(run, diagnosis_of(run, {"--lr": "0.1"}), watcher=listen)
    assert (found.verdict, found.options["--lr"], found.cause) == ("helped", "default", "")
    assert " --lr " not in found.command
    assert " --epochs 2 " in found.command
    kept = run.diagnosis()
    assert kept is not None
    assert [one.options.get("--lr") for one in kept.attempts] == ["0.1", "default"]
    assert [one.level for one in kept.attempts] == [0.96, 0.98]
    assert kept.conclusion == kept.verdict, "the cause is named"
    assert "hubel's own choice of --batch, --lr helped: " in listen.sentences[1]


@pytest.mark.usefixtures("own_is_right")
def test_a_run_without_a_cause_is_set_beside_hubels_own_choice(run: Run) -> None:
    healthy = replace(diagnosis_of(run), causes=())
    found = treat(run, healthy)
    assert (found.verdict, found.options["--lr"]) == ("helped", "default")
    kept = run.diagnosis()
    assert kept is not None
    assert kept.conclusion == (
        "What was set costs accuracy: hubel's own choice of --batch, --lr gained "
        f"{100 * found.gain:.1f} points on validation. No symptom tells why. {healthy.verdict}"
    )
    # A cause that only code or data cures is no matter of options.
    sick = replace(healthy, causes=(SHUFFLED,))
    with pytest.raises(UsageError, match="Nothing in the diagnosis"):
        treat(run, sick)


def test_only_how_it_learns_is_left_to_hubel(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    options = TrainOptions(
        model="resnet18", epochs=3, seed=7, size=64, balance="weights", lr=0.3, l1=1.0, threads=1
    )
    home = "hubel.workflows.doctor.treat.kept_options"
    monkeypatch.setattr(home, lambda *_: ("pictures", options))
    assert own_choice(run) == Candidate(options={"--lr": "default", "--l1": "default"})
    monkeypatch.setattr(home, lambda *_: ("pictures", TrainOptions(epochs=3, seed=7)))
    assert own_choice(run) is None


def test_a_run_that_keeps_no_options_has_no_own_choice(tmp_path: Path) -> None:
    assert own_choice(Run(tmp_path)) is None


def test_no_cure_is_claimed_where_none_was_seen(run: Run, made_up: list[TrainOptions]) -> None:
    found = treat(run, diagnosis_of(run, {"--lr": "1e-8"}, {"--lr": "2e-8"}))
    assert found.verdict == "no difference seen"
    assert found.options == {"--lr": "1e-8"}


def test_a_candidate_that_does_not_fit_is_left_out(run: Run, made_up: list[TrainOptions]) -> None:
    listen = Listen()
    wanted = diagnosis_of(run, {"--lr": "fast"}, {"--lr": "0.1"})
    assert treat(run, wanted, watcher=listen).options == {"--lr": "0.1"}
    assert "--lr fast cannot be applied: --lr cannot be 'fast'" in listen.sentences[0]
    with pytest.raises(UsageError, match="No prescription could be applied to .*cannot be 'fast'"):
        try_candidates(run, [Candidate(options={"--lr": "fast"})])


def test_a_share_and_a_budget_shorten_the_retrains(run: Run, made_up: list[TrainOptions]) -> None:
    candidate = Candidate(options={"--lr": "0.1"})
    (found,) = try_candidates(run, [candidate], share=0.5)
    assert found.passes == 1
    assert found.shortened == (
        "Each retrain has 1 of the run's 2 passes, since a share of 0.5 was asked for."
    )
    (found,) = try_candidates(run, [candidate], budget=1e-3)
    assert found.shortened.endswith("since the budget is 0.001 s.")
    assert {one.epochs for one in made_up} == {1}


def test_more_pairs_are_named_where_a_gain_is_not_ruled_out() -> None:
    seen = Treatment(
        options={"--lr": "0.1"}, pairs=3, before=(0.9, 0.9, 0.9), after=(0.95, 0.99, 1.0),
        gain=0.08, low=-0.01, high=0.17, seconds=9.0, verdict="no difference seen", passes=3,
        passes_without=3,
    )  # fmt: skip
    asks = "A gain is not ruled out; 6 pairs tell more: --pairs 6."
    assert sentence(seen).endswith(asks)
    assert "--pairs" not in sentence(replace(seen, high=0.01)), "no gain is worth them"
    assert "--pairs" not in sentence(replace(seen, shortened="The budget is short."))
    assert "--pairs" not in sentence(replace(seen, verdict="helped"))


def test_nothing_to_try_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.workflows.doctor.treat.own_choice", lambda _run: None)
    with pytest.raises(
        UsageError, match="Nothing in the diagnosis of .* can be treated by options"
    ):
        treat(run, replace(diagnosis_of(run), causes=()))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pairs": 1}, "needs 2 pairs of retrains or more, not 1"),
        ({"share": 0.0}, "share of a run's passes is above 0 and up to 1, not 0"),
        ({"budget": 0.0}, "budget of a treatment is above 0 seconds, not 0"),
    ],
)
def test_numbers_out_of_range_are_refused(changes: dict[str, Any], says: str, run: Run) -> None:
    with pytest.raises(UsageError, match=says):
        treat(run, diagnosis_of(run, {"--lr": "0.1"}), **changes)


def test_a_run_without_validation_cannot_be_treated(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = original_of(run).dataset
    none = replace(dataset, splits=np.zeros_like(dataset.splits))
    monkeypatch.setattr(pairing, "own_dataset", lambda *_: none)
    with pytest.raises(UsageError, match="measured on the validation split, but .* has none"):
        original_of(run)


def test_the_same_options_are_tried_once(run: Run) -> None:
    wanted = diagnosis_of(run, {"--lr": "1"}, {}, {"--lr": "1"}, {"--batch": "8"})
    assert [one.cause for one in candidates_of(wanted)] == ["rate/0", "rate/3"]


def test_scores_of_pictures_average_to_the_score() -> None:
    logits = np.array([[1, 0], [0, 1], [np.nan, 0]], np.float32)
    assert picture_scores("classification", logits, np.array([0, 0, 0])).tolist() == [1, 0, 0]
    labels = np.array([[1, 0], [1, 1], [0, 0]])
    scores = picture_scores("multilabel", np.array([[2, -1], [2, -1], [np.inf, 1]]), labels)
    assert scores.tolist() == [1, 0.5, 0]
    truths = np.array([[1.0], [2.0], [6.0]])
    answers = np.array([[1.0], [3.0], [5.0]])
    wanted = 1 - ((answers - truths) ** 2).sum() / ((truths - truths.mean()) ** 2).sum()
    assert picture_scores("regression", answers, truths).mean() == pytest.approx(wanted)
