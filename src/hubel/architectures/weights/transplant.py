"""Published weights into a network: tensor after tensor in order, shape by shape.

Names differ between libraries, the order of layers does not: a page registers its modules in the
order of the file. What may differ is the last layer, whose classes are another task's, and the
first convolution, whose channels are another kind of picture's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from hubel.errors import WeightsError

COUNTER: Final = "num_batches_tracked"
"""How often a batch normalisation was updated: a number that no output depends on."""
RGB: Final = 3
AUXILIARY: Final = ("aux1.", "aux2.", "AuxLogits.")
"""How the tensors of auxiliary heads begin, in torchvision's files."""

_Named = list[tuple[str, Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transplanted:
    """What became of a network's tensors."""

    taken: int
    """Tensors with the weights of the file."""
    fresh: tuple[str, ...]
    """Names, in the network, of the tensors that keep their random weights."""
    remarks: tuple[str, ...]
    """What is new or was changed, one half-sentence each."""


@torch.no_grad()
def transplant(state: Mapping[str, Tensor], module: nn.Module, origin: str) -> Transplanted:
    """Copy the tensors of `state` into `module`, in order.

    The last layer stays fresh where its number of outputs differs. The first convolution, where
    the file's has 3 input channels and the network's one, takes the sum over them (a grey
    picture's three channels are equal); for other channels it stays fresh. Auxiliary heads of the
    file are passed over where the network has none, as are the counters of batch normalisation.
    Errors: WeightsError that names both tensors, for anything else.
    """
    theirs = [(name, tensor) for name, tensor in state.items() if not name.endswith(COUNTER)]
    ours = [(name, t) for name, t in module.state_dict().items() if not name.endswith(COUNTER)]
    if len(theirs) != len(ours):
        theirs = [named for named in theirs if not named[0].startswith(AUXILIARY)]
    _check_lengths(theirs, ours, origin)
    last, outputs = _layer_of(theirs[-1][0]), (theirs[-1][1].shape[0], ours[-1][1].shape[0])
    fresh: list[str] = []
    remarks: list[str] = []
    # All are checked before the first is changed, so that an error leaves the network as it was.
    copies: list[tuple[Tensor, Tensor]] = []
    first = True
    for (their_name, source), (name, target) in zip(theirs, ours, strict=True):
        if source.shape == target.shape:
            copies.append((target, source))
        elif (
            (_layer_of(their_name) == last or their_name.startswith(AUXILIARY))
            and _other(source, target, 0)
            and (source.shape[0], target.shape[0]) == outputs
        ):
            fresh.append(name)
            if target.ndim > 1:
                kind = "last layer" if _layer_of(their_name) == last else "auxiliary last layer"
                remarks.append(
                    f"the {kind} ({_layer_of(name)}) is new, with {outputs[1]} outputs in place "
                    f"of {outputs[0]}"
                )
        elif first and source.ndim == 4 and _other(source, target, 1):
            layer = _layer_of(name)
            if source.shape[1] == RGB and target.shape[1] == 1:
                copies.append((target, source.sum(1, keepdim=True)))
                remarks.append(f"the first convolution ({layer}) sums its kernels over RGB")
            else:
                fresh.append(name)
                remarks.append(
                    f"the first convolution ({layer}) is new, with {target.shape[1]} channels in "
                    f"place of {source.shape[1]}"
                )
        else:
            raise WeightsError(
                f"The weights {origin} do not fit the network: {their_name} has the shape "
                f"{tuple(source.shape)}, but {name} in its place has {tuple(target.shape)}; leave "
                "out the network's own arguments, or --pretrained."
            )
        first = False
    for target, source in copies:
        target.copy_(source)
    return Transplanted(taken=len(copies), fresh=tuple(fresh), remarks=tuple(remarks))


def _check_lengths(theirs: _Named, ours: _Named, origin: str) -> None:
    """Refuse files with more or fewer tensors, naming the first two that do not fit."""
    if len(theirs) == len(ours) > 0:
        return
    pairs = zip(theirs, ours, strict=False)
    unlike = (n for n, (their, our) in enumerate(pairs) if their[1].shape != our[1].shape)
    place = next(unlike, min(len(theirs), len(ours)))
    names = [
        f"{named[place][0]} {tuple(named[place][1].shape)}" if place < len(named) else "nothing"
        for named in (theirs, ours)
    ]
    raise WeightsError(
        f"The weights {origin} have {len(theirs)} tensors and the network {len(ours)}; they part "
        f"at tensor {place + 1}: {names[0]} in the file, {names[1]} in the network."
    )


def _layer_of(name: str) -> str:
    """Return the layer to which a tensor belongs."""
    return name.rpartition(".")[0]


def _other(source: Tensor, target: Tensor, axis: int) -> bool:
    """Return whether two shapes differ along one axis alone."""
    if source.ndim != target.ndim:
        return False
    pairs = enumerate(zip(source.shape, target.shape, strict=True))
    return all(one == other for place, (one, other) in pairs if place != axis)
