"""Pictures of a loop's datasets, read again without changing what the loop will read."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, default_collate

from hubel.diagnosis.watching.batches import parts
from hubel.diagnosis.watching.undisturbed import undisturbed

_TWICE: Final = 4
"""Pictures that are read two times, to see whether they are augmented."""
_DEPTH: Final = 6
"""How deep generators are looked for: transforms in transforms of datasets in datasets."""
_ITEMS: Final = 64
_PLAIN: Final = (str, bytes, int, float, bool, type(None), Tensor, np.ndarray, type)

Found = tuple[Tensor, Tensor, tuple[str, ...], bool]
"""Pictures, targets, keys, and whether they are augmented."""


def can_be_read(loader: Any) -> bool:
    """Return whether single pictures of a loader can be asked for by their index."""
    dataset = getattr(loader, "dataset", None)
    return (
        dataset is not None
        and not isinstance(dataset, IterableDataset)
        and hasattr(dataset, "__getitem__")
        and hasattr(dataset, "__len__")
    )


def read(loader: Any, places: Sequence[int], seed: int = 0) -> Found | None:
    """Return pictures of a loader's dataset by their indices; augmentation draws from `seed`.

    Random states and the dataset's own generators stand afterwards as before. The pictures of a
    loader with workers are read in a worker, so that nothing opens in this process. None where
    the dataset gives no pictures with labels. Errors: what the dataset raises.
    """
    if not places:
        return None
    again = places[:_TWICE]
    with undisturbed(), unchanged(loader.dataset):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 # what a dataset draws from is the global one
        torch.manual_seed(seed)
        batches = [parts(batch) for batch in _batches(loader, [*places, *again], seed)]
    pictures = [one for one, _ in batches if one is not None]
    labels = [one for _, one in batches if one is not None]
    if not pictures or len(labels) != len(batches) or len({one.shape[1:] for one in pictures}) > 1:
        return None
    inputs, targets = torch.cat(pictures), torch.cat(labels)
    if len(inputs) != len(places) + len(again) or len(targets) != len(inputs):
        return None
    count = len(places)
    augmented = not torch.equal(inputs[: len(again)], inputs[count:])
    return inputs[:count], targets[:count], tuple(map(str, places)), augmented


def indices(loader: Any, number: int) -> list[int]:
    """Return which pictures to read: evenly spread over those that the loader's sampler draws."""
    own = getattr(getattr(loader, "sampler", None), "indices", None)
    known = list(own) if isinstance(own, Sequence | Tensor | np.ndarray) else None
    count = len(loader.dataset) if known is None else len(known)
    number = min(number, count)
    spread = [place * count // number for place in range(number)]
    return spread if known is None else [int(known[place]) for place in spread]


def _batches(loader: Any, places: Sequence[int], seed: int) -> Iterator[Any]:
    workers = int(getattr(loader, "num_workers", 0) > 0)
    generator = torch.Generator().manual_seed(seed)
    size = getattr(loader, "batch_size", None) or 64
    yield from DataLoader(
        loader.dataset,
        batch_size=size,
        sampler=places,
        num_workers=workers,
        collate_fn=getattr(loader, "collate_fn", None) or default_collate,
        worker_init_fn=getattr(loader, "worker_init_fn", None),
        multiprocessing_context=getattr(loader, "multiprocessing_context", None)
        if workers
        else None,
        generator=generator,
    )


@contextmanager
def unchanged(thing: Any) -> Generator[None]:
    """Restore the random generators that an object holds, or what it is made of."""
    kept = [(one, _state(one)) for one in generators(thing)]
    try:
        yield
    finally:
        for one, state in kept:
            if isinstance(one, torch.Generator):
                one.set_state(state)
            elif isinstance(one, random.Random):
                one.setstate(state)
            elif isinstance(one, np.random.RandomState):
                one.set_state(state)
            else:
                one.bit_generator.state = state


def _state(one: Any) -> Any:
    if isinstance(one, torch.Generator):
        return one.get_state()
    if isinstance(one, random.Random):
        return one.getstate()
    if isinstance(one, np.random.RandomState):
        return one.get_state()
    return one.bit_generator.state


def generators(thing: Any) -> list[Any]:
    """Return the random generators among an object's attributes, and theirs in turn."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    line = [(thing, 0)]
    for one, depth in line:
        if isinstance(one, _PLAIN) or id(one) in seen or depth > _DEPTH:
            continue
        seen.add(id(one))
        if isinstance(
            one, torch.Generator | random.Random | np.random.RandomState | np.random.Generator
        ):
            found[id(one)] = one
        elif isinstance(one, dict):
            line += [(value, depth + 1) for value in list(one.values())[:_ITEMS]]
        elif isinstance(one, list | tuple):
            line += [(value, depth + 1) for value in one[:_ITEMS]]
        else:
            line += [(value, depth + 1) for value in list(getattr(one, "__dict__", {}).values())]
    return list(found.values())
