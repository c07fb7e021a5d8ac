import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hubel.training.inference import (
    arithmetic_threads,
    device_of,
    evaluating,
    forward,
    predict_logits,
    quick_score,
)


class Loader:
    """Batches of given sizes out of fixed pictures."""

    def __init__(self, inputs, targets, batch):
        self.inputs, self.targets, self.batch = inputs, targets, batch
        self.passes = []

    def __len__(self):
        return math.ceil(len(self.inputs) / self.batch)

    def epoch(self, epoch):
        self.passes.append(epoch)
        for start in range(0, len(self.inputs), self.batch):
            rows = slice(start, start + self.batch)
            yield SimpleNamespace(
                inputs=self.inputs[rows],
                targets=self.targets[rows],
                positions=100 + np.arange(len(self.inputs))[rows],
            )


def pictures(count=7, channels=2, side=4):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def network(outputs=3, channels=2, side=4):
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(),
        nn.BatchNorm1d(channels * side * side),
        nn.Dropout(0.5),
        nn.Linear(channels * side * side, outputs),
    )


class Fails(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Dropout()

    def forward(self, inputs):
        raise RuntimeError("the wire broke")


def test_logits_are_those_of_the_network_in_evaluation_mode():
    module, inputs = network(), pictures()
    loader = Loader(inputs, torch.arange(7) % 3, batch=3)
    done = []
    outputs = predict_logits(module, loader, progress=lambda *at: done.append(at))
    assert module.training
    expected = module.eval()(inputs).detach()
    torch.testing.assert_close(torch.from_numpy(outputs.logits), expected)
    assert outputs.logits.dtype == np.float32
    assert outputs.targets.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert outputs.positions.tolist() == list(range(100, 107))
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert loader.passes == [0]


def test_mirrored_outputs_are_averaged():
    module, inputs = network().eval(), pictures()
    loader = Loader(inputs, torch.zeros(7), batch=7)
    expected = (module(inputs) + module(torch.flip(inputs, [3]))).detach() / 2
    found = predict_logits(module, loader, mirror=True).logits
    torch.testing.assert_close(torch.from_numpy(found), expected)
    assert not np.allclose(found, predict_logits(module, loader).logits)


def test_bfloat16_is_used_where_asked_for():
    seen = []

    class Watches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(32, 2)

        def forward(self, inputs):
            outputs = self.layer(inputs.flatten(1))
            seen.append(outputs.dtype)
            return outputs

    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with torch.inference_mode():
            assert forward(Watches(), pictures(), precision).dtype == torch.float32
        assert seen[-1] == dtype


def test_no_pictures_give_no_outputs():
    outputs = predict_logits(network(), Loader(pictures(0), torch.zeros(0), batch=3))
    assert len(outputs.logits) == len(outputs.targets) == len(outputs.positions) == 0


@pytest.mark.parametrize(
    "call",
    [predict_logits, lambda m, loader: quick_score(m, loader, "classification", F.cross_entropy)],
)
def test_modes_are_restored_after_success_and_failure(call):
    inputs = pictures()
    module = network()
    module[1].eval()  # a part that stays frozen while the rest trains
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    call(module, Loader(inputs, torch.zeros(7, dtype=torch.long), batch=4))
    assert [part.training for part in module] == [True, False, True, True]
    for name, value in module.named_buffers():
        assert torch.equal(value, buffers[name])
    broken = Fails()
    with pytest.raises(RuntimeError, match="the wire broke"):
        call(broken, Loader(inputs, torch.zeros(7, dtype=torch.long), batch=4))
    assert broken.training
    assert broken.layer.training
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_evaluating_reaches_every_part():
    module = network()
    with evaluating(module):
        assert not any(part.training for part in module.modules())


def test_random_state_is_left_alone():
    module = network()
    before = torch.get_rng_state()
    predict_logits(module, Loader(pictures(), torch.zeros(7), batch=3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_quick_score_of_classes_is_loss_and_accuracy(batch):
    module, inputs, truth = network(), pictures(), torch.arange(7) % 3
    loss, accuracy = quick_score(
        module, Loader(inputs, truth, batch), "classification", F.cross_entropy
    )
    logits = module.eval()(inputs)
    assert loss == pytest.approx(F.cross_entropy(logits, truth).item(), rel=1e-5)
    assert accuracy == (logits.argmax(1) == truth).double().mean().item()


def test_quick_score_of_labels_is_mean_average_precision():
    from sklearn.metrics import average_precision_score

    module, inputs = network(), pictures()
    truth = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 1, 0]] * 2 + [[0, 0, 1]]).float()
    loss, score = quick_score(
        module, Loader(inputs, truth, 2), "multilabel", F.binary_cross_entropy_with_logits
    )
    logits = module.eval()(inputs).detach()
    assert loss == pytest.approx(F.binary_cross_entropy_with_logits(logits, truth).item(), rel=1e-5)
    assert score == pytest.approx(average_precision_score(truth.numpy(), logits.numpy()))


def test_quick_score_of_numbers_is_r2():
    from sklearn.metrics import r2_score

    module, inputs = network(outputs=1), pictures()
    truth = torch.linspace(0, 2, 7)[:, None]
    loss, score = quick_score(module, Loader(inputs, truth, 3), "regression", F.mse_loss)
    predicted = module.eval()(inputs).detach()
    assert loss == pytest.approx(F.mse_loss(predicted, truth).item(), rel=1e-5)
    assert score == pytest.approx(r2_score(truth.numpy(), predicted.numpy()), rel=1e-5)


def test_quick_score_of_nothing_is_not_a_number():
    loader = Loader(pictures(0), torch.zeros(0), 3)
    assert all(
        math.isnan(value)
        for value in quick_score(network(), loader, "classification", F.cross_entropy)
    )


def test_device_of_a_network_without_weights_is_the_processor():
    assert device_of(nn.Flatten()) == torch.device("cpu")
    assert device_of(nn.Linear(1, 1, device="meta")) == torch.device("meta")


def test_threads_are_restored():
    before = torch.get_num_threads()
    other = before + 1
    with arithmetic_threads(other):
        assert torch.get_num_threads() == other
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="stop"), arithmetic_threads(other):
        raise ValueError("stop")
    assert torch.get_num_threads() == before
    with arithmetic_threads(None):
        assert torch.get_num_threads() == before
