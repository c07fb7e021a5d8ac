"""Events: what a loop does that no sound loop does."""

import math

import pytest
import torch
import torch.nn.functional as F
from tests.diagnosis.watching.loops import DATA, X, Y, kinds, step, watched
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, SequentialLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

from hubel.diagnosis.evidence import events


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
