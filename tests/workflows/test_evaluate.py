import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from scipy.special import expit, softmax

from hubel.data.integrity import inspect_source
from hubel.data.opening import open_source
from hubel.data.source import Index, Source
from hubel.errors import RunError, UsageError
from hubel.options import EvaluateOptions
from hubel.results import Calibrated, Plan
from hubel.results.files import read_json, to_json, write_json
from hubel.training.calibration import fit_temperature, unknown_threshold
from hubel.training.checkpoint import save_tensors
from hubel.workflows.evaluate import evaluate, evaluate_dataset


def rows_of(run):
    with run.predictions_file.open(newline="") as file:
        return list(csv.DictReader(file))


def manifest_of(run, split):
    with run.manifest_file.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def truth_and_logits(made, split):
    rows = manifest_of(made.run, split)
    classes = made.run.card().classes
    truth = np.array([classes.index(row["label"]) for row in rows])
    return truth, made.logits([made.source / row["key"] for row in rows])


def test_own_test_split_is_measured(classifier):
    evaluation = evaluate(classifier.run, trust_code=True)
    truth, logits = truth_and_logits(classifier, "test")
    assert (evaluation.split, evaluation.pictures) == ("test", len(truth))
    assert evaluation.task == "classification"
    accuracy = (logits.argmax(1) == truth).mean()
    assert 0.5 < accuracy < 1
    assert evaluation.test["accuracy"].value == accuracy
    expected = -np.log(softmax(logits.astype(float), 1))[np.arange(len(truth)), truth]
    assert evaluation.test["loss"].value == pytest.approx(expected.mean(), rel=1e-5)
    assert np.sum(evaluation.confusion) == len(truth)
    assert [row.support for row in evaluation.per_class] == np.bincount(truth).tolist()
    assert evaluation.worst[0].loss == pytest.approx(expected.max(), rel=1e-5)
    assert [one.loss for one in evaluation.worst] == sorted(
        (one.loss for one in evaluation.worst), reverse=True
    )
    assert Path(evaluation.worst[0].path).is_file()
    assert evaluation.worst[0].thumbnail
    assert evaluation.seen_in_training == 0
    assert evaluation.provenance.seed == 3
    assert evaluation.seconds > 0


def test_calibration_is_fitted_on_validation_and_kept(classifier):
    evaluation = evaluate(classifier.run, trust_code=True, unknown_error=0.5)
    truth, logits = truth_and_logits(classifier, "val")
    stored = read_json(classifier.run.calibration_file, Calibrated)
    temperature = fit_temperature("classification", logits, truth)
    assert stored.temperature == pytest.approx(temperature, rel=1e-5)
    believed = softmax(logits.astype(float) / temperature, axis=1).max(1)
    threshold = unknown_threshold(believed, logits.argmax(1) == truth, 0.5)
    assert stored.unknown_threshold == pytest.approx(threshold, rel=1e-5)
    assert threshold < 1
    assert (stored.fitted_on, stored.pictures, stored.wanted_error) == ("val", len(truth), 0.5)
    assert evaluation.calibration.temperature == stored.temperature
    assert evaluation.calibration.fitted_on == "val"
    test_truth, test_logits = truth_and_logits(classifier, "test")
    confidence = softmax(test_logits.astype(float) / temperature, axis=1).max(1)
    answered = confidence >= threshold * (1 - 1e-9)
    assert evaluation.unknown.answered_share == pytest.approx(answered.mean())
    wrong = (test_logits.argmax(1) != test_truth)[answered].mean()
    assert evaluation.unknown.error_among_answered == pytest.approx(wrong)
    assert evaluation.test["ece"].value == evaluation.calibration.ece_after
    # A rate that was fitted once is the default of the next evaluation.
    assert evaluate(classifier.run, trust_code=True).unknown.wanted_error == 0.5


def test_files_of_the_run_say_the_same(classifier):
    evaluation = evaluate(str(classifier.run.path), trust_code=True)
    assert to_json(classifier.run.evaluation()) == to_json(evaluation)
    rows = rows_of(classifier.run)
    manifest = manifest_of(classifier.run, "test")
    assert [row["key"] for row in rows] == [row["key"] for row in manifest]
    assert [row["truth"] for row in rows] == [row["label"] for row in manifest]
    assert {row["split"] for row in rows} == {"test"}
    right = np.mean([row["truth"] == row["answer"] for row in rows])
    assert right == evaluation.test["accuracy"].value
    first = rows[0]
    shares = {name: float(first[f"p:{name}"]) for name in evaluation.classes}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    assert first["answer"] == max(shares, key=shares.get)
    assert float(first["probability"]) == max(shares.values())
    assert Path(first["path"]) == classifier.source / first["key"]
    losses = [float(row["loss"]) for row in rows]
    assert np.mean(losses) == pytest.approx(evaluation.test["loss"].value, rel=1e-4)
    unknown = [row["unknown"] == "true" for row in rows]
    assert 1 - np.mean(unknown) == pytest.approx(evaluation.unknown.answered_share)


