"""The terms of a loss: each with its kind, its factor, its sign and its reduction."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from torch.autograd.graph import Node

from hubel.diagnosis.evidence import autograd
from hubel.diagnosis.evidence.setting import LossKind, Reduction

_OWN: Final[dict[str, LossKind]] = {
    "BinaryCrossEntropy": "bce",
    "BinaryCrossEntropyWithLogits": "bce-logits",
    "MseLoss": "mse",
    "SmoothL1Loss": "smooth-l1",
    "HuberLoss": "smooth-l1",
    "MultiMarginLoss": "margin",
    "MultilabelMarginLoss": "margin",
    "SoftMarginLoss": "margin",
}
"""Losses that are one operation of torch."""
_REDUCTIONS: Final[dict[int, Reduction]] = {0: "none", 1: "mean", 2: "sum"}
_MOST: Final = 4096
"""Nodes that are looked at: a loss of more is not taken apart."""
OVER_BATCH: Final = " over the batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One summand of the loss."""

    kind: LossKind
    node: Node
    """Where the network's numbers enter the term."""
    sign: int
    """1 where a smaller loss is a better fit, -1 where it is a worse one, 0 where unknown."""
    factor: float
    constant: float
    """The factor without what sums over the numbers of one picture bring in."""
    rows: int
    """Pictures that the reduction joined."""
    reduction: Reduction
    names: tuple[str, ...]
    outputs_shape: tuple[int, ...] = ()
    targets_shape: tuple[int, ...] = ()
    is_logsumexp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How far a walk from the loss downwards has come."""

    node: Node
    sign: int = 1
    factor: float = 1.0
    """Of constants, after the reduction."""
    reduction: Reduction = "none"
    rows: int = 1
    """Pictures that were joined."""
    summed: int = 1
    averaged: int = 1
    """Numbers of one picture that were joined by a sum, by a mean."""
    weighted: bool = False
    """Whether they are multiplied by weights of their own, such as one-hot labels."""
    shifted: bool = False
    names: tuple[str, ...] = ()

    def on(self, node: Node, **changes: object) -> _Way:
        """Return the way one node further down."""
        return replace(self, node=node, names=(*self.names, self.node.name()), **changes)  # pyright: ignore[reportArgumentType]


def terms_of(node: Node, batch: int) -> list[Term]:
    """Return the summands of a loss, from its node; `batch` is the number of pictures, 0 unknown.

    A piece that is none of the known forms is a term of kind `unknown`.
    """
    found: list[Term] = []
    pending, looked_at = [_Way(node=node)], 0
    while pending and looked_at < _MOST:
        looked_at += 1
        way = pending.pop()
        kind = autograd.kind_of(way.node)
        term = _core(way, kind, batch)
        if term is not None:
            found.append(term)
            continue
        further = _step(way, kind)
        if further:
            pending += further
        else:
            found.append(_term(way, "unknown", way.node, batch))
    return [] if pending else found


def _step(way: _Way, kind: str) -> list[_Way]:
    """Return the ways on from a node that is linear in what it reads; none where it is not."""
    node = way.node
    slots = [one for one, _ in node.next_functions]
    below = autograd.children(node)
    if kind in {"Add", "Sub", "Rsub"}:
        return _sum(way, kind, slots)
    if kind in {"Stack", "Cat", "Where"}:
        factor, reduction = way.factor, way.reduction
        if kind == "Stack" and autograd.shape_of(node) == (len(slots),) == (way.rows,):
            # Losses of several parts were stacked and joined: no pictures were.
            factor = factor / len(slots) if reduction == "mean" else factor
            return [way.on(one, factor=factor, reduction="none", rows=1) for one in below]
        return [way.on(one) for one in below]
    if len(below) != 1:
        return []
    if kind == "Neg":
        return [way.on(below[0], sign=-way.sign)]
    if kind in {"Mul", "Div"}:
        return [_scaled(way, kind, below[0])] if kind == "Mul" or slots[0] is not None else []
    if kind in {"Sum", "Mean"}:
        return [_reduced(way, "sum" if kind == "Sum" else "mean", below[0])]
    return [way.on(below[0])] if kind in autograd.LINKS else []


def _sum(way: _Way, kind: str, slots: list[Node | None]) -> list[_Way]:
    """Follow a sum or difference; a constant that is added to single numbers changes the loss."""
    signs = {"Add": (1, 1), "Sub": (1, -1), "Rsub": (-1, 1)}[kind]
    alpha = autograd.saved(way.node, "alpha")
    amount = float(alpha) if isinstance(alpha, int | float) else 1.0
    # The amount belongs to the second of a sum, and to what is taken away.
    shifted = way.shifted or (None in slots and way.reduction != "none")
    ways: list[_Way] = []
    for place, one in enumerate(slots):
        if one is None:
            continue
        part = amount if place == (0 if kind == "Rsub" else 1) else 1.0
        sign = way.sign * signs[place] * (1 if part >= 0 else -1)
        ways.append(way.on(one, sign=sign, factor=way.factor * abs(part), shifted=shifted))
    return ways


def _scaled(way: _Way, kind: str, below: Node) -> _Way:
    if autograd.is_weighting(way.node):
        return way.on(below, sign=way.sign * autograd.sign_of_weights(way.node), weighted=True)
    number = autograd.constant(way.node)
    if math.isnan(number) or number == 0:
        return way.on(below, sign=0, factor=math.nan)
    factor = way.factor * abs(number) if kind == "Mul" else way.factor / abs(number)
    return way.on(below, sign=way.sign * (1 if number > 0 else -1), factor=factor)


def _reduced(way: _Way, reduction: Reduction, below: Node) -> _Way:
    axes, sides = autograd.axes_of(way.node)
    if math.prod(sides) <= 1:
        return way.on(below)
    inside = math.prod(side for axis, side in enumerate(sides) if axis in axes and axis > 0)
    summed = way.summed * (inside if reduction == "sum" else 1)
    averaged = way.averaged * (inside if reduction == "mean" else 1)
    if 0 not in axes:
        return way.on(below, summed=summed, averaged=averaged)
    rows = sides[0]
    return way.on(below, reduction=reduction, rows=rows, summed=summed, averaged=averaged)


def _core(way: _Way, kind: str, batch: int) -> Term | None:
    """Return the term where a node is the heart of a known loss; None where it is not."""
    node, below = way.node, autograd.children(way.node)
    if kind in {"NllLoss", "NllLoss2D"}:
        return _nll(way, below[0], batch)
    if kind in _OWN:
        return _term(way, _OWN[kind], below[0], batch, own=True)
    if kind == "LogSoftmax":
        known = "unknown" if way.shifted else _by_axis(node)
        return _term(way, known, below[0], batch, natural=-1)
    if kind == "Log":
        return _logarithm(way, batch)
    if kind == "LogSigmoid" and way.reduction != "none":
        term = _term(way, "bce-logits", _unturned(below[0]), batch, natural=-1, share=0.5)
        return _single(way, term)
    if kind == "Logsumexp":
        term = _term(way, "unknown", below[0], batch)
        return replace(term, is_logsumexp=True)
    if kind == "Abs" or (kind == "Pow" and autograd.saved(node, "exponent") == 2):
        return _distance(way, "l1" if kind == "Abs" else "mse", below[0], batch)
    if kind == "Mul" and len(below) == 2 and below[0] is below[1]:
        return _distance(way, "mse", below[0], batch)
    return None


def _nll(way: _Way, below: Node, batch: int) -> Term:
    """Read what a negative log-likelihood is taken of: log-probabilities, or something else."""
    source = below
    while autograd.kind_of(source) in autograd.LINKS and len(autograd.children(source)) == 1:
        source = autograd.children(source)[0]
    kind, inner = autograd.kind_of(source), autograd.children(source)
    if kind == "LogSoftmax" and _by_axis(source) == "cross-entropy":
        term = _term(way, "cross-entropy", inner[0], batch, own=True)
        return replace(term, names=(*term.names, source.name()))
    if kind == "Log":
        softmax = _probabilities(source)
        known = softmax is not None and autograd.kind_of(softmax) == "Softmax"
        entry = autograd.children(softmax)[0] if softmax is not None and known else below
        return _term(way, "cross-entropy" if known else "unknown", entry, batch, own=True)
    if kind == "Sub" and len(inner) == 2 and autograd.kind_of(inner[1]) == "Logsumexp":
        return _term(way, "cross-entropy", inner[0], batch, own=True)
    return _term(way, "nll", below, batch, own=True)


def _logarithm(way: _Way, batch: int) -> Term | None:
    """Read a logarithm of probabilities that was written by hand."""
    source = _probabilities(way.node)
    if source is None or way.reduction == "none":
        return None
    if autograd.kind_of(source) == "Softmax":
        kind = "unknown" if way.shifted else _by_axis(source)
        return _term(way, kind, autograd.children(source)[0], batch, natural=-1)
    return _single(way, _term(way, "bce", source, batch, natural=-1, share=0.5))


def _single(way: _Way, term: Term) -> Term:
    """Add the shapes that met: those of the logarithms, which the reduction found spread or not."""
    before = autograd.shape_of(way.node)
    is_spread = max(way.averaged, way.summed) > math.prod(before[1:])
    return replace(term, outputs_shape=before, targets_shape=() if is_spread else before)


def _probabilities(logarithm: Node) -> Node | None:
    """Return the softmax or sigmoid whose results a logarithm is taken of; None if it is none."""
    below = autograd.children(logarithm)
    while len(below) == 1:
        kind = autograd.kind_of(below[0])
        if kind in {"Softmax", "Sigmoid"}:
            return below[0]
        if kind not in {"Add", "Rsub", "Clamp", "ClampMin", "ClampMax", *autograd.LINKS}:
            return None
        below = autograd.children(below[0])
    return None


def _distance(way: _Way, kind: LossKind, below: Node, batch: int) -> Term | None:
    """Read a difference that was squared, or made positive, by hand."""
    inner = autograd.children(below)
    if autograd.kind_of(below) not in {"Sub", "Rsub"} or len(inner) != 1:
        return None
    if way.reduction == "none":
        return None
    term = _term(way, kind, inner[0], batch)
    spread = autograd.shape_of(below)
    if autograd.kind_of(inner[0]) == "Expand":
        return replace(term, outputs_shape=_unspread(inner[0]))
    before = autograd.shape_of(inner[0])
    return replace(term, outputs_shape=before, targets_shape=() if before != spread else before)


def _by_axis(softmax: Node) -> LossKind:
    """Return `nll` for a log-softmax over the pictures of a batch: its numbers are no log-odds."""
    axes, sides = autograd.axes_of(softmax)
    return "nll" if len(sides) == 2 and axes == (0,) else "cross-entropy"


def _unturned(node: Node) -> Node:
    return autograd.children(node)[0] if autograd.kind_of(node) == "Neg" else node


def _unspread(expand: Node) -> tuple[int, ...]:
    return tuple(map(int, autograd.saved(expand, "self_sym_sizes") or ()))


def _term(
    way: _Way,
    kind: LossKind,
    entry: Node,
    batch: int,
    *,
    natural: int = 1,
    share: float = 1.0,
    own: bool = False,
) -> Term:
    """Join a way and what was found at its end; `own` for operations that reduce by themselves."""
    reduction, rows = way.reduction, way.rows
    inner = _REDUCTIONS.get(autograd.saved(way.node, "reduction"), "none") if own else "none"
    if inner != "none":
        reduction, rows = inner, batch
    constant = way.factor * share
    # One-hot labels pick one log-probability a picture: their mean is too small by their number.
    picked = way.weighted and kind == "cross-entropy" and not own
    factor = constant / way.averaged if picked else constant * way.summed
    if reduction == "none" or (reduction == "sum" and math.isnan(constant)):
        reduction = "unknown"
    outputs, targets = _met(way.node, entry) if own else ((), ())
    return Term(
        kind=kind,
        node=entry,
        sign=way.sign * natural,
        factor=factor,
        constant=constant,
        rows=rows,
        reduction=reduction,
        names=(*way.names, way.node.name()),
        outputs_shape=outputs,
        targets_shape=targets,
    )


def _met(node: Node, entry: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of outputs and targets as they met, before one was spread out."""
    outputs, targets = saved_shape(node, "self"), saved_shape(node, "target")
    if autograd.kind_of(entry) == "Expand":
        outputs = _unspread(entry)
    return outputs, targets


def saved_shape(node: Node, name: str) -> tuple[int, ...]:
    """Return the shape of a saved tensor; axes along which it was spread have size 1, or are left
    out where they are the first.
    """
    tensor = autograd.saved(node, name)
    if tensor is None:
        return ()
    sides = [
        1 if stride == 0 else side
        for side, stride in zip(tensor.shape, tensor.stride(), strict=True)
    ]
    while len(sides) > 1 and sides[0] == 1 and tensor.shape[0] > 1:
        sides.pop(0)
        break
    return tuple(map(int, sides))
