"""Augmentation sets by name: what may change on a picture without changing its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubel.data.randomness import Hashes, hashes, one_seed, uniforms
from hubel.errors import UsageError, close_matches
from hubel.results import Task

SETS: Final[dict[str, str]] = {
    "none": "nothing changes",
    "safe": "small shifts, zooms, rotations and changes of light",
    "shift": "the picture moves by up to an eighth of its side each way",
    "crop": "a random square of 7/8 of the side, enlarged to the whole",
    "mirror": "left and right are exchanged in half of the pictures, by turns: every other pass",
    "mixup": "two pictures and their labels are blended",
    "cutmix": "a rectangle of another picture, and as much of its label, is put in",
    "erasing": "a rectangle is replaced by the mean in half of the pictures",
    "randaugment": "two random operations on each picture",
}

SHIFT: Final = 0.08
"""Largest shift along each axis, as a share of the side (2 pixels of 28)."""
ZOOM: Final = 1.10
"""Largest zoom, in and out; its logarithm is uniform."""
ROTATION: Final = 10.0
"""Largest rotation either way, in degrees: far from where a 6 becomes a 9, or a 1 a 7."""
CONTRAST: Final = 1.25
"""Largest factor of contrast about the picture's mean, and its inverse; log-uniform."""
BRIGHTNESS: Final = 0.10
"""Largest change of brightness, of values in 0 to 1."""

SHIFT_FAR: Final = 1 / 8
"""Largest shift of the set shift, as a share of the side: 4 pixels of 32, as for CIFAR-10."""
CROP: Final = 7 / 8
"""Share of the side that the set crop keeps: 224 pixels of 256, as for ImageNet."""

