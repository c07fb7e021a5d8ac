"""Files of a run that were changed: refused, whether by accident, by hand or by design."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import hubel
from hubel.data.manifest import read_manifest
from hubel.errors import HubelError, RunError
from hubel.results import Plan, ResidualSummary, Run
from hubel.results.files import write_json
from hubel.training.checkpoint import Checkpoint, load, load_tensors, save, save_tensors
from hubel.training.settings import settings_of
from hubel.workflows.report import write_report
from pictures import make_folder

SETTINGS: dict[str, Any] = {
    "epochs": 1, "batch": 8, "size": 16, "threads": 1, "precision": "float32",
    "channels_last": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("all")
    pictures = make_folder(folder / "pictures", each=6)
    return hubel.train(pictures, out=folder / "run", **SETTINGS)


@pytest.fixture
def run(finished: Run, tmp_path: Path) -> Run:
    shutil.copytree(finished.path, tmp_path / "run")
    return Run(tmp_path / "run")


def predict(run: Run) -> list[Any]:
    picture = next((Path(run.plan()["source"]) / "china").iterdir())
    return list(hubel.predict(run, picture))


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("plan", hubel.evaluate),
        ("model", predict),
        ("calibration", predict),
        ("train", predict),
        ("data", write_report),
        ("check", lambda run: hubel.train(resume=run.path, epochs=2)),
        ("evaluate", write_report),
    ],
)
def test_an_edited_json_file_is_refused(name: str, use: Callable[[Run], object], run: Run) -> None:
    path = run.stage_file(name)
    text = path.read_text()
    at = next(place for place in range(len(text) // 2, 0, -1) if text[place] in "12345678")
    path.write_text(text[:at] + str(int(text[at]) + 1) + text[at + 1 :])
    with pytest.raises(RunError, match=rf"{name}\.json is damaged or was edited: it .* sha256"):
        use(run)


def test_spaces_and_line_ends_are_no_edit(run: Run) -> None:
    values = json.loads(run.model_file.read_text())
    run.model_file.write_text(json.dumps(values, indent=7).replace("\n", "\r\n"))
    assert predict(run)[0].error == ""


def test_json_without_its_digest_is_refused(run: Run) -> None:
    values = json.loads(run.model_file.read_text())
    del values["sha256"]
    run.model_file.write_text(json.dumps(values))
    with pytest.raises(RunError, match="it has no sha256"):
        predict(run)


def test_a_changed_weight_is_refused(run: Run) -> None:
    data = bytearray(run.weights_file.read_bytes())
    data[-1] ^= 1
    run.weights_file.write_bytes(data)
    for use in (predict, hubel.evaluate):
        with pytest.raises(RunError, match=r"its digest does not fit its content\. Restore it"):
            use(run)


def test_weights_of_another_training_are_refused(run: Run) -> None:
    tensors = load_tensors(run.weights_file)
    save_tensors(run.weights_file, {name: tensor * 2 for name, tensor in tensors.items()})
    with pytest.raises(RunError, match=r"is not what the training in .*train\.json ended with"):
        predict(run)


def test_a_manifest_that_was_edited_does_not_fit_the_pictures(run: Run) -> None:
    text = run.manifest_file.read_text()
    digest = next(iter(read_manifest(run.manifest_file).values())).sha256
    run.manifest_file.write_text(text.replace(digest, "0" * 64))
    with pytest.raises(RunError, match="1 picture changed"):
        hubel.evaluate(run)


def test_a_copy_with_only_what_predict_needs(run: Run) -> None:
    before = predict(run)
    for path in run.path.iterdir():
        if path.name not in ("model.json", "model.safetensors", "plan.json", "calibration.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert predict(run) == before


def test_options_are_the_users_own_file(run: Run) -> None:
    run.options_file.write_text("# a remark of mine\n" + run.options_file.read_text())
    assert predict(run)[0].error == ""
    assert hubel.train(resume=run.path, epochs=2).training() is not None


@pytest.mark.parametrize("change", [{"classes": ()}, {"input_shape": (0, 16, 16)}])
def test_a_sealed_card_of_no_network(change: dict[str, Any], run: Run) -> None:
    write_json(run.model_file, replace(run.card(), **change))
    with pytest.raises(
        RunError, match=r"model\.json is damaged or was edited: there is no network"
    ):
        predict(run)


def test_a_sealed_plan_whose_revisions_are_no_list(run: Run) -> None:
    choices = tuple(
        replace(choice, value=7) if choice.name == "revisions" else choice
        for choice in run.plan().choices
    )
    write_json(run.plan_file, Plan(choices=choices))
    assert write_report(run).is_file()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"confusion": ((1, 0), (1, 0), (0, 0))}, "confusion matrix"),
        ({"confusion": ((1,), (1,))}, "confusion matrix"),
        (
            {"residuals": (ResidualSummary(name="x", truth=(1.0,), prediction=()),)},
            "residuals",
        ),
    ],
)
def test_a_sealed_evaluation_whose_tables_do_not_fit(
    changes: dict[str, Any], what: str, run: Run
) -> None:
    evaluation = run.evaluation()
    assert evaluation is not None
    write_json(run.stage_file("evaluate"), replace(evaluation, **changes))
    with pytest.raises(RunError, match=rf"evaluate\.json is damaged .* its {what}"):
        write_report(run)


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


HOSTILE = {
    "nothing": b"",
    "seven bytes": b"\0" * 7,
    "a header of exabytes": struct.pack("<Q", 1 << 62) + b"{}",
    "a header longer than the file": safetensors({}, length=1 << 20),
    "no JSON": safetensors(b"\xff" * 16),
    "deep nesting": safetensors(b"[" * 100_000),
    "a shape of petabytes": safetensors(
        {"w": {"dtype": "F32", "shape": [1 << 20, 1 << 30], "data_offsets": [0, 4]}}, b"\0" * 4
    ),
    "a shape that overflows": safetensors(
        {"w": {"dtype": "F32", "shape": [1 << 33, 1 << 33], "data_offsets": [0, 4]}}, b"\0" * 4
    ),
    "negative offsets": safetensors(
        {"w": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, b"\0" * 4
    ),
    "tensors that overlap": safetensors(
        {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"}, b"\0" * 4
    ),
    "another type": safetensors(
        {"w": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 1]}}, b"\0"
    ),
    "metadata that is a list": safetensors({"__metadata__": ["x"]}),
    "values that are a list": safetensors({"__metadata__": {"hubel": "[1]"}}),
    "values that nest": safetensors({"__metadata__": {"hubel": "[" * 5000}}),
    "a number of 10,000 digits": safetensors({"__metadata__": {"hubel": "9" * 10_000}}),
    "no digest": safetensors({"__metadata__": {"hubel": '{"format": 1, "values": ""}'}}),
    "a digest of another kind": safetensors(
        {"__metadata__": {"hubel": '{"format": 1, "values": "", "sha256": ["x"]}'}}
    ),
    "no values": safetensors({"__metadata__": {"hubel": '{"format": 1, "values": 3}'}}),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_tensors_are_one_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(HOSTILE[kind])
    for read in (load, load_tensors):
        with pytest.raises(RunError, match=r"x\.safetensors is damaged"):
            read(path)


def test_values_that_are_no_object(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x", {"w": torch.ones(1)})
    with pytest.raises(RunError, match="cannot be read as a checkpoint"):
        load(tmp_path / "x")


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[]", "3", '{"choices": 1' + "0" * 5000 + "}", '{"choices": [' * 400, "\0", ""],
)
def test_hostile_json_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(RunError, match=r"plan\.json is damaged or was edited"):
        Run(tmp_path).plan()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", 10**9), ("threads", 0), ("steps_per_pass", 0), ("accumulate", 0),
        ("size", 10**9), ("outputs", 10**12), ("seed", -1), ("batch", 0), ("steps", 0),
    ],
)  # fmt: skip
def test_a_sealed_plan_that_asks_for_the_impossible(name: str, value: int, run: Run) -> None:
    choices = tuple(
        replace(choice, value=value) if choice.name == name else choice
        for choice in run.plan().choices
    )
    write_json(run.plan_file, Plan(choices=choices))
    with pytest.raises(RunError, match=f"plan.json is damaged or was edited: {name} is {value}"):
        settings_of(run.plan())


@pytest.mark.parametrize(
    ("arguments", "size"),
    [({"output": "x"}, 16), ({"width": 10**9}, 16), ({"width": -1}, 16), ({}, 10**9)],
)
def test_a_sealed_card_that_asks_for_the_impossible(
    arguments: dict[str, Any], size: int, run: Run
) -> None:
    card = run.card()
    shape = (3, size, size)
    changed = replace(
        card,
        arguments={**card.arguments, **arguments},
        input_shape=shape,
        preprocessing={**card.preprocessing, "size": size},
    )
    write_json(run.model_file, changed)
    with pytest.raises(HubelError):
        predict(run)


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"step": 10**6}, "stands at step 1,000,000"),
        ({"step": -1}, "does not say how many steps"),
        ({"step": "3"}, "does not say how many steps"),
        ({"rows": [[1]]}, "does not fit its network and plan"),
        ({"rows": 3}, "does not fit its network and plan"),
        ({"hits": -1}, "does not fit its network and plan"),
        ({"seconds": "x"}, "does not fit its network and plan"),
        ({"updater": None}, "does not fit its network and plan"),
        ({"updater": {"numbers": {"x.y": 1}, "plateau": None}}, "does not fit its network"),
    ],
)
def test_a_sealed_checkpoint_that_does_not_fit(
    changes: dict[str, Any], hint: str, run: Run
) -> None:
    path = run.checkpoints / "last.safetensors"
    stored = load(path)
    save(path, Checkpoint(stored.tensors, {**stored.values, **changes}))
    run.report_file.unlink()
    with pytest.raises(RunError, match=hint):
        hubel.train(resume=run.path)
