import csv
import io
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from hubel.data.decoding import decode
from hubel.errors import RunError, UsageError
from hubel.results.files import to_json, write_json
from hubel.training.checkpoint import save_tensors
from hubel.workflows.evaluate import evaluate
from hubel.workflows.gathering import encode
from hubel.workflows.predict import predict


def said(made, pictures, **options):
    return list(predict(made.run, pictures, trust_code=True, **options))


def test_answers_are_those_of_the_evaluation(classifier):
    evaluate(classifier.run, trust_code=True, unknown_error=0.5)
    with classifier.run.predictions_file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    predictions = said(classifier, [row["path"] for row in rows], batch=5)
    assert [one.path for one in predictions] == [row["path"] for row in rows]
    assert [one.label for one in predictions] == [row["answer"] for row in rows]
    assert [one.unknown for one in predictions] == [row["unknown"] == "true" for row in rows]
    for prediction, row in zip(predictions, rows, strict=True):
        assert prediction.probability == pytest.approx(float(row["probability"]), rel=1e-5)
        assert prediction.top[0] == (prediction.label, prediction.probability)
        shares = [share for _, share in prediction.top]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1)
    assert {one.unknown for one in predictions} == {True, False}


def test_without_calibration_all_is_answered_with_plain_softmax(classifier):
    path = next((classifier.source / "top").iterdir())
    (prediction,) = said(classifier, path)
    (logits,) = classifier.logits([path])
    expected = np.exp(logits - logits.max())
    assert prediction.probability == pytest.approx(expected.max() / expected.sum(), rel=1e-5)
    assert not prediction.unknown


def test_bad_pictures_are_named_in_their_place(classifier, tmp_path):
    good = sorted((classifier.source / "top").iterdir())[:4]
    text, empty = tmp_path / "text.jpg", tmp_path / "empty.png"
    text.write_text("not a picture")
    empty.write_bytes(b"")
    pictures = [text, good[0], good[1], empty, good[2]]
    for batch in (1, 2, 64):
        predictions = said(classifier, pictures, batch=batch)
        assert [one.path for one in predictions] == [str(path) for path in pictures]
        assert [bool(one.error) for one in predictions] == [True, False, False, True, False]
        assert predictions[3].error == "the file is empty (0 bytes)"
        assert (predictions[0].label, predictions[0].top) == ("", ())
        assert predictions[0].unknown
        assert math.isnan(predictions[0].probability)
        alone = said(classifier, good[2])[0]
        assert predictions[4].label == alone.label
        assert predictions[4].probability == pytest.approx(alone.probability, rel=1e-6)


def test_all_pictures_bad_are_no_crash(classifier):
    predictions = said(classifier, [b"", b"text"])
    assert [one.path for one in predictions] == ["[0]", "[1]"]
    assert all(one.error for one in predictions)


def test_folders_and_patterns_are_opened(classifier):
    folder = said(classifier, classifier.source / "top")
    assert len(folder) == 40
    pattern = said(classifier, str(classifier.source / "top" / "*.png"))
    assert [one.path for one in pattern] == [one.path for one in folder]
    both = said(classifier, [str(classifier.source / "top"), str(classifier.source / "top")])
    assert len(both) == 40


def test_paths_on_standard_input_are_read(classifier, monkeypatch):
    paths = sorted((classifier.source / "top").iterdir())[:3]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(map(str, paths))))
    assert [one.path for one in said(classifier, "-")] == [str(path) for path in paths]


def test_every_form_of_a_picture_gives_the_same_answer(classifier):
    path = next((classifier.source / "middle").iterdir())
    array = np.asarray(Image.open(path))
    forms = [path, str(path), path.read_bytes(), array, array[..., None], Image.open(path)]
    predictions = said(classifier, forms)
    assert [one.path for one in predictions] == [str(path)] * 2 + [f"[{n}]" for n in (2, 3, 4, 5)]
    assert len({one.label for one in predictions}) == 1
    for prediction in predictions:
        assert prediction.probability == pytest.approx(predictions[0].probability, rel=1e-6)
    alone = said(classifier, path)[0].top
    for form in forms[2:]:
        assert said(classifier, form)[0].top == alone
    assert len(said(classifier, np.stack([array[..., None]] * 3))) == 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "F"])
