"""What a watch sees of a loop."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, SequentialLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

import hubel
from hubel.diagnosis.evidence import events
from hubel.errors import UsageError

GENERATOR = torch.Generator().manual_seed(0)
X = torch.rand(48, 1, 6, 6, generator=GENERATOR)
Y = torch.randint(0, 3, (48,), generator=GENERATOR)
DATA = TensorDataset(X, Y)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


def watched(loader, model=None, optimizer=None, validation=None, **settings):
    model = network() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), 0.1) if optimizer is None else optimizer
    doctor = hubel.watch(model, optimizer, loader, validation, say=None, **settings)
    return model, optimizer, doctor


def step(model, optimizer, pictures, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(pictures), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


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


def kinds(doctor):
    return [event.kind for event in doctor.record.events]


def test_a_loop_that_never_steps_is_an_event():
    loader = DataLoader(DATA, 2)
    model, optimizer, doctor = watched(loader)
    with doctor:
        for pictures, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(pictures), labels).backward()
    assert events.BACKWARD_WITHOUT_STEP in kinds(doctor)
    assert not doctor.record.steps


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_that_are_cleared_unused_are_an_event(to_none):
    loader = DataLoader(DATA, 4)
    model, optimizer, doctor = watched(loader)
    with doctor:
        for _ in range(3):
            for pictures, labels in loader:
                optimizer.zero_grad(set_to_none=to_none)
                F.cross_entropy(model(pictures), labels).backward()
            optimizer.step()
    assert events.CLEARED_WITHOUT_STEP in kinds(doctor)


@pytest.mark.parametrize("dead", [True, False])
def test_gradients_that_add_up_are_not_cleared_unused(dead):
    loader = DataLoader(DATA, 4)
    model, optimizer, doctor = watched(loader)
    if dead:  # the gradients of the first layer are 0, and stay so
        torch.nn.init.constant_(model[0].bias, -100.0)
    with doctor:
        for number, (pictures, labels) in enumerate(loader):
            F.cross_entropy(model(pictures), labels).backward()
            if number % 8 == 7:
                optimizer.step()
                optimizer.zero_grad()
    assert doctor.record.steps
    assert events.CLEARED_WITHOUT_STEP not in kinds(doctor)


def test_backward_passes_again_on_one_batch_are_not_cleared_unused():
    loader = DataLoader(DATA, 4)
    model, optimizer, doctor = watched(loader)
    with doctor:
        for pictures, labels in loader:
            for _ in range(3):
                optimizer.zero_grad()
                F.cross_entropy(model(pictures), labels).backward()
            optimizer.step()
    assert doctor.record.steps
    assert events.CLEARED_WITHOUT_STEP not in kinds(doctor)


def test_a_step_before_its_backward_is_an_event():
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader)
    with doctor:
        for pictures, labels in loader:
            loss = F.cross_entropy(model(pictures), labels)
            optimizer.zero_grad()
            optimizer.step()
            loss.backward()
    assert {events.STEP_BEFORE_BACKWARD, events.STEP_WITHOUT_GRADIENT} <= set(kinds(doctor))


def test_a_healthy_loop_has_no_events():
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader)
    with doctor:
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    assert kinds(doctor) == []


@pytest.mark.parametrize("unscaled_first", [True, False])
def test_clipping_of_scaled_gradients_is_an_event(unscaled_first):
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    losses = []
    with doctor:
        for pictures, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(pictures), labels)
            losses.append(loss.item())
            scaler.scale(loss).backward()
            if unscaled_first:
                scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
    assert (events.CLIP_BEFORE_UNSCALE in kinds(doctor)) is not unscaled_first
    assert [row.loss for row in doctor.record.steps] == pytest.approx(losses)
    assert doctor._whole().loss_scaling is True


def test_the_first_module_that_is_not_finite_is_named():
    class Faulty(nn.Module):
        def forward(self, pictures):
            return torch.log(pictures - pictures.amax())

    model = nn.Sequential(nn.Conv2d(1, 2, 3), Faulty(), nn.Flatten(), nn.Linear(32, 3))
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader, model)
    with doctor:
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    found = {event.kind: event for event in doctor.record.events}
    assert events.NON_FINITE_LOSS in found
    assert found[events.NON_FINITE_MODULE].where == ("1",)
    assert found[events.NON_FINITE_LOSS].step == 1


def test_pictures_that_are_not_finite_are_told_from_modules():
    broken = X.clone()
    broken[20, 0, 0, 0] = math.nan
    loader = DataLoader(TensorDataset(broken, Y), 16)
    model, optimizer, doctor = watched(loader)
    with doctor:
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    found = {event.kind: event for event in doctor.record.events}
    assert (found[events.NON_FINITE_LOSS].step, found[events.NON_FINITE_MODULE].where) == (2, ())
    assert any(not row.finite for row in doctor.record.batches)


def test_labels_without_an_output_are_an_event():
    loader = DataLoader(TensorDataset(X, Y + 1), 16)
    model, optimizer, doctor = watched(loader)
    with pytest.raises(IndexError), doctor:
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    (event,) = doctor.record.events
    assert (event.kind, event.detail) == (events.LABEL_OUT_OF_RANGE, "labels 3 with 3 outputs")


@pytest.mark.parametrize("inside", [True, False])
def test_the_rhythm_of_schedulers(inside):
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader)
    parts = [StepLR(optimizer, 2), CosineAnnealingLR(optimizer, 5)]
    with doctor:
        scheduler = SequentialLR(optimizer, parts, [2])
        for _ in range(2):
            for pictures, labels in loader:
                step(model, optimizer, pictures, labels)
                if inside:
                    scheduler.step()
            if not inside:
                scheduler.step()
    fact = doctor._whole().scheduler
    assert (fact.kind, fact.steps_a_pass) == ("SequentialLR", 3.0 if inside else 1.0)
    assert events.SCHEDULER_STEP not in kinds(doctor)


def test_a_scheduler_before_the_first_update_is_an_event():
    loader = DataLoader(DATA, 16)
    model, optimizer, doctor = watched(loader)
    scheduler = CosineAnnealingLR(optimizer, 7)
    with doctor:
        with pytest.warns(UserWarning, match="lr_scheduler.step"):
            scheduler.step()
        for pictures, labels in loader:
            step(model, optimizer, pictures, labels)
    assert events.SCHEDULER_STEP in kinds(doctor)
    assert doctor._whole().scheduler.numbers["T_max"] == 7


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


def test_what_is_wrong_in_a_call_is_said():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(UsageError, match=r"expected a torch.nn.Module as its model, and got str"):
        hubel.watch("model", optimizer, [])
    with pytest.raises(UsageError, match=r"expected a torch.optim.Optimizer, and got Sequential"):
        hubel.watch(model, model, [])
    with pytest.raises(UsageError, match=r"at least 1, and not 0"):
        hubel.watch(model, optimizer, [], probe_every=0)
    doctor = hubel.watch(model, optimizer, [], say=None)
    with pytest.raises(UsageError, match=r"nothing to diagnose before the training"):
        doctor.diagnosis()
    with doctor:
        pass
    with pytest.raises(UsageError, match=r"one watch sees one training"), doctor:
        pass


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"loader": 5}, "expected a loader that gives out batches, and got int"),
        ({"loader": "photos"}, "expected a loader that gives out batches, and got str"),
        ({"validation": 5}, "expected a loader that gives out batches, and got int"),
        ({"scheduler": 5}, "expected a scheduler of torch.optim.lr_scheduler, and got int"),
        ({"say": "loud"}, "say is called with one line .* and str cannot be called"),
        ({"probe_every": 0}, "probe_every is the number of updates .* at least 1, and not 0"),
        ({"probe_every": "10"}, "probe_every is the number .* and not '10'"),
        ({"probe_every": None}, "probe_every is the number .* and not None"),
        ({"epochs": "3"}, "epochs is the number of passes that are planned, .* and not '3'"),
        ({"epochs": 1.5}, "epochs is the number .* and not 1.5"),
        ({"classes": -1}, "classes is the number of classes, at least 1, and not -1"),
        ({"classes": ["cat", "dog"]}, "classes is the number of classes, .* and not"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(wrong, words):
    model = network()
    given = {"loader": DataLoader(DATA, 16), "say": None, **wrong}
    with pytest.raises(UsageError, match=words):
        hubel.watch(model, torch.optim.SGD(model.parameters(), 0.1), **given)


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