@pytest.mark.parametrize(("split", "share"), [("val", 0.15), ("train", 0.7), ("all", 1.0)])
def test_every_split_can_be_measured(classifier, split, share):
    evaluation = evaluate(classifier.run, trust_code=True, split=split)
    assert evaluation.split == split
    assert evaluation.pictures == pytest.approx(120 * share, abs=3)
    calibrated = classifier.run.calibrated()
    evaluate(classifier.run, trust_code=True)
    again = classifier.run.calibrated()
    assert again.temperature == pytest.approx(calibrated.temperature, rel=1e-6)
    assert again.pictures == calibrated.pictures == len(manifest_of(classifier.run, "val"))
    seen = len(manifest_of(classifier.run, "train")) if split != "val" else 0
    assert evaluation.seen_in_training == seen


def test_neither_batch_nor_threads_change_the_answers(classifier):
    first = evaluate(classifier.run, trust_code=True)
    second = evaluate(classifier.run, trust_code=True, batch=5, threads=1)
    for name, metric in first.test.items():
        assert second.test[name].value == pytest.approx(metric.value, rel=1e-5)


def test_progress_is_told(classifier):
    scanned, done = [], []
    evaluate(
        classifier.run, trust_code=True, batch=10,
        scanning=lambda *at: scanned.append(at), progress=lambda *at: done.append(at),
    )  # fmt: skip
    assert scanned[-1] == (120, 120)
    assert (2, 2) in done


def test_after_training_the_open_dataset_serves(classifier):
    dataset = inspect_source(open_source(classifier.source), seed=3)
    found = evaluate_dataset(classifier.run, dataset, EvaluateOptions(worst=2))
    assert len(found.worst) == 2
    assert found.test == evaluate(classifier.run, trust_code=True).test


def test_changed_pictures_are_refused(classifier):
    gone = sorted((classifier.source / "top").iterdir())[0]
    content = gone.read_bytes()
    gone.unlink()
    with pytest.raises(RunError, match=rf"have changed since .*: 1 picture removed: .*{gone.name}"):
        evaluate(classifier.run, trust_code=True)
    with pytest.raises(RunError, match="have changed since"):
        evaluate(classifier.run, classifier.source, trust_code=True)
    assert not classifier.run.stage_file("evaluate").exists()
    gone.write_bytes(content)
    evaluate(classifier.run, trust_code=True)


def test_own_pictures_are_known_by_another_way_to_them(classifier, monkeypatch):
    monkeypatch.chdir(classifier.source.parent)
    evaluation = evaluate(classifier.run, "own", trust_code=True)
    assert evaluation.split == "test"
    assert classifier.run.calibration_file.is_file()


def test_another_source_is_matched_by_name_and_calibrates_nothing(classifier, builders, tmp_path):
    evaluate(classifier.run, trust_code=True)
    before = classifier.run.calibration_file.read_bytes()
    other = builders.write_folder(tmp_path / "other", 10, 9, ("top", "bottom"))
    evaluation = evaluate(classifier.run, other, trust_code=True)
    assert classifier.run.calibration_file.read_bytes() == before
    assert (evaluation.split, evaluation.pictures) == ("all", 20)
    assert evaluation.calibration.fitted_on == "val"
    assert [row.support for row in evaluation.per_class] == [10, 0, 10]
    assert math.isnan(evaluation.per_class[1].recall)
    paths = [other / row["key"] for row in rows_of(classifier.run)]
    truth = np.array([evaluation.classes.index(path.parent.name) for path in paths])
    accuracy = (classifier.logits(paths).argmax(1) == truth).mean()
    assert evaluation.test["accuracy"].value == accuracy
    assert {row["split"] for row in rows_of(classifier.run)} == {""}


def test_another_source_without_calibration_claims_nothing(classifier, builders, tmp_path):
    other = builders.write_folder(tmp_path / "other", 10, 9)
    evaluation = evaluate(classifier.run, other, trust_code=True)
    assert (evaluation.calibration.temperature, evaluation.calibration.fitted_on) == (1.0, "")
    assert evaluation.unknown is None
    assert not classifier.run.calibration_file.exists()


def test_pictures_seen_in_training_are_counted(classifier, builders, tmp_path):
    other = builders.write_folder(tmp_path / "other", 10, 9)
    trained_on = [row["key"] for row in manifest_of(classifier.run, "train")][:4]
    for number, key in enumerate(trained_on):
        Image.open(classifier.source / key).save(other / "top" / f"copy{number}.png")
    assert evaluate(classifier.run, other, trust_code=True).seen_in_training == 4


