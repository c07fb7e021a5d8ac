"""The batches of a loop: seen as the loader gives them out, and the time that the loop waits.

The class of a loader that was handed over gets another `__iter__` for as long as the watch lasts;
every other object of that class is served as before. A list or tuple of batches is known by its
tensors instead. A generator gives nothing but what the network is called with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from hubel.diagnosis.watching.batches import are_classes, batch_row, parts
from hubel.diagnosis.watching.clock import Interval
from hubel.diagnosis.watching.course import Batch, Course, Split
from hubel.diagnosis.watching.patches import Ear

_AHEAD: Final = 4
"""Batches that a loop may fetch before it uses the first of them."""
_COMPARED: Final = 16
"""Elements by which a batch is known again after it was copied to another device."""
_FIRST: Final = 4
"""Batches of a split whose numbers are kept in any case."""


@final
class Loaders:
    """Watches the loaders of one training."""

    def __init__(self, course: Course, ear: Ear) -> None:
        self._course = course
        self._ear = ear
        self._splits: dict[int, tuple[Any, Split]] = {}
        self._recent: deque[Batch] = deque(maxlen=_AHEAD)
        self._listed: dict[int, Batch] = {}
        self._inside: set[int] = set()
        self._kinds: set[type] = set()
        self._adopt: Callable[[Any], None] | None = None
        self._serial = 0
        self._counted = 0
        self._seen: dict[Split, int] = {"train": 0, "val": 0}
        self._due = {split: Interval(course.clock, 64, early=False) for split in self._seen}
        self.waited = 0.0
        """Seconds that the loop waited for training batches since the last update."""
        self.most_classes: set[int] = set()
        """Class numbers that were seen in sampled batches."""

    def add(self, loader: Any, split: Split) -> None:
        """Watch a loader. One that is on both splits is taken as the first of them."""
        if id(loader) in self._splits or loader is None:
            return
        self._splits[id(loader)] = (loader, split)
        if isinstance(loader, list | tuple):
            for batch in loader:
                pictures, labels = parts(batch)
                if pictures is not None:
                    found = Batch(split=split, pictures=pictures, labels=labels, serial=0)
                    self._listed.setdefault(id(pictures), found)
        elif isinstance(loader, Iterator):
            return
        elif type(loader) not in self._kinds:
            self._kinds.add(type(loader))
            self._ear.listen(type(loader), "__iter__", self._iterate)

    def adopt(self, take: Callable[[Any], None]) -> None:
        """Hand every unknown loader of torch to `take` when it is used in evaluation mode.

        There, another loader over the same pictures is a loader of the split as the first was.
        """
        self._adopt = take
        self._ear.listen(DataLoader, "__iter__", self._unknown)

    def _unknown(self, call: Callable[[Any], Iterator[Any]], loader: Any) -> Iterator[Any]:
        key, course = id(loader), self._course
        if self._adopt is None or not course.mine() or course.network.training:
            return call(loader)
        if key in self._splits or self._inside:
            return call(loader)
        self._adopt(loader)
        self._splits.setdefault(key, (loader, "val"))
        return self._iterate(call, loader)

    def sees(self, split: Split) -> bool:
        """Return whether a loader of the split was handed over."""
        return any(known == split for _, known in self._splits.values())

    def _iterate(self, call: Callable[[Any], Iterator[Any]], loader: Any) -> Iterator[Any]:
        key = id(loader)
        if key not in self._splits or key in self._inside or not self._course.mine():
            return call(loader)
        self._serial += 1
        started = perf_counter()
        self._inside.add(key)
        try:
            iterator = iter(call(loader))
        finally:
            self._inside.discard(key)
        split = self._splits[key][1]
        if split == "train":
            self.waited += perf_counter() - started
        return _Watched(iterator, self, key, split, self._serial)

    def fetch(self, iterator: Iterator[Any], key: int, split: Split, serial: int) -> Any:
        """Return the next batch of an iterator, and keep what it is."""
        started = perf_counter()
        self._inside.add(key)
        try:
            batch = next(iterator)
        finally:
            self._inside.discard(key)
        came = perf_counter()
        if split == "train":
            self.waited += came - started
        self._take(batch, split, serial)
        self._course.clock.spent += perf_counter() - came
        return batch

    def _take(self, batch: Any, split: Split, serial: int) -> None:
        pictures, labels = parts(batch)
        if pictures is None:
            return
        self._recent.append(Batch(split=split, pictures=pictures, labels=labels, serial=serial))
        self._seen[split] += 1
        if self._seen[split] <= _FIRST or self._due[split].due(self._seen[split]):
            self.sample(self._recent[-1])

    def sample(self, batch: Batch) -> None:
        """Record the numbers of a batch."""
        step = self._course.updates + 1
        row = batch_row(step, batch.split, batch.pictures, batch.labels)
        self._course.record.batches.append(row)
        self.most_classes.update(row.labels)

    def match(self, pictures: Tensor) -> Batch | None:
        """Return the batch that the network is called with; None where no loader gave it.

        A tensor that a loader gave out is known at once. A copy, on another device or changed by
        the loop, is taken for the batch of the same length that was not used yet; where several
        were fetched ahead, a few elements decide.
        """
        found = self._found(pictures)
        if found is not None:
            while self._recent and self._recent[0] is not found and found in self._recent:
                self._recent.popleft()
            found.forwards += 1
        return found

    def _found(self, pictures: Tensor) -> Batch | None:
        place = pictures.data_ptr()
        for batch in self._recent:
            if batch.pictures is pictures or (
                batch.pictures.data_ptr() == place and len(batch.pictures) == len(pictures)
            ):
                return batch
        listed = self._listed.get(id(pictures))
        if listed is not None:
            if listed.forwards == 0 or listed is self._course.batch:
                return listed
            return Batch(
                split=listed.split, pictures=listed.pictures, labels=listed.labels, serial=0
            )
        alike = [batch for batch in self._recent if len(batch.pictures) == len(pictures)]
        fresh = [batch for batch in alike if not batch.forwards]
        if len(fresh) > 1:
            same = [batch for batch in fresh if _same(batch.pictures, pictures)]
            return same[0] if same else fresh[-1]
        return fresh[0] if fresh else (alike[-1] if alike else None)

    def count(self, batch: Batch | None) -> None:
        """Count a pass over the training data when the first batch of it is trained on."""
        if batch is not None and batch.split == "train" and batch.serial != self._counted:
            self._counted = batch.serial
            self._course.passes += 1
        self._course.passes = max(self._course.passes, 1)

    def out_of_range(self, batch: Batch | None, classes: int) -> tuple[int, ...]:
        """Return the class numbers of a batch that no network of so many outputs can answer."""
        if batch is None or batch.labels is None or not are_classes(batch.labels):
            return ()
        labels = batch.labels.reshape(-1)
        return tuple(sorted(set(labels[(labels < 0) | (labels >= classes)].tolist())))


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    stride = max(one.numel() // _COMPARED, 1)
    first, second = (each.detach().reshape(-1)[::stride].cpu() for each in (one, other))
    return torch.equal(first, second)


@final
class _Watched(Iterator[Any]):
    """An iterator over a loader whose waiting is timed; all else is the loader's own."""

    def __init__(
        self, iterator: Iterator[Any], loaders: Loaders, key: int, split: Split, serial: int
    ) -> None:
        self._iterator = iterator
        self._loaders = loaders
        self._key = key
        self._split: Split = split
        self._serial = serial

    def __next__(self) -> Any:
        return self._loaders.fetch(self._iterator, self._key, self._split, self._serial)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)
