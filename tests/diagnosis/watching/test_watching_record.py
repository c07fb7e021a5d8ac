"""What a watch sees of a loop."""

import math

import pytest
import torch
import torch.nn.functional as F
from tests.diagnosis.watching.loops import DATA, X, Y, network, step, watched
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hubel


def test_steps_are_what_the_loop_computed():
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader)
    losses, accuracies = [], []
    with doctor:
        for pictures, labels in loader:
            with torch.no_grad():
                answers = model.forward(pictures).argmax(1)
            accuracies.append((answers == labels).double().mean().item())
            losses.append(step(model, optimizer, pictures, labels))
    rows = doctor.record.steps
    assert [row.step for row in rows] == [1, 2, 3]
    assert [row.loss for row in rows] == pytest.approx(losses)
    assert [row.accuracy for row in rows] == pytest.approx(accuracies)
    assert [(row.pictures, row.lr, row.backwards, row.pass_number) for row in rows] == [
        (16, 0.1, 1, 1)
    ] * 3
    assert all(row.training and not row.left_over and row.waited_s > 0 for row in rows)
    assert doctor.record.initial_loss == pytest.approx(losses[0])


def test_weight_rows_are_root_mean_squares():
    loader = DataLoader(DATA, 48)
    model, optimizer, doctor = watched(loader)
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    with doctor:
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    for row in doctor.record.weights:
        old, now = before[row.name], model.get_parameter(row.name)
        gradient = now.grad.square().mean().sqrt().item()
        assert row.weight == pytest.approx(old.square().mean().sqrt().item())
        assert row.gradient == pytest.approx(gradient, rel=1e-4)
        assert row.update == pytest.approx(0.1 * gradient, rel=1e-3)
        ratio = (now - old).abs().sum() / old.abs().sum()
        assert row.mean_ratio == pytest.approx(ratio.item(), rel=1e-4)


@pytest.mark.parametrize(
    "batches",
    [
        lambda x, y: (x, y),
        lambda x, y: [x, y],
        lambda x, y: {"pixel_values": x, "labels": y},
        lambda x, y: {"label": y, "image": x},
        lambda x, y: (x, y, torch.arange(len(y))),
    ],
)
def test_batches_of_every_form_are_read(batches):
    class Loader:
        def __iter__(self):
            return (batches(X[at : at + 16], Y[at : at + 16]) for at in (0, 16, 32))

    loader = Loader()
    model, optimizer, doctor = watched(loader)
    with doctor:
        for batch in loader:
            values = list(batch.values()) if isinstance(batch, dict) else list(batch)
            pictures = next(one for one in values if one.ndim == 4)
            labels = next(one for one in values if one.ndim == 1)
            step(model, optimizer, pictures, labels)
    assert "__iter__" in vars(Loader)
    assert [row.labels for row in doctor.record.batches] == [
        tuple(Y[at : at + 16].tolist()) for at in (0, 16, 32)
    ]
    assert not any(math.isnan(row.accuracy) for row in doctor.record.steps)
    assert doctor.record.batches[0].mean[0] == pytest.approx(X[:16].mean().item())


def test_a_list_of_batches_is_known_by_its_tensors_and_a_generator_by_the_loss():
    for loader in ([(X[:16], Y[:16]), (X[16:], Y[16:])], iter([(X[:16], Y[:16])])):
        model, optimizer, doctor = watched(loader)
        with doctor:
            for pictures, labels in loader:
                step(model, optimizer, pictures, labels)
        assert not any(math.isnan(row.accuracy) for row in doctor.record.steps)
        assert doctor.record.steps[0].pictures == 16
        assert doctor.record.units


def test_batches_that_are_fetched_ahead_keep_their_labels():
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader)
    with doctor:
        fetched = [(pictures.clone(), labels) for pictures, labels in loader]
        expected = []
        for pictures, labels in fetched:
            with torch.no_grad():
                answers = model.forward(pictures).argmax(1)
            expected.append((answers == labels).double().mean().item())
            step(model, optimizer, pictures, labels)
    assert [row.accuracy for row in doctor.record.steps] == pytest.approx(expected)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_evaluations_have_the_mode_of_the_network(mode):
    loader, validation = DataLoader(DATA, 16), DataLoader(TensorDataset(X[:20], Y[:20]), 8)
    model, optimizer, doctor = watched(loader, validation=validation)
    with doctor:
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
        model.train(mode == "train")
        with torch.no_grad():
            right = sum((model(x).argmax(1) == y).sum().item() for x, y in validation)
            loss = F.cross_entropy(model.forward(X[:20]), Y[:20]).item()
    (row,) = [one for one in doctor.record.evaluations if one.split == "val"]
    assert (row.mode, row.pictures, row.step) == (mode, 20, 3)
    assert row.accuracy == pytest.approx(right / 20)
    assert row.loss == pytest.approx(loss, rel=1e-5)


def test_validation_with_gradients_on_is_no_training():
    loader = DataLoader(DATA, 16)
    other = DataLoader(TensorDataset(X[:20], Y[:20]), 16)  # Not handed over.
    model, optimizer, doctor = watched(loader)
    with doctor:
        for pictures, labels in loader:
            model.eval()
            for seen, _ in other:
                model(seen)
            model.train()
            step(model, optimizer, pictures, labels)
    assert all(row.training and row.pictures == 16 for row in doctor.record.steps)


def test_training_in_evaluation_mode_is_seen():
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader)
    with doctor:
        model.eval()
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    assert not any(row.training for row in doctor.record.steps)


