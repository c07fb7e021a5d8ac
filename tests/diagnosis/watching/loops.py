"""A small loop, and a watch of it."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

import hubel

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


def kinds(doctor):
    return [event.kind for event in doctor.record.events]