def test_images_of_every_mode_are_brought_to_pixels_as_files_are(mode):
    generator = np.random.default_rng(0)
    colour = Image.fromarray(generator.integers(0, 256, (9, 7, 4), dtype=np.uint8), "RGBA")
    image = colour.convert("RGB").convert(mode) if mode != "RGBA" else colour
    pixels = decode(encode(image))
    assert pixels.shape[:2] == (9, 7)
    expected = Image.new("RGBA", (7, 9), "white")
    if mode in ("LA", "RGBA"):
        image = Image.alpha_composite(expected, image.convert("RGBA"))
    if mode == "F":
        image = image.convert("L")
    rgb = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(rgb - pixels).max() <= 2


def test_exif_orientation_of_images_is_applied():
    stored = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    stored.save(buffer, "PNG", exif=exif)
    opened = Image.open(io.BytesIO(buffer.getvalue()))
    pixels = decode(encode(opened))
    assert pixels[..., 0].tolist() == np.rot90(np.asarray(stored), -1).tolist()
    assert (pixels == decode(buffer.getvalue())).all()


def test_an_endless_stream_is_answered_as_it_comes(classifier):
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield np.full((8, 8), number % 256, np.uint8)

    predictions = predict(classifier.run, endless(), trust_code=True, batch=4)
    assert taken == []
    first = next(predictions)
    assert first.path == "[0]"
    assert len(taken) <= 12
    for _ in range(100):
        next(predictions)
    assert len(taken) <= 112
    predictions.close()
    before = len(taken)
    assert next(predictions, None) is None
    assert len(taken) == before


def test_lists_are_checked_before_any_work(classifier):
    path = next((classifier.source / "top").iterdir())
    with pytest.raises(UsageError, match=r"There is no picture .*gone.png"):
        predict(classifier.run, [path, classifier.source / "gone.png"], trust_code=True)
    with pytest.raises(UsageError, match=r"takes paths, patterns, bytes, arrays .* not int"):
        predict(classifier.run, [path, 5], trust_code=True)
    with pytest.raises(UsageError, match="not float"):
        list(predict(classifier.run, (value for value in [0.5]), trust_code=True))


@pytest.mark.parametrize("name", ["top", "batch", "threads"])
def test_numbers_outside_their_range_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match=f"--{name} takes a number 1 or more, not 0"):
        predict(tmp_path, [], **{name: 0})


def test_a_missing_run_is_said(tmp_path):
    with pytest.raises(UsageError, match="There is no run folder"):
        predict(tmp_path / "none", [])


def test_code_needs_trust(classifier):
    with pytest.raises(UsageError, match="--trust-code"):
        predict(classifier.run, classifier.source)


def test_top_is_as_long_as_asked_for(classifier):
    assert len(said(classifier, classifier.source / "top", top=2)[0].top) == 2
    assert len(said(classifier, classifier.source / "top", top=9)[0].top) == 3


def test_threads_do_not_change_the_answers(classifier):
    one = said(classifier, classifier.source, threads=1, batch=16)
    four = said(classifier, classifier.source, threads=4, batch=16)
    assert list(map(to_json, one)) == list(map(to_json, four))


def test_threads_of_arithmetic_are_restored_between_answers(classifier):
    before = torch.get_num_threads()
    for _ in predict(classifier.run, classifier.source / "top", threads=before + 1, batch=10,
                     trust_code=True):  # fmt: skip
        assert torch.get_num_threads() == before


