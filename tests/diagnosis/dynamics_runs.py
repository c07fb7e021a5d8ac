"""Real small trainings on the digits, recorded by plain code, without hooks of hubel.

Each takes well under a second. `HEALTHY` and `SICK` of the plans name them; `made(name)` runs one,
once.
"""

from __future__ import annotations

import copy
import functools
import math
import time

import torch
from sklearn.datasets import load_digits
from tests.diagnosis.dynamics_plans import HEALTHY, SICK, Plan
from torch import Tensor, nn
from torch.nn import functional as F

from hubel.diagnosis.case import Case
from hubel.diagnosis.evidence.record import (
    BatchRow,
    EvaluationRow,
    Record,
    StepRow,
    UnitRow,
    WeightRow,
)
from hubel.diagnosis.evidence.setting import (
    LossFact,
    ModuleFact,
    OptimizerFact,
    ParameterFact,
    Setting,
)
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.trials.trial import Trial

REFERENCE = 0.93
"""Accuracy of a logistic regression on held-out digits, measured once."""
EVERY = 8
"""Updates between two samples of the weights."""


@functools.cache
def digits() -> tuple[Tensor, Tensor]:
    """Return the pictures (n, 1, 8, 8), standardised, shuffled, and their labels."""
    bunch = load_digits()
    order = torch.randperm(len(bunch.target), generator=torch.Generator().manual_seed(0))
    pictures = torch.tensor(bunch.images, dtype=torch.float32)[:, None][order]
    return (pictures - pictures.mean()) / pictures.std(), torch.tensor(bunch.target)[order]


def rms(values: Tensor) -> float:
    return float(values.detach().float().pow(2).mean().sqrt())


def spread(weight: Tensor) -> float:
    if weight.ndim < 2 or rms(weight) == 0:
        return math.nan
    return rms(weight - weight.mean(0)) / rms(weight)


BOUNDED = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0)}


def unit_row(step: int, path: str, module: nn.Module, out: Tensor) -> UnitRow:
    """Return what UnitRow says of one output."""
    out = out.detach().float()
    by_channel = out.transpose(0, 1).reshape(out.shape[1], -1)
    ends = BOUNDED.get(type(module).__name__)
    saturated = math.nan
    if ends is not None:
        near = (out < ends[0] + 0.05 * (ends[1] - ends[0])) | (
            out > ends[1] - 0.05 * (ends[1] - ends[0])
        )
        saturated = float(
            (near.float().transpose(0, 1).reshape(out.shape[1], -1).mean(1) > 0.85).float().mean()
        )
    return UnitRow(
        step=step, path=path, kind=type(module).__name__, mean=float(out.mean()),
        std=float(out.std()), largest=float(out.abs().max()),
        zeros=float((out == 0).float().mean()),
        dead=float((by_channel.abs().quantile(0.95, 1) < 1e-5).float().mean()),
        still=float((out.var(0).flatten(1).amax(1) < 1e-10).float().mean()) if out.ndim > 2
        else float((out.var(0) < 1e-10).float().mean()),
        saturated=saturated, finite=bool(out.isfinite().all()),
    )  # fmt: skip


def probe(model: nn.Module, inputs: Tensor, step: int) -> list[UnitRow]:
    """Return a row a leaf, of a copy of the network in evaluation mode."""
    twin = copy.deepcopy(model).eval()
    rows: list[UnitRow] = []

    def keep(path: str, module: nn.Module, out: Tensor) -> None:
        rows.append(unit_row(step, path, module, out))

    for path, module in twin.named_modules():
        if not list(module.children()) and not isinstance(module, nn.Identity):
            module.register_forward_hook(lambda m, _, out, path=path: keep(path, m, out))
    with torch.no_grad():
        twin(inputs)
    return rows


def weight_rows(step: int, before: dict[str, Tensor], model: nn.Module) -> list[WeightRow]:
    """Return a row a parameter, after the update."""
    rows = []
    for name, parameter in model.named_parameters():
        old, new, gradient = before[name], parameter.detach(), parameter.grad
        size = float(old.abs().mean())
        rows.append(WeightRow(
            step=step, name=name, weight=rms(old),
            gradient=math.nan if gradient is None else rms(gradient), update=rms(new - old),
            mean_ratio=float((new - old).abs().mean()) / size if size else math.nan,
            finite=bool(new.isfinite().all()), spread=spread(old),
            zero_gradient=math.nan if gradient is None else float((gradient == 0).float().mean()),
        ))  # fmt: skip
    return rows


def setting_of(plan: Plan, model: nn.Module, optimizer: torch.optim.Optimizer) -> Setting:
    """Return the facts that rules of the dynamics read."""
    parameters = tuple(
        ParameterFact(name=name, shape=tuple(p.shape), trainable=p.requires_grad, group=0)
        for name, p in model.named_parameters()
    )
    modules = tuple(
        ModuleFact(path=path, kind=type(module).__name__)
        for path, module in model.named_modules()
        if not list(module.children()) and not isinstance(module, nn.Identity)
    )
    group = {key: float(value) for key, value in optimizer.param_groups[0].items()
             if isinstance(value, int | float) and not isinstance(value, bool)}  # fmt: skip
    if "betas" in optimizer.param_groups[0]:
        group["beta1"], group["beta2"] = optimizer.param_groups[0]["betas"]
    loss = LossFact(
        kind="cross-entropy",
        reduction="mean",
        negated=False,
        activations=(),
        chain=(),
        scale=1 / plan.divided,
    )
    return Setting(
        origin="loop", task="classification", outputs=10, classes=plan.classes, batch=plan.batch,
        pictures=plan.pictures, planned_steps=plan.steps, parameters=parameters, modules=modules,
        optimizer=OptimizerFact(kind=type(optimizer).__name__, groups=(group,)), loss=loss,
        precision=plan.autocast or "float32", has_validation=True,
        steps_a_pass=math.ceil(plan.pictures / plan.batch / plan.accumulate),
    )  # fmt: skip


