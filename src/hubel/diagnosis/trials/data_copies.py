"""Which validation pictures stand in the training data."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hubel.data.candidates import near_hashes
from hubel.data.duplicates import (
    CORRELATION,
    CORRELATION_SMALL,
    LEAST_SIDE,
    NEAR_CONSTANT,
    SMALL_SIDE,
)
from hubel.data.perception import HASHED_SIDE, compare, perceptual_hashes
from hubel.diagnosis.evidence.setting import Setting
from hubel.diagnosis.evidence.subject import Subject
from hubel.diagnosis.symptom import Unknown
from hubel.diagnosis.thresholds import threshold
from hubel.diagnosis.trials.data_reading import SAMPLES
from hubel.diagnosis.trials.marks import different
from hubel.diagnosis.trials.trial import Trial

_WHERE: Final = 100
_COMPARED: Final = 20_000
"""Pairs that are compared on pixels at most."""


def copies(train: Tensor, val: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each validation picture, its exact copy and its near copy in training; -1: none.

    Exact: the same values; pictures of one colour have no copies. Near: hashes in reach
    (zauner2010) and a correlation of the pixels as `hubel.data.duplicates` asks of pictures of this
    size; below LEAST_SIDE pixels all pairs are compared, and count only where training pictures are
    seldom as much alike among themselves.
    """
    seen = {_digest(one): place for place, one in reversed(list(enumerate(train)))}
    varies = val.flatten(1).double().std(1) > 0
    exact = np.array(
        [
            seen.get(_digest(one), -1) if some else -1
            for one, some in zip(val, varies.tolist(), strict=True)
        ],
        np.int64,
    )
    return exact, _near(train, val, exact)


def _digest(picture: Tensor) -> bytes:
    # -0 and 0 are the same value with different bits.
    return (picture.detach().cpu().contiguous() + 0).numpy().tobytes()


def _near(train: Tensor, val: Tensor, exact: NDArray[np.int64]) -> NDArray[np.int64]:
    near = np.full(len(val), -1, np.int64)
    side = min(val.shape[2:]) if val.ndim == 4 else 0
    if not side or train.shape[1:] != val.shape[1:]:
        return near
    if side < LEAST_SIDE:
        return _alike(train, val, exact)
    pixels = _as_bytes(torch.cat([train, val]))
    hashes = perceptual_hashes(pixels.mean(3).astype(np.float32))
    usable = pixels.reshape(len(pixels), -1).std(1) >= NEAR_CONSTANT

    def keep(one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.bool_]:
        crosses = (one < len(train)) != (two < len(train))
        return crosses & usable[one] & usable[two]

    wanted = CORRELATION_SMALL if side < SMALL_SIDE else CORRELATION
    for one, two in near_hashes(hashes, keep).pairs[:_COMPARED].tolist():
        place = two - len(train)
        if exact[place] >= 0 or near[place] >= 0:
            continue
        if compare(pixels[one], pixels[two]).correlation >= wanted:
            near[place] = one
    return near


def _alike(train: Tensor, val: Tensor, exact: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each small validation picture without a copy, a near copy in training; -1: none.

    r = correlation of all values of two pictures.
    """
    wanted = threshold("data/leakage.correlation")
    mine, theirs = (_centred(part) for part in (train, val))
    best, place = (theirs @ mine.T).max(1)
    near = np.where((best.numpy() >= wanted) & (exact < 0), place.numpy(), -1).astype(np.int64)
    once = mine[different(train)]
    twins = (once @ once.T).fill_diagonal_(-1.0).max(1).values >= wanted
    if float(twins.double().mean()) > 0.5 * float((near >= 0).mean()):
        return np.full(len(val), -1, np.int64)
    return near


def _centred(values: Tensor) -> Tensor:
    """Return rows (n, values) of mean 0 and length 1; of length 0 where all values are the same."""
    rows = torch.nan_to_num(values.detach().cpu().flatten(1).double())
    rows = rows - rows.mean(1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-9)


def _as_bytes(inputs: Tensor) -> NDArray[np.uint8]:
    """Return the pictures at 32×32, their whole range brought to 0 to 255: (n, 32, 32, 1 or 3)."""
    values = torch.nan_to_num(inputs.detach().float().cpu())
    values = values[:, :3] if values.shape[1] >= 3 else values[:, :1]
    if min(values.shape[2:]) >= HASHED_SIDE:
        small = F.adaptive_avg_pool2d(values, HASHED_SIDE)
    else:
        small = F.interpolate(values, (HASHED_SIDE, HASHED_SIDE), mode="bilinear")
    low, high = small.amin((0, 2, 3), keepdim=True), small.amax((0, 2, 3), keepdim=True)
    scaled = (small - low) / (high - low).clamp(min=1e-12) * 255.0
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def validation_is_new(setting: Setting, subject: Subject) -> Trial | Unknown:
    """Look for validation pictures among the training pictures, as they are and mirrored."""
    train, val = subject.samples("train", SAMPLES), subject.samples("val", SAMPLES)
    if train is None or val is None or not len(train) or not len(val):
        return Unknown(why="the training or the validation pictures are not at hand")
    exact, near = copies(train.inputs, val.inputs)
    if train.augmented and val.inputs.ndim == 4:
        turned_exact, turned_near = copies(train.inputs, val.inputs.flip(3))
        exact = np.where(exact >= 0, exact, turned_exact)
        near = np.where((near >= 0) | (exact >= 0), near, turned_near)
    found = np.flatnonzero((exact >= 0) | (near >= 0))
    share = len(found) / len(val)
    read = min(len(train) / setting.pictures, 1.0) if setting.pictures else 1.0
    twins = [int(exact[place] if exact[place] >= 0 else near[place]) for place in found]
    words = (
        f"{len(found)} of {len(val)} validation pictures ({share:.1%}) stand in the training "
        f"pictures, {int((exact >= 0).sum())} of them exactly"
    )
    if read < 1.0:
        words += f"; {read:.0%} of the training pictures were looked at"
    return Trial(
        name="data-copies",
        healthy=min(share / read, 1.0) < threshold("data/leakage.share")
        or len(found) < threshold("data/leakage.pictures"),
        evidence=words,
        measured={
            "share": share,
            "read": read,
            "found": float(len(found)),
            "exact": float((exact >= 0).sum()),
        },
        where=tuple(
            f"{val.keys[place]} = {train.keys[twin]}"
            for place, twin in list(zip(found.tolist(), twins, strict=True))[:_WHERE]
        ),
    )
