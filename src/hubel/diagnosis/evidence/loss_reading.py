"""The form of a loss, read from the graph that autograd keeps between it and the network."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from torch import Tensor, nn
from torch.autograd.graph import Node

from hubel.diagnosis.evidence import autograd
from hubel.diagnosis.evidence.loss_terms import OVER_BATCH, Term, terms_of
from hubel.diagnosis.evidence.reading import hidden_parameters
from hubel.diagnosis.evidence.setting import LossFact, LossKind, Reduction, Setting
from hubel.diagnosis.thresholds import threshold

_ACTIVATIONS: Final = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Relu": "relu",
    "Threshold": "relu",
    "LeakyRelu": "leaky_relu",
    "Elu": "elu",
    "Gelu": "gelu",
    "Silu": "silu",
    "Mish": "mish",
    "Softplus": "softplus",
    "Exp": "exp",
    "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid",
    "Hardtanh": "hardtanh",
    "LogSigmoid": "log_sigmoid",
    "PreluKernel": "prelu",
    "Prelu": "prelu",
    "Rrelu": "rrelu",
    "Abs": "abs",
    "Clamp": "clamp",
    "ClampMin": "clamp",
    "ClampMax": "clamp",
}
_ROUNDING: Final = 0.01
_NEAR: Final = 4
"""Nodes of a softmax and its logarithm, with a constant added and a view."""
_SQUASHING: Final = frozenset({"softmax", "sigmoid", "tanh", "hardtanh", "hardsigmoid"})
"""Bounded activations: multiplied by a large constant, they bound nothing that matters."""


def read_loss(loss: Tensor, outputs: Tensor | None, targets: Tensor | None) -> LossFact:
    """Return what a loss is made of; to be called before its backward, which frees the graph.

    `outputs` is what the network returned (None where it is no single tensor), `targets` what came
    with the pictures. Of a sum of several terms the one on the network's outputs counts, with the
    largest factor; mixup's two terms and the one of label smoothing are added to it. Kinds:
    `cross-entropy` is the negative log of softmax, however written; `nll` is torch's negative
    log-likelihood of what is surely no log-probability. The shapes are those that met in the loss,
    where they can be told. What cannot be told is `unknown`, never a guess.
    """
    shapes = [() if one is None else tuple(one.shape) for one in (outputs, targets)]
    if loss.grad_fn is None:
        return _unknown((), shapes)
    batch = shapes[1][0] if shapes[1] else shapes[0][0] if shapes[0] else 0
    terms = terms_of(loss.grad_fn, batch)
    last = None if outputs is None else outputs.grad_fn
    through = [one for one in terms if last is not None and _enters(one, last)]
    group = _heaviest(through or terms)
    if not group:
        return _unknown((loss.grad_fn.name(),), shapes)
    main = max(group, key=lambda one: (one.kind != "unknown", _weight(one)))
    activations, below = _activations(main)
    kind = _kind(group, below)
    known = [one for one in group if one.kind == main.kind]
    signs = {one.sign for one in group if one.is_logsumexp} if _is_hand_written(group) else set()
    signs = signs or {one.sign for one in known}
    reduction, scale = _reduced(known)
    return LossFact(
        kind=kind,
        reduction=reduction,
        negated=kind != "unknown" and signs == {-1},
        activations=activations,
        chain=(*main.names, *below),
        outputs_shape=main.outputs_shape or shapes[0],
        targets_shape=main.targets_shape or shapes[1],
        scale=1.0 if kind == "unknown" or math.isnan(scale) else scale,
    )


def _unknown(chain: tuple[str, ...], shapes: list[tuple[int, ...]]) -> LossFact:
    return LossFact(
        kind="unknown",
        reduction="unknown",
        negated=False,
        activations=(),
        chain=chain,
        outputs_shape=shapes[0],
        targets_shape=shapes[1],
    )


def _enters(term: Term, last: Node) -> bool:
    """Return whether the network's outputs flow into a term, or the term begins at the network's
    own last softmax, from which the last layer is a step or two away.
    """
    if autograd.reaches(term.node, last):
        return True
    for _ in range(_NEAR):
        below = autograd.children(last)
        if len(below) != 1:
            return False
        last = below[0]
        if last is term.node:
            return True
    return False


def _weight(term: Term) -> float:
    return 0.0 if math.isnan(term.factor) else term.factor


def _heaviest(terms: list[Term]) -> list[Term]:
    """Return the terms on the same numbers of the network that weigh most together."""
    groups: dict[Node, list[Term]] = {}
    for term in terms:
        groups.setdefault(_origin(term.node), []).append(term)
    known = [them for them in groups.values() if any(one.kind != "unknown" for one in them)]
    return max(known or list(groups.values()), key=lambda them: sum(map(_weight, them)), default=[])


def _origin(node: Node) -> Node:
    """Return the node from which numbers were only moved on."""
    while autograd.kind_of(node) in autograd.LINKS and len(autograd.children(node)) == 1:
        node = autograd.children(node)[0]
    return node


def _is_hand_written(group: list[Term]) -> bool:
    """Return whether a group is logsumexp(x) less the right one's x: a cross-entropy."""
    return (
        len(group) == 2
        and sorted(one.is_logsumexp for one in group) == [False, True]
        and all(one.kind == "unknown" and one.reduction == group[0].reduction for one in group)
        and group[0].sign * group[1].sign == -1
        and any(
            autograd.LINKS & {name.partition("Backward")[0] for name in one.names} for one in group
        )
    )