def loss_of(plan: Plan, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, float]:
    """Return the loss of a batch and the share of right answers."""
    kind = getattr(torch, plan.autocast or "bfloat16")
    with torch.autocast("cpu", enabled=bool(plan.autocast), dtype=kind):
        if plan.mixup:
            other, share = torch.randperm(len(y)), 0.8
            out = model(share * x + (1 - share) * x[other])
            loss = share * F.cross_entropy(out, y) + (1 - share) * F.cross_entropy(out, y[other])
        else:
            out = model(x)
            loss = F.cross_entropy(out, y, label_smoothing=plan.smoothing)
        loss = loss / plan.divided
    return loss, float((out.argmax(1) == y).float().mean())


def data_of(plan: Plan) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return pictures and labels: of training and of validation."""
    x, y = digits()
    x, y = x[y < plan.classes] * plan.factor, y[y < plan.classes]
    if plan.imbalanced:
        kept = (y < 2) | (torch.arange(len(y)) % 30 == 0)
        x, y = x[kept], y[kept]
    if plan.shuffled_labels:
        y = y[torch.randperm(len(y))]
    n = min(plan.pictures, len(y) * 4 // 5)
    return x[:n], y[:n], x[n : n + 300], y[n : n + 300]


@functools.cache
def trained(name: str, seed: int = 0) -> tuple[Setting, Record, nn.Module]:
    """Run a training, once; return its setting, its record and its network."""
    plan = HEALTHY[name] if name in HEALTHY else SICK[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x, y, val_x, val_y = data_of(plan)
        model = copy.deepcopy(trained(plan.start, seed)[2]) if plan.start else plan.model()
        if plan.frozen:
            for parameter in list(model.parameters())[:-2]:
                parameter.requires_grad_(False)
            nn.init.normal_(model[-1].weight, 0, 0.1)
        optimizer = plan.optimizer([p for p in model.parameters() if p.requires_grad])
        setting, record = setting_of(plan, model, optimizer), Record()
        base = optimizer.param_groups[0]["lr"]
        with torch.no_grad():
            record.initial_loss = float(F.cross_entropy(model(x[:64]), y[:64]))
        record.units += probe(model, val_x[:64], 0)
        order = torch.cat([torch.randperm(len(x)) for _ in range(120)])
        _loop(plan, model, optimizer, base, record, (x, y, val_x, val_y), order)
    return setting, record, model


def _loop(plan, model, optimizer, base, record, data, order) -> None:
    x, y, val_x, val_y = data
    seen, at = 0, time.perf_counter()
    for step in range(1, plan.steps + 1):
        optimizer.param_groups[0]["lr"] = lr = base * plan.schedule(step - 1, plan.steps)
        optimizer.zero_grad()
        losses, shares = [], []
        for _ in range(plan.accumulate):
            chosen = order[seen : seen + plan.batch]
            seen += plan.batch
            loss, share = loss_of(plan, model, x[chosen], y[chosen])
            (loss / plan.accumulate).backward()
            losses.append(float(loss.detach()))
            shares.append(share)
        if plan.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        sampled = step == 1 or step % EVERY == 0
        before = {n: p.detach().clone() for n, p in model.named_parameters()} if sampled else {}
        optimizer.step()
        if sampled:
            record.weights += weight_rows(step, before, model)
        if step % 28 == 0:
            record.units += probe(model, val_x[:64], step)
        if step % 20 == 1:
            record.batches.append(BatchRow(
                step=step, split="train", shape=tuple(x[chosen].shape), dtype="float32",
                low=float(x[chosen].min()), high=float(x[chosen].max()), mean=(0.0,), std=(1.0,),
                labels=tuple(y[chosen].tolist()),
            ))  # fmt: skip
        now = time.perf_counter()
        record.steps.append(StepRow(
            step=step, pass_number=1 + (seen - 1) // len(x), loss=sum(losses) / len(losses), lr=lr,
            pictures=plan.batch * plan.accumulate, accuracy=sum(shares) / len(shares),
            took_s=now - at, backwards=plan.accumulate,
        ))  # fmt: skip
        at = now
    with torch.no_grad():
        out = copy.deepcopy(model).eval()(val_x)
    record.evaluations.append(EvaluationRow(
        step=plan.steps, pass_number=record.steps[-1].pass_number, split="val", mode="eval",
        loss=float(F.cross_entropy(out, val_y)), pictures=len(val_y),
        accuracy=float((out.argmax(1) == val_y).float().mean()),
    ))  # fmt: skip


def made(name: str, *, seed: int = 0, rate: tuple[float, float] | None = None) -> Case:
    """Return the case of a run; with `rate`, the lower and upper edge that a range test found."""
    setting, record, _ = trained(name, seed)
    case = Case(setting, record)
    case.trials.made["reference"] = Trial(
        name="reference",
        healthy=True,
        evidence="logistic regression",
        measured={"accuracy": REFERENCE, "standard_error": 0.01, "chance": 0.1, "number": 300.0},
    )
    case.trials.made["rate-range"] = Unknown(why="not made") if rate is None else rate_trial(*rate)
    return case


def rate_trial(low: float, high: float) -> Trial:
    """Return the outcome of a range test, whose edges are factors of the training's rate."""
    best = math.sqrt(low * high)
    return Trial(
        name="rate-range", healthy=low < 10 and high > 0.1, evidence=f"useful from {low} to {high}",
        measured={"current_lr": 1.0, "best_lr": best, "low_edge": low, "high_edge": high},
    )  # fmt: skip
