import dataclasses
import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch

from hubel.architectures import load
from hubel.data.preprocessing import Preprocessing
from hubel.errors import RunError, UsageError
from hubel.results import Calibrated, ModelCard, Run
from hubel.results.files import write_json
from hubel.training import checkpoint
from hubel.training.checkpoint import save_tensors
from hubel.training.numbers import in_units
from hubel.training.trained import calibrate, load_trained

CODE = """
from torch import nn

def build(*, outputs, channels, size):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, outputs))
"""


def preprocessing(size=32):
    return Preprocessing(
        size=size, channels=1, colour="grey", fit="squash", filters=(), decode_at_least=None,
        normalisation="standard", mean=(0.5,), std=(0.25,),
    )  # fmt: skip


def save_run(path, *, task="classification", architecture="lenet5", code="", size=32):
    """Write a run folder with a network of fresh weights; return it with that network."""
    torch.manual_seed(5)
    loaded = load(
        architecture, outputs=3, channels=1, size=size, task=task, trust_code=True,
        stored_code=code or None,
    )  # fmt: skip
    module = in_units(loaded.module, task, 3)
    card = ModelCard(
        architecture=architecture,
        arguments=loaded.arguments,
        input_shape=(1, size, size),
        task=task,
        classes=("a", "b", "c"),
        preprocessing=preprocessing(size).to_json(),
        weights="last",
        params=1,
        code_digest=loaded.code_digest,
        mirror_tta=False,
    )
    run = Run(path)
    write_json(run.model_file, card)
    save_weights(run, {f"model.{name}": value for name, value in module.state_dict().items()})
    if code:
        run.code_file.write_text(code)
    return run, module.eval()


def save_weights(run, tensors):
    save_tensors(run.weights_file, tensors)


def weights_of(run):
    return safetensors.torch.load_file(run.weights_file)


def calibrated(run, **changes):
    values = {
        "temperature": 2.0, "unknown_threshold": 0.7, "wanted_error": 0.05, "fitted_on": "val",
        "label_thresholds": (), "pictures": 9,
        "model_digest": hashlib.sha256(run.weights_file.read_bytes()).hexdigest(),
    }  # fmt: skip
    return Calibrated(**(values | changes))


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_the_same_network_comes_back(tmp_path, task):
    run, module = save_run(tmp_path, task=task)
    state = torch.get_rng_state()
    trained = load_trained(run)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(part.training for part in trained.module.modules())
    inputs = torch.randn(2, 1, 32, 32)
    module.to(memory_format=torch.channels_last)  # One channel alone would not say which order.
    assert torch.equal(trained.module(inputs), module(inputs))
    assert trained.card == run.card()
    picture = np.arange(1200, dtype=np.uint8).reshape(40, 30, 1)
    assert torch.equal(trained.preprocessing.tensor(picture), preprocessing().tensor(picture))
    digest = hashlib.sha256(run.weights_file.read_bytes()).hexdigest()
    assert trained.model_digest == digest


def test_without_calibration_nothing_is_claimed(tmp_path):
    run, _ = save_run(tmp_path, task="multilabel")
    trained = load_trained(run)
    assert (trained.calibrated.temperature, trained.calibrated.fitted_on) == (1.0, "")
    assert trained.interpreter().label_thresholds == (0.5, 0.5, 0.5)


def test_calibration_is_read_with_its_weights_alone(tmp_path):
    run, _ = save_run(tmp_path)
    write_json(run.calibration_file, calibrated(run))
    trained = load_trained(run)
    assert trained.calibrated == calibrated(run)
    assert trained.interpreter().unknown_threshold == 0.7
    write_json(run.calibration_file, calibrated(run, model_digest="of other weights"))
    assert load_trained(run).calibrated.temperature == 1.0


def test_calibration_of_other_labels_is_refused(tmp_path):
    run, _ = save_run(tmp_path, task="multilabel")
    write_json(run.calibration_file, calibrated(run, label_thresholds=(0.5,)))
    with pytest.raises(RunError, match=r"calibration.json is damaged .* 1 thresholds for 3 labels"):
        load_trained(run)


def test_unfinished_training_is_said(tmp_path):
    run, _ = save_run(tmp_path)
    run.weights_file.unlink()
    with pytest.raises(RunError, match="holds no finished network"):
        load_trained(run)


