"""The training settings of the papers, each value with where it stands.

A value that a paper does not give is hubel's default, and the recipe says so. What a network brings
along (initialisation, dropout, auxiliary heads) stands on its page. Passes are the paper's; with
other passes, the drops of the learning rate move in proportion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What training does where the user sets nothing."""

    summary: str
    optimizer: str
    schedule: str
    lr: float | None = None
    """Highest learning rate, for updates over `batch` pictures; None: by the optimizer's table."""
    momentum: float | None = None
    """None: the optimizer's default."""
    weight_decay: float | None = None
    """None: the optimizer's default."""
    warmup: float = 0.0
    milestones: tuple[float, ...] = ()
    """Shares of the training after which the schedule step lowers the rate; none: two thirds."""
    drop_every: int | None = None
    """Passes between two drops of the schedule step, in place of milestones."""
    step_factor: float = 0.1
    """Of the rate, at each drop."""
    label_smoothing: float = 0.0
    """Of losses over classes; 0 elsewhere."""
    dropout: float = 0.0
    """Besides the network's own."""
    ema: float = 0.0
    clip: float | None = None
    epochs: int | None = None
    """None: by the number of pictures, see `fitted_epochs`."""
    batch: int | None = None
    """None: by the number of pictures, see `fitted_batch`."""
    augment: tuple[str, ...] = ("safe",)
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    """Setting → where the paper gives it. Whatever is missing is hubel's choice."""
    remarks: str = ""
    """What of the paper is left out, or said differently elsewhere."""

    @property
    def source(self) -> str:
        """Where the settings come from, in the order of the settings."""
        return "; ".join(f"{name}: {where}" for name, where in self.sources.items()) or "hubel"

    def drops(self, epochs: int) -> tuple[float, ...]:
        """Return the shares of a training of `epochs` passes after which the rate drops."""
        if self.drop_every is None:
            return self.milestones
        whole = self.epochs or epochs
        return tuple(at / whole for at in range(self.drop_every, whole, self.drop_every))


def _all(where: str, *names: str) -> dict[str, str]:
    """Return the same place for several settings."""
    return dict.fromkeys(names, where)


ALEXNET: Final = "krizhevsky2012imagenet, section 5"
ZFNET: Final = "zeiler2014visualizing, section 3"
VGG: Final = "simonyan2015very, section 3.1"
GOOGLENET: Final = "szegedy2015going, section 6"
INCEPTION: Final = "szegedy2016rethinking, section 8"
RESNET: Final = "he2016deep, section 3.4"
CIFAR: Final = "he2016deep, section 4.2"
DENSENET: Final = "huang2017densely, section 4.2"
SQUEEZENET: Final = "iandola2016squeezenet, the released solver"
MOBILENET: Final = "howard2017mobilenets, section 3.2"