def test_another_source_with_splits_has_them(classifier, builders, tmp_path):
    for split, count in (("train", 12), ("test", 5)):
        builders.write_folder(tmp_path / "other" / split, count, count)
    evaluation = evaluate(classifier.run, tmp_path / "other", trust_code=True)
    assert (evaluation.split, evaluation.pictures) == ("test", 15)
    assert {row["split"] for row in rows_of(classifier.run)} == {"test"}


def test_unknown_classes_are_refused(classifier, builders, tmp_path):
    other = builders.write_folder(tmp_path / "other", 4, 9)
    (other / "top").rename(other / "tops")
    with pytest.raises(UsageError, match=r"classes that the network does not know: tops; did you"):
        evaluate(classifier.run, other, trust_code=True)


def test_pictures_without_labels_are_for_predict(classifier, builders, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(flat / "a.png")
    with pytest.raises(UsageError, match=r"has no labels to compare answers with; .* predict RUN"):
        evaluate(classifier.run, flat, trust_code=True)


def test_labels_of_another_task_are_refused(classifier, builders, tmp_path):
    table = builders.write_table(tmp_path / "other", 10, "target")
    with pytest.raises(UsageError, match=r"answers with one class a picture, but .* holds numbers"):
        evaluate(classifier.run, table, trust_code=True)


def test_a_split_without_pictures_is_said(classifier):
    dataset = inspect_source(open_source(classifier.source), seed=3)
    trained = dataclasses.replace(dataset, splits=np.where(dataset.splits == 2, 0, dataset.splits))
    match = r"The test split of .*own holds no picture .* splits with pictures: train, val\."
    with pytest.raises(UsageError, match=match):
        evaluate_dataset(classifier.run, trained)


def test_a_rate_that_was_not_fitted_is_refused_elsewhere(classifier, builders, tmp_path):
    other = builders.write_folder(tmp_path / "other", 10, 9)
    match = "--unknown-error 0.2 does not fit another source"
    with pytest.raises(UsageError, match=match):
        evaluate(classifier.run, other, trust_code=True, unknown_error=0.2)
    evaluate(classifier.run, trust_code=True, unknown_error=0.2)
    evaluation = evaluate(classifier.run, other, trust_code=True, unknown_error=0.2)
    assert evaluation.unknown.wanted_error == 0.2
    with pytest.raises(UsageError, match=r"was fitted to 0\.2 on its own"):
        evaluate(classifier.run, other, trust_code=True, unknown_error=0.3)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"unknown_error": 0.0}, "--unknown-error is a rate between 0 and 1, not 0.0"),
        ({"unknown_error": 1.0}, "--unknown-error is a rate"),
        ({"worst": -1}, "--worst takes a number 0 or more, not -1"),
        ({"batch": 0}, "--batch takes a number 1 or more, not 0"),
        ({"threads": 0}, "--threads takes a number 1 or more, not 0"),
    ],
)
def test_numbers_outside_their_range_are_refused(tmp_path, options, match):
    with pytest.raises(UsageError, match=match):
        evaluate(tmp_path, **options)


def test_a_missing_run_is_said(tmp_path):
    with pytest.raises(UsageError, match="There is no run folder"):
        evaluate(tmp_path / "none")