@pytest.mark.parametrize(
    ("fault", "expected"), [("none", [False] * 3), ("kept", [False, True, True])]
)
@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_that_are_left_over_are_seen(fault, expected, to_none):
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader)
    with doctor:
        for pictures, labels in loader:
            if fault == "none":
                optimizer.zero_grad(set_to_none=to_none)
            F.cross_entropy(model(pictures), labels).backward()
            optimizer.step()
    assert [row.left_over for row in doctor.record.steps] == expected


def test_old_gradients_of_a_frozen_body_are_not_left_over():
    loader = DataLoader(DATA, 16)
    model, _, _ = watched(loader)
    F.cross_entropy(model(DATA[0][0][None]), DATA[0][1][None]).backward()
    *body, weight, bias = model.parameters()
    for one in body:
        one.requires_grad_(False)
    optimizer = torch.optim.SGD([weight, bias], lr=0.1)
    with hubel.watch(model, optimizer, loader, say=None) as doctor:
        for pictures, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(pictures), labels).backward()
            optimizer.step()
    assert body[0].grad is not None
    assert not any(row.left_over for row in doctor.record.steps)


def test_accumulated_gradients_are_one_step():
    loader = DataLoader(DATA, 8)
    model, optimizer, doctor = watched(loader)
    with doctor:
        for number, (pictures, labels) in enumerate(loader):
            (F.cross_entropy(model(pictures), labels) / 3).backward()
            if number % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()
    rows = doctor.record.steps
    assert [(row.backwards, row.pictures, row.left_over) for row in rows] == [(3, 24, False)] * 2


def test_units_and_modes_are_measured_on_the_same_pictures():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3)
    )
    with torch.no_grad():
        model[1].weight[0], model[1].bias[0] = 0.0, 50.0
    first = {name: one.clone() for name, one in model.state_dict().items()}
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader, model)
    with doctor:
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    start = {row.path: row for row in doctor.record.units if row.step == 0}
    assert start["2"].saturated == start["2"].still == 0.25
    assert start["0"].still == 0
    fresh = nn.Sequential(*model)
    fresh.load_state_dict(first)
    expected = fresh.eval()[:1](X)
    assert start["0"].std == pytest.approx(expected.std(unbiased=False).item(), rel=1e-5)
    assert start["0"].largest == pytest.approx(expected.abs().max().item(), rel=1e-5)
    row = next(one for one in doctor.record.evaluations if (one.step, one.mode) == (0, "eval"))
    assert row.loss == pytest.approx(F.cross_entropy(fresh(X), Y).item(), rel=1e-5)
    assert {one.mode for one in doctor.record.evaluations} == {"train", "eval"}


def test_dead_channels_are_counted():
    model = network()
    with torch.no_grad():
        model[0].bias[:] = torch.tensor([-10.0, -10.0, -10.0, 10.0])
    loader = DataLoader(DATA, 48)
    model, optimizer, doctor = watched(loader, model)
    with doctor:
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    row = next(one for one in doctor.record.units if one.kind == "ReLU")
    assert (row.dead, row.still) == (0.75, 0.75)
    assert row.zeros >= 0.75


def test_what_was_reached_and_called_is_known():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(36, 3), nn.Linear(36, 3)

        def forward(self, pictures):
            return self.used(pictures.flatten(1))

    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader, Two(), epochs=4)
    with doctor:
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    setting = doctor._whole()
    assert {one.name: one.reached for one in setting.parameters} == {
        "used.weight": True, "used.bias": True, "idle.weight": False, "idle.bias": False,
    }  # fmt: skip
    assert {one.path: one.called for one in setting.modules} == {"used": True, "idle": False}
    assert (setting.task, setting.outputs, setting.classes) == ("classification", 3, 3)
    assert (setting.loss.kind, setting.planned_steps) == ("cross-entropy", 12)


def test_an_optimizer_that_calls_a_closure_is_measured_within():
    loader = DataLoader(DATA, 48)
    model, optimizer, doctor = watched(loader)
    with doctor:
        for pictures, labels in loader:

            def closure(pictures=pictures, labels=labels):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(pictures), labels)
                loss.backward()
                return loss

            optimizer.step(closure)
    assert [row.backwards for row in doctor.record.steps] == [1]
    assert all(row.gradient > 0 for row in doctor.record.weights)


def test_a_batch_of_both_lists_is_one_of_training():
    batches = [(X[place : place + 16], Y[place : place + 16]) for place in (0, 16, 32)]
    model, optimizer, doctor = watched(batches, validation=batches[:1])
    with doctor:
        losses = [step(model, optimizer, *batch) for batch in batches]
    assert [row.loss for row in doctor.record.steps] == pytest.approx(losses)


def test_an_update_whose_loss_was_not_seen_is_not_taken_for_a_broken_one():
    model, optimizer, doctor = watched(DataLoader(DATA, 16))
    other = network()
    with doctor:
        for pictures, labels in DataLoader(DATA, 16):
            F.cross_entropy(other(pictures), labels).backward()
            for one, its in zip(model.parameters(), other.parameters(), strict=True):
                one.grad = its.grad
            optimizer.step()
    rows = doctor.record.steps
    assert [row.backwards for row in rows] == [0, 0, 0]
    assert all(math.isnan(row.loss) and not row.lost for row in rows)
    said = [one.id for one in doctor.diagnosis().causes]
    assert "loss/non-finite" not in said