_GEOMETRY, _LIGHT, _BATCH, _PLACE, _MIRROR = range(5)  # streams of random numbers that never meet


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What training does to pictures between decoding and the network.

    - `matrices` (safe, mirror, shift, crop) compose with the fit into one resampling;
    - `light` (safe) changes values in 0 to 1 before they are scaled;
    - `operations` (randaugment) act on 8-bit batches, `finish` (erasing, mixup, cutmix) on
      scaled batches, in the thread that takes the batch.

    Draws for a picture depend on the seed, the pass, the picture's position in its source and,
    where balanced sampling takes it several times in a pass, on which time it is. Draws for a
    batch depend on the seed, the pass and the step. The global generators are left as they were.
    """

    names: tuple[str, ...]
    num_classes: int
    seed: int
    strength: float = 1.0
    """Of safe: every range above is scaled by it; 0 changes nothing."""

    @classmethod
    def from_names(
        cls,
        names: tuple[str, ...],
        *,
        num_classes: int,
        seed: int,
        task: Task = "classification",
        strength: float = 1.0,
    ) -> Augmentation:
        """Return the augmentation of these sets (none, safe, mirror, mixup, …; see SETS).

        Errors: UsageError for unknown names, for none beside others, and for sets that blend
        labels where labels are numbers.
        """
        for name in names:
            if name not in SETS:
                known = close_matches(name, SETS)
                raise UsageError(f"There is no augmentation set {name!r}: {known}")
        if "none" in names and len(set(names)) > 1:
            others = ", ".join(name for name in names if name != "none")
            raise UsageError(f"The augmentation sets none and {others} exclude each other.")
        blending = [name for name in names if name in ("mixup", "cutmix")]
        if blending and task not in ("classification", "multilabel"):
            raise UsageError(
                f"The augmentation set {blending[0]} blends class labels, but the task is {task}: "
                "leave it out."
            )
        kept = tuple(dict.fromkeys(name for name in names if name != "none"))
        return cls(names=kept, num_classes=num_classes, seed=seed, strength=strength)

    @property
    def draws_for_batches(self) -> bool:
        """Whether some draws are for a whole batch, so that it cannot be parted before."""
        return bool({"randaugment", "erasing", "mixup", "cutmix"} & set(self.names))

    def matrices(
        self, epoch: int, positions: NDArray[np.int64], times: NDArray[np.int64], size: int
    ) -> NDArray[np.float64] | None:
        """Draw one matrix a picture, output pixel to fitted pixel, as (n, 3, 3); None: identity.

        About the centre c = (S - 1)/2: A = T(c) · R(θ)/z · mirror · T(-c - shift).
        """
        if not {"safe", "mirror", "shift", "crop"} & set(self.names):
            return None
        draws = uniforms(self._keys(epoch, positions, times, _GEOMETRY), 4)
        signed = 2 * draws - 1
        angle, zoom, shift = np.zeros(len(positions)), np.ones(len(positions)), np.zeros((2, 1))
        if "safe" in self.names:
            ranged = self.strength * signed
            angle = np.deg2rad(ROTATION) * ranged[0]
            zoom = ZOOM ** ranged[1]
            shift = SHIFT * size * ranged[2:4]
        if {"shift", "crop"} & set(self.names):
            place = 2 * uniforms(self._keys(epoch, positions, times, _PLACE), 4) - 1
            if "shift" in self.names:
                shift = shift + SHIFT_FAR * size * place[:2]
            if "crop" in self.names:
                zoom = zoom / CROP
                # Before the zoom, which takes a pixel of the output to CROP of one.
                shift = shift + (1 / CROP - 1) / 2 * size * place[2:]
        flip = self._mirrored(epoch, positions, times) if "mirror" in self.names else 1.0
        cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
        matrices = np.zeros((len(positions), 3, 3))
        matrices[:, 0, 0], matrices[:, 0, 1] = cosine * flip, -sine
        matrices[:, 1, 0], matrices[:, 1, 1] = sine * flip, cosine
        centre = (size - 1) / 2
        start = -centre - shift
        matrices[:, 0, 2] = matrices[:, 0, 0] * start[0] + matrices[:, 0, 1] * start[1] + centre
        matrices[:, 1, 2] = matrices[:, 1, 0] * start[0] + matrices[:, 1, 1] * start[1] + centre
        matrices[:, 2, 2] = 1.0
        return matrices

    def _mirrored(
        self, epoch: int, positions: NDArray[np.int64], times: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return -1 where a picture is mirrored, else 1: half of the pictures, then the others.

        Two passes show each picture both ways; by chance, half of the pictures would be seen one
        way twice. Source: jordan2024airbench.
        """
        first = hashes(self.seed, _MIRROR, positions) & np.uint64(1)
        return np.where((first.astype(np.int64) + epoch + times) % 2 == 0, -1.0, 1.0)

    def light(
        self, epoch: int, positions: NDArray[np.int64], times: NDArray[np.int64]
    ) -> NDArray[np.float32] | None:
        """Draw contrast c and brightness b a picture, as (2, n); None: unchanged.

        v ← clip(c·(v - m) + m + b, 0, 1), with m the mean of the picture.
        """
        if "safe" not in self.names:
            return None
        signed = 2 * uniforms(self._keys(epoch, positions, times, _LIGHT), 2) - 1
        ranged = self.strength * signed
        return np.stack([CONTRAST ** ranged[0], BRIGHTNESS * ranged[1]]).astype(np.float32)

    def operations(self, batch: Tensor, epoch: int, step: int) -> Tensor:
        """Apply randaugment to each picture of uint8 (N, S, S, C) with 1 or 3 channels."""
        if "randaugment" not in self.names:
            return batch
        from torchvision.transforms import v2

        transform = v2.RandAugment()
        with _seeded(one_seed(self.seed, epoch, step, _BATCH, 0)):
            changed = [transform(picture.permute(2, 0, 1)).permute(1, 2, 0) for picture in batch]
        return torch.stack(changed)

    def finish(
        self, inputs: Tensor, targets: Tensor, epoch: int, step: int
    ) -> tuple[Tensor, Tensor]:
        """Apply erasing to each scaled picture, and mixup or cutmix to the batch.

        Blended targets are float32 (N, num_classes). Where both are named, each batch takes one.
        """
        if not {"mixup", "cutmix", "erasing"} & set(self.names):
            return inputs, targets
        from torchvision.transforms import v2

        blends = [
            blend(num_classes=self.num_classes)
            for name, blend in (("mixup", v2.MixUp), ("cutmix", v2.CutMix))
            if name in self.names
        ]
        with _seeded(one_seed(self.seed, epoch, step, _BATCH, 1)):
            if "erasing" in self.names:
                erase = v2.RandomErasing(p=1.0)
                for place in torch.nonzero(torch.rand(len(inputs)) < 0.5).flatten().tolist():
                    inputs[place] = erase(inputs[place])
            if blends:
                inputs, targets = v2.RandomChoice(blends)(inputs, targets)
        return inputs.contiguous(memory_format=torch.channels_last), targets

    def _keys(
        self, epoch: int, positions: NDArray[np.int64], times: NDArray[np.int64], stream: int
    ) -> Hashes:
        return hashes(self.seed, stream, epoch, positions, times)


def detail_of(names: tuple[str, ...]) -> float:
    """Return how many pixels a side a decoded picture needs for each that the fit shows.

    A crop is enlarged, so it needs more; the small zooms of safe do not show the difference.
    """
    return 1 / CROP if "crop" in names else 1.0


class _seeded:  # noqa: N801 - it reads like the context manager that it is
    """Seed torch's global CPU generator, which torchvision draws from, and restore it after."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._fork = torch.random.fork_rng(devices=[])

    def __enter__(self) -> None:
        self._fork.__enter__()
        torch.default_generator.manual_seed(self._seed)

    def __exit__(self, *error: object) -> None:
        self._fork.__exit__(None, None, None)