def test_undecodable_pictures_are_named(builders, tmp_path):
    source = builders.write_folder(tmp_path / "own", 12, 0)
    (source / "top" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
    made = builders.make_run(tmp_path / "run", source, "classification")
    evaluation = evaluate(made.run, trust_code=True, split="all")
    assert evaluation.pictures == 36
    assert len(evaluation.undecodable) == 1
    assert "broken.png" in evaluation.undecodable[0]


def test_a_network_that_went_astray_is_said(classifier):
    weights = safetensors.torch.load_file(classifier.run.weights_file)
    weights["model.1.weight"][:] = torch.nan
    save_tensors(classifier.run.weights_file, weights)
    with pytest.raises(RunError, match=r"no finite number for \d+ of \d+ pictures \(the first is"):
        evaluate(classifier.run, trust_code=True)


def test_a_plan_without_its_seed_is_damaged(classifier):
    choices = tuple(one for one in classifier.run.plan().choices if one.name != "seed")
    write_json(classifier.run.plan_file, Plan(choices=choices))
    with pytest.raises(RunError, match="it does not say 'seed'"):
        evaluate(classifier.run, trust_code=True)


class InMemory(Source):
    """Pictures of one's own, in arrays."""

    def __init__(self, builders):
        generator = np.random.default_rng(0)
        kinds = np.arange(60) % 3
        self.name = "mine"
        self.pictures = [builders.picture(generator, kind) for kind in kinds]
        self.index = Index(
            task="classification",
            classes=builders.classes,
            keys=[f"{number}" for number in range(60)],
            labels=kinds.astype(np.int64),
            splits=np.where(np.arange(60) < 40, 0, 2).astype(np.int8),
        )

    def read(self, position):
        return self.pictures[position]


def test_a_source_of_ones_own_serves(builders, tmp_path):
    source = InMemory(builders)
    made = builders.make_run(tmp_path / "run", source, "classification")
    evaluation = evaluate(made.run, source, trust_code=True)
    assert (evaluation.source, evaluation.split, evaluation.pictures) == ("mine", "test", 20)
    assert {mistake.path for mistake in evaluation.worst} == {""}
    assert {row["path"] for row in rows_of(made.run)} == {""}
    assert made.run.calibrated().fitted_on == "val"


def test_without_validation_nothing_is_fitted(classifier):
    dataset = inspect_source(open_source(classifier.source), seed=3)
    unvalidated = dataclasses.replace(
        dataset, splits=np.where(dataset.splits == 1, 0, dataset.splits)
    )
    evaluation = evaluate_dataset(classifier.run, unvalidated)
    assert (evaluation.calibration.temperature, evaluation.calibration.fitted_on) == (1.0, "")
    assert evaluation.unknown is None
    assert classifier.run.calibrated().unknown_threshold == 0.0
    with pytest.raises(UsageError, match=r"is fitted on a validation split, but .* has none"):
        evaluate_dataset(classifier.run, unvalidated, EvaluateOptions(unknown_error=0.1))


def test_several_labels_are_measured(labeller):
    evaluation = evaluate(labeller.run, trust_code=True)
    assert set(evaluation.test) == {"map", "micro_f1", "macro_f1", "exact_match", "loss"}
    stored = labeller.run.calibrated()
    assert tuple(row.threshold for row in evaluation.per_class) == stored.label_thresholds
    assert stored.temperature != 1.0
    assert evaluation.unknown is None
    assert evaluation.confusion == ()
    rows = rows_of(labeller.run)
    logits = labeller.logits([labeller.source.parent / row["key"] for row in rows])
    believed = expit(logits.astype(float) / stored.temperature)
    said = believed >= np.array(stored.label_thresholds)
    expected = [
        ";".join(name for name, here in zip(evaluation.classes, row, strict=True) if here)
        for row in said
    ]
    assert [row["answer"] for row in rows] == expected
    exact = np.mean([row["answer"] == row["truth"] for row in rows])
    assert evaluation.test["exact_match"].value == exact
    assert [row["unknown"] for row in rows] == [str(not row.any()).lower() for row in said]
    assert sum(one.count for one in evaluation.calibration.bins_after) == 3 * len(rows)
    with pytest.raises(UsageError, match="needs a network that answers with one class a picture"):
        evaluate(labeller.run, trust_code=True, unknown_error=0.1)


def test_pictures_of_one_class_serve_a_network_of_several_labels(labeller, builders, tmp_path):
    other = builders.write_folder(tmp_path / "other", 6, 9, ("top", "middle"))
    evaluation = evaluate(labeller.run, other, trust_code=True)
    supports = {row.name: row.support for row in evaluation.per_class}
    assert supports == {"bottom": 0, "middle": 6, "top": 6}


def test_numbers_are_measured(regressor):
    evaluation = evaluate(regressor.run, trust_code=True)
    assert set(evaluation.test) == {"mae", "rmse", "r2", "loss"}
    # The network answers with the mean brightness plus 3.
    assert evaluation.test["mae"].value == pytest.approx(3, abs=1e-3)
    assert evaluation.test["loss"].value == pytest.approx(9, abs=1e-2)
    assert evaluation.calibration is None
    assert evaluation.per_class == ()
    (residuals,) = evaluation.residuals
    assert residuals.name == "target"
    assert np.subtract(residuals.prediction, residuals.truth) == pytest.approx(3, abs=1e-3)
    row = rows_of(regressor.run)[0]
    assert float(row["predicted:target"]) == pytest.approx(float(row["truth"]) + 3, abs=1e-3)
    assert (row["probability"], row["unknown"]) == ("", "false")


def test_numbers_need_their_own_columns(regressor, builders, tmp_path):
    table = builders.write_table(tmp_path / "other", 10, "target")
    source = open_source(table)
    source.index = Index(
        task="regression", classes=("mass",), keys=source.index.keys,
        labels=source.index.labels, splits=source.index.splits,
    )  # fmt: skip
    with pytest.raises(UsageError, match="targets that the network does not know: mass"):
        evaluate(regressor.run, source, trust_code=True)