def test_truncated_weights_are_refused(tmp_path):
    run, _ = save_run(tmp_path)
    run.weights_file.write_bytes(run.weights_file.read_bytes()[:-50])
    with pytest.raises(RunError, match=r"model.safetensors is damaged: .*\(.*\)\. Restore it"):
        load_trained(run)


def test_unreadable_weights_are_refused(tmp_path, monkeypatch):
    run, _ = save_run(tmp_path)

    def refuse(path, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoint, "safe_open", refuse)
    with pytest.raises(RunError, match=r"Could not read .*model.safetensors: Permission denied"):
        load_trained(run)


def test_strange_tensors_are_refused(tmp_path):
    run, _ = save_run(tmp_path)
    save_weights(run, weights_of(run) | {"fc.weight": torch.ones(1)})
    with pytest.raises(RunError, match=r"was not written by hubel: it has a tensor 'fc.weight'"):
        load_trained(run)


def test_weights_of_another_network_are_refused(tmp_path):
    run, _ = save_run(tmp_path)
    tensors = weights_of(run)
    name, *_ = sorted(tensors)
    short = name.removeprefix("model.")
    left = {key: value for key, value in tensors.items() if key != name}
    save_weights(run, left)
    with pytest.raises(RunError, match=f"does not fit .* {short} is missing; restore"):
        load_trained(run)
    save_weights(run, tensors | {"model.more": torch.ones(1)})
    with pytest.raises(RunError, match="more is not in the network"):
        load_trained(run)
    save_weights(run, tensors | {name: torch.ones(7, 7, 7)})
    with pytest.raises(RunError, match=rf"{short} has shape \(7, 7, 7\) instead of \("):
        load_trained(run)
    save_weights(run, {})
    with pytest.raises(RunError, match=r"and \d+ more; restore"):
        load_trained(run)


def test_a_card_that_contradicts_itself_is_refused(tmp_path):
    run, _ = save_run(tmp_path)
    wrong = dataclasses.replace(run.card(), preprocessing=preprocessing(28).to_json())
    write_json(run.model_file, wrong)
    with pytest.raises(
        RunError, match=r"contradicts itself: its preprocessing gives \(1, 28, 28\)"
    ):
        load_trained(run)


def test_a_damaged_card_is_refused(tmp_path):
    run, _ = save_run(tmp_path)
    card = json.loads(run.model_file.read_text())
    run.model_file.write_text(json.dumps(card | {"classes": 5}))
    with pytest.raises(RunError, match=r"model.json is damaged or was edited"):
        load_trained(run)


def test_code_runs_only_when_trusted_and_from_the_copy(tmp_path):
    run, module = save_run(tmp_path, architecture="gone/net.py:build", code=CODE, size=8)
    with pytest.raises(UsageError, match="add --trust-code"):
        load_trained(run)
    trained = load_trained(run, trust_code=True)
    inputs = torch.randn(2, 1, 8, 8)
    assert torch.equal(trained.module(inputs), module(inputs))


def test_changed_or_missing_code_is_refused(tmp_path):
    run, _ = save_run(tmp_path, architecture="net.py:build", code=CODE, size=8)
    run.code_file.write_text(CODE + "print('other')")
    with pytest.raises(RunError, match="is not the code that made this run's network"):
        load_trained(run, trust_code=True)
    run.code_file.unlink()
    with pytest.raises(RunError, match=r"Could not read .*model.py.txt, the code of this run"):
        load_trained(run, trust_code=True)


def test_calibrate_fits_on_a_loader(tmp_path):
    run, module = save_run(tmp_path)
    inputs = torch.randn(40, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    truth = torch.arange(40) % 3

    class Loader:
        def __len__(self):
            return 1

        def epoch(self, epoch):
            yield SimpleNamespace(inputs=inputs, targets=truth, positions=np.arange(40))

    found = calibrate(load_trained(run), Loader(), 0.3)
    from hubel.training.calibration import fit_temperature

    logits = module(inputs).detach().numpy()
    expected = fit_temperature("classification", logits, truth.numpy())
    assert found.temperature == pytest.approx(expected, rel=1e-4)
    assert (found.wanted_error, found.fitted_on, found.pictures) == (0.3, "val", 40)
    assert found.model_digest == hashlib.sha256(run.weights_file.read_bytes()).hexdigest()
