"""The form of a loss, read from the graph that autograd keeps between it and the network."""

from __future__ import annotations

from torch import Tensor

from hubel.diagnosis.evidence.setting import LossFact


def read_loss(loss: Tensor, outputs: Tensor | None, targets: Tensor | None) -> LossFact:
    """Return what a loss is made of; to be called before its backward, which frees the graph.

    `outputs` is what the network returned (None where it is no single tensor), `targets` what the
    loss compared it with. What cannot be told is `unknown`, never a guess.
    """
    return LossFact(
        kind="unknown",
        reduction="unknown",
        negated=False,
        activations=(),
        chain=() if loss.grad_fn is None else (loss.grad_fn.name(),),
        outputs_shape=() if outputs is None else tuple(outputs.shape),
        targets_shape=() if targets is None else tuple(targets.shape),
    )


def reached_parameters(loss: Tensor) -> set[Tensor]:
    """Return the leaves that the loss depends on: those that its backward gives a gradient."""
    found: set[Tensor] = set()
    seen: set[object] = set()
    pending = [] if loss.grad_fn is None else [loss.grad_fn]
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            found.add(leaf)
        pending.extend(one for one, _ in node.next_functions if one is not None)
    return found