def _kind(group: list[Term], below: tuple[str, ...]) -> LossKind:
    if _is_hand_written(group):
        return "cross-entropy"
    kinds: set[LossKind] = {one.kind for one in group if one.kind != "unknown"}
    if len(kinds) != 1:
        return "unknown"
    (kind,) = kinds
    end = below[-1].partition("Backward")[0] if below else ""
    surely = end in autograd.LAYERS
    return kind if kind != "nll" or surely else "unknown"


def _reduced(known: list[Term]) -> tuple[Reduction, float]:
    """Return the reduction and the factor of terms of one kind. A sum that is divided by the number
    of pictures is a mean.
    """
    first = max(known, key=lambda one: one.constant)
    reduction = first.reduction
    if reduction == "sum" and first.rows > 1 and first.constant <= (1 + _ROUNDING) / first.rows:
        reduction = "mean"
    joined = reduction == "mean"
    scale = sum(
        one.factor * (one.rows if joined and one.reduction == "sum" else 1) for one in known
    )
    return reduction, scale


def _activations(term: Term) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the activations right before a term, the last first, and the names of all nodes down
    to the first that is neither an activation nor a mere link.
    """
    found: list[str] = []
    names: list[str] = []
    node, factor = term.node, 1.0
    while True:
        names.append(node.name().removeprefix("torch::autograd::"))
        kind, below = autograd.kind_of(node), autograd.children(node)
        if kind in {"Mul", "Div"} and len(below) == 1:
            number = 1.0 if autograd.is_weighting(node) else abs(autograd.constant(node))
            factor *= number if kind == "Mul" else 1 / (number or math.nan)
        elif kind in _ACTIVATIONS:
            name = _name(node, kind)
            wide = factor >= threshold("loss/activation-before.range") or math.isnan(factor)
            if not (wide and name in _SQUASHING):
                found.append(name)
            factor = 1.0
        elif kind not in autograd.LINKS:
            break
        if len(below) != 1:
            break
        node = below[0]
    return tuple(found), tuple(names)


def _name(node: Node, kind: str) -> str:
    name = _ACTIVATIONS[kind]
    if name in {"softmax", "log_softmax"}:
        axes, sides = autograd.axes_of(node)
        return name + (OVER_BATCH if len(sides) == 2 and axes == (0,) else "")
    if name == "hardtanh" and autograd.saved(node, "min_val") == 0:
        return "relu6"
    return name


def reached_parameters(result: Tensor) -> set[Tensor]:
    """Return the leaves that a result depends on: those that its backward gives a gradient."""
    if result.grad_fn is None:
        return set()
    leaves = (getattr(node, "variable", None) for node in autograd.nodes_below(result.grad_fn))
    return {one for one in leaves if isinstance(one, Tensor)}


def with_loss(
    setting: Setting,
    model: nn.Module,
    loss: Tensor,
    outputs: Tensor | None,
    targets: Tensor | None,
) -> Setting:
    """Return the setting with what the first loss tells, before its backward: its form, the width
    of the outputs, and which parameters it reaches.

    Where the graph holds pieces whose inside cannot be seen, as reentrant checkpointing makes
    them, a parameter that was not found counts as reached.
    """
    fact = read_loss(loss, outputs, targets)
    reached = {id(one) for one in reached_parameters(loss)}
    below = [] if loss.grad_fn is None else autograd.nodes_below(loss.grad_fn)
    hides = any(autograd.is_opaque(node.name()) for node in below)
    found = {name for name, one in model.named_parameters() if id(one) in reached}
    hidden = {name for name, one in hidden_parameters(model).items() if id(one) in reached}
    width = outputs.shape[1] if outputs is not None and outputs.dim() > 1 else None
    return replace(
        setting,
        loss=fact,
        outputs=width if setting.outputs is None else setting.outputs,
        parameters=tuple(
            replace(one, reached=hides or one.name in found) for one in setting.parameters
        ),
        hidden=tuple(replace(one, reached=one.name in hidden) for one in setting.hidden),
    )