PAPER_RECIPES: Final[Mapping[str, Recipe]] = {
    "alexnet-2012": Recipe(
        summary="momentum, the rate divided by 10 when validation stops improving",
        optimizer="momentum", schedule="plateau", lr=0.01, momentum=0.9, weight_decay=5e-4,
        batch=128, epochs=90, augment=("crop", "mirror"),
        sources={
            **_all(ALEXNET, "momentum", "weight_decay", "batch", "lr", "schedule", "epochs"),
            "augment": "krizhevsky2012imagenet, section 4.1",
        },
        remarks="Left out: the change of colour along principal components. The paper divides the "
        "rate three times, by hand.",
    ),
    "zfnet-2014": Recipe(
        summary="as AlexNet, in fewer passes and without weight decay",
        optimizer="momentum", schedule="plateau", lr=0.01, momentum=0.9, weight_decay=0.0,
        batch=128, epochs=70, augment=("crop", "mirror"),
        sources=_all(ZFNET, "momentum", "batch", "lr", "schedule", "epochs", "augment"),
        remarks="The paper names no weight decay, lowers the rate by hand, crops at ten fixed "
        "places, and renormalises kernels whose root mean square exceeds 0.1, which is left out.",
    ),
    "vgg-2014": Recipe(
        summary="momentum over larger batches, the rate divided by 10 when validation stops "
        "improving",
        optimizer="momentum", schedule="plateau", lr=0.01, momentum=0.9, weight_decay=5e-4,
        batch=256, epochs=74, augment=("crop", "mirror"),
        sources=_all(
            VGG, "momentum", "weight_decay", "batch", "lr", "schedule", "epochs", "augment"
        ),
        remarks="Some notes give the learning rate as 0.1; the paper says 0.01. Left out: the "
        "change of colour, and training at several scales.",
    ),
    "googlenet-2014": Recipe(
        summary="momentum, the rate 4% lower every 8 passes",
        optimizer="momentum", schedule="step", momentum=0.9, drop_every=8, step_factor=0.96,
        augment=("crop",),
        sources=_all(GOOGLENET, "momentum", "schedule", "milestones", "step_factor"),
        remarks="The paper gives neither learning rate nor batch, passes or weight decay. Left "
        "out: crops of 8% to 100% of the picture with other aspects (fixed crops stand in for "
        "them), changes of light, and the average of the weights.",
    ),
    "inception-v3-2015": Recipe(
        summary="RMSprop with a large epsilon, the rate 6% lower every 2 passes",
        optimizer="damped-rmsprop", schedule="step", lr=0.045, momentum=0.0, weight_decay=0.0,
        drop_every=2, step_factor=0.94, clip=2.0, label_smoothing=0.1, batch=32, epochs=100,
        sources={
            **_all(INCEPTION, "optimizer", "lr", "milestones", "step_factor", "clip", "batch",
                   "epochs"),
            "label_smoothing": "szegedy2016rethinking, section 7",
        },
        remarks="The batch is that of each of 50 machines. The paper names neither augmentation "
        "nor weight decay. Left out: the average of the weights, whose decay is not given.",
    ),
    "resnet-2015": Recipe(
        summary="momentum from a rate of 0.1, divided by 10 when validation stops improving",
        optimizer="momentum", schedule="plateau", lr=0.1, momentum=0.9, weight_decay=1e-4,
        batch=256, epochs=120, augment=("crop", "mirror"),
        sources=_all(
            RESNET, "momentum", "weight_decay", "batch", "lr", "schedule", "epochs", "augment"
        ),
        remarks="Some notes give the weight decay as 1e-5; the paper says 1e-4. The passes are its "
        "600,000 steps over 1.28 million pictures. Left out: the change of colour, and scales "
        "other than the one of crop.",
    ),
    "resnet-cifar-2015": Recipe(
        summary="momentum from a rate of 0.1, divided by 10 after a half and three quarters",
        optimizer="momentum", schedule="step", lr=0.1, momentum=0.9, weight_decay=1e-4,
        milestones=(0.5, 0.75), batch=128, epochs=182, augment=("shift", "mirror"),
        sources=_all(
            CIFAR, "momentum", "weight_decay", "batch", "lr", "milestones", "epochs", "augment"
        ),
        remarks="The passes are its 64,000 steps over 45,000 pictures. For 110 layers the paper "
        "begins with a rate of 0.01 for some 400 steps; --warmup 0.01, a rise over the first 640, "
        "comes near that.",
    ),
    "densenet-2016": Recipe(
        summary="Nesterov's momentum, the rate divided by 10 after each third",
        optimizer="nesterov", schedule="step", lr=0.1, momentum=0.9, weight_decay=1e-4,
        milestones=(1 / 3, 2 / 3), batch=256, epochs=90, augment=("crop", "mirror"),
        sources=_all(
            DENSENET, "optimizer", "momentum", "weight_decay", "batch", "lr", "milestones",
            "epochs", "augment",
        ),
        remarks="The paper augments as others before it; fixed crops stand in for theirs.",
    ),
    "densenet-cifar-2016": Recipe(
        summary="Nesterov's momentum, the rate divided by 10 after a half and three quarters",
        optimizer="nesterov", schedule="step", lr=0.1, momentum=0.9, weight_decay=1e-4,
        milestones=(0.5, 0.75), batch=64, epochs=300, augment=("shift", "mirror"),
        sources=_all(
            DENSENET, "optimizer", "momentum", "weight_decay", "batch", "lr", "milestones",
            "epochs", "augment",
        ),
        remarks="Without augmentation the paper adds dropout of 0.2 after each convolution but the "
        "first.",
    ),
    "squeezenet-2016": Recipe(
        summary="momentum, the rate falling in a straight line",
        optimizer="momentum", schedule="linear", lr=0.04, momentum=0.9, weight_decay=2e-4,
        batch=512, epochs=68, augment=("crop",),
        sources={
            **_all("iandola2016squeezenet, section 3.3.1", "lr", "schedule"),
            **_all(SQUEEZENET, "momentum", "weight_decay", "batch", "epochs", "augment"),
        },
        remarks="The paper refers to its released settings for all but the learning rate; the "
        "passes are their 170,000 steps over 1.28 million pictures. Earlier settings of the same "
        "authors had a batch of 1024, a rate of 0.08 that fell with the root, and half the steps.",
    ),
    "mobilenet-2017": Recipe(
        summary="as Inception v3, with less regularisation",
        optimizer="damped-rmsprop", schedule="step", lr=0.045, momentum=0.0, weight_decay=0.0,
        drop_every=2, step_factor=0.94, batch=32,
        sources={
            **_all(MOBILENET, "optimizer", "label_smoothing"),
            **_all(INCEPTION, "lr", "milestones", "step_factor", "batch"),
        },
        remarks="The paper trains similarly to Inception v3, without label smoothing, with less "
        "augmentation and with very little or no weight decay on the depthwise kernels, and gives "
        "no numbers or passes. Here no kernel decays.",
    ),
}  # fmt: skip
"""By year."""