def test_mirrored_runs_average_both_images(classifier):
    path = next((classifier.source / "top").iterdir())
    write_json(classifier.run.model_file, replace(classifier.run.card(), mirror_tta=True))
    weights = safetensors.torch.load_file(classifier.run.weights_file)
    left = torch.zeros(3, 8, 8)
    left[0, :, :4] = 1.0  # a network that knows left from right
    weights["model.1.weight"] = left.flatten(1)
    save_tensors(classifier.run.weights_file, weights)
    pixels = torch.from_numpy(np.asarray(Image.open(path)).copy()) / 255
    logits = torch.stack([left.flatten(1) @ one.flatten() for one in (pixels, pixels.flip(1))])
    expected = logits.mean(0).softmax(0).max().item()
    assert said(classifier, path)[0].probability == pytest.approx(expected, rel=1e-5)


def test_answers_that_are_no_numbers_are_said(classifier):
    weights = safetensors.torch.load_file(classifier.run.weights_file)
    weights["model.1.bias"][:] = torch.nan
    save_tensors(classifier.run.weights_file, weights)
    prediction = said(classifier, classifier.source / "top")[0]
    assert prediction.error == "the network gives no finite number for it"
    assert prediction.unknown


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_csv_holds_every_answer(classifier, tmp_path):
    out = tmp_path / "answers.csv"
    pictures = [classifier.source / "top", b""]
    predictions = said(classifier, pictures, csv=out, top=2)
    header, *rows = rows_of(out)
    assert header == [
        "path", "label", "probability", "unknown", "error",
        "top_1", "probability_1", "top_2", "probability_2",
    ]  # fmt: skip
    assert len(rows) == len(predictions) == 41
    first, last = predictions[0], rows[-1]
    (_, second) = first.top
    assert rows[0] == [
        first.path, first.label, f"{first.probability:.6g}", "false", "",
        first.label, f"{first.probability:.6g}", second[0], f"{second[1]:.6g}",
    ]  # fmt: skip
    assert last == ["[1]", "", "", "true", "the file is empty (0 bytes)", "", "", "", ""]


def test_csv_appears_only_when_all_is_written(classifier, tmp_path):
    out = tmp_path / "answers.csv"
    out.write_text("old")
    predictions = predict(classifier.run, classifier.source, trust_code=True, csv=out)
    next(predictions)
    predictions.close()
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if "answers" in path.name] == ["answers.csv"]


def test_csv_needs_a_folder(classifier, tmp_path):
    with pytest.raises(UsageError, match=r"There is no folder .*nowhere.* for --csv"):
        said(classifier, classifier.source, csv=tmp_path / "nowhere" / "a.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RunError, match=r"Could not write .*folder.csv"):
        said(classifier, classifier.source, csv=tmp_path / "folder.csv")


def test_several_labels_are_predicted(labeller, tmp_path):
    evaluate(labeller.run, trust_code=True)
    with labeller.run.predictions_file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    predictions = said(labeller, [row["path"] for row in rows])
    assert [one.label for one in predictions] == [row["answer"] for row in rows]
    assert any(";" in one.label for one in predictions)
    (dark,) = said(labeller, np.zeros((8, 8), np.uint8))
    assert (dark.label, dark.unknown) == ("", True)
    assert dark.probability == dark.top[0][1] > 0


def test_numbers_are_predicted(regressor, tmp_path):
    grey = np.full((8, 8), 40, np.uint8)
    (prediction, bad) = said(regressor, [grey, b""], csv=tmp_path / "a.csv")
    assert float(prediction.label) == pytest.approx(43, abs=1e-3)
    ((name, value),) = prediction.top
    assert (name, value) == ("target", pytest.approx(43, abs=1e-3))
    assert math.isnan(prediction.probability)
    assert not prediction.unknown
    assert b'"probability":null' in to_json(prediction, indent=0)
    header, first, last = rows_of(tmp_path / "a.csv")
    assert header == ["path", "error", "target"]
    assert first == ["[0]", "", f"{value:.6g}"]
    assert last == ["[1]", bad.error, ""]
