"""fastai on Fashion-MNIST, from folders of PNG files."""

from __future__ import annotations

from speaking import say, say_versions

# isort: split
import argparse
import itertools
from functools import partial
from typing import Any

from fastai.callback.channelslast import ChannelsLast
from fastai.layers import ConvLayer
from fastai.vision.all import (
    Callback,
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    Flatten,
    FlipItem,
    GrandparentSplitter,
    ImageBlock,
    ImageDataLoaders,
    LabelSmoothingCrossEntropy,
    Learner,
    Mish,
    Normalize,
    PILImageBW,
    RandomResizedCrop,
    accuracy,
    get_image_files,
    parent_label,
    ranger,
    resnet18,
    set_seed,
    vision_learner,
    xresnet18,
)
from torch import nn

from fashion import CLASSES, arguments

SIZE = 28


class Telling(Callback):
    """Tells the test accuracy of each epoch; fastai's validation set is the test split here."""

    order = 80

    def before_fit(self) -> None:
        """Training starts."""
        say("start")

    def before_validate(self) -> None:
        """An epoch's training has ended."""
        say("epoch", epoch=self.epoch + 1)
        say("paused")

    def after_validate(self) -> None:
        """The test split has been seen."""
        say("accuracy", value=float(self.learn.recorder.metrics[0].value), epoch=self.epoch + 1)
        say("resumed")


def documented(options: argparse.Namespace) -> None:
    """Quick start: ImageDataLoaders, vision_learner (here from scratch), one cycle."""
    loaders = ImageDataLoaders.from_folder(options.data, train="train", valid="val")
    learner = vision_learner(loaders, resnet18, pretrained=False, metrics=accuracy)
    learner.fit_one_cycle(options.epochs, cbs=Telling())


def imagenette(options: argparse.Namespace) -> None:
    """Settings of its train_imagenette example; grey pictures, xresnet18, channels-last."""
    loaders = _grey(
        options,
        batch=64,
        item_tfms=[RandomResizedCrop(SIZE, min_scale=0.35), FlipItem(0.5)],
        batch_tfms=[Normalize.from_stats([0.286], [0.353])],
    )
    learner = Learner(
        loaders,
        xresnet18(c_in=1, n_out=CLASSES, act_cls=Mish),
        opt_func=partial(ranger, mom=0.9, sqr_mom=0.99, eps=1e-6),
        loss_func=LabelSmoothingCrossEntropy(),
        metrics=accuracy,
    )
    learner.fit_flat_cos(options.epochs, 1e-2, wd=1e-2, cbs=[ChannelsLast(), Telling()])


def small(options: argparse.Namespace) -> None:
    """The network and settings of its book's chapter on MNIST: five convolutions, batch 512."""
    loaders = _grey(options, batch=512)
    widths = (1, 8, 16, 32, 64)
    layers = [
        ConvLayer(before, after, ks=5 if before == 1 else 3, stride=2)
        for before, after in itertools.pairwise(widths)
    ]
    last = ConvLayer(widths[-1], CLASSES, stride=2, norm_type=None, act_cls=None)
    learner = Learner(
        loaders,
        nn.Sequential(*layers, last, Flatten()),
        loss_func=CrossEntropyLossFlat(),
        metrics=accuracy,
    )
    learner.fit_one_cycle(options.epochs, 0.06, cbs=[ChannelsLast(), Telling()])


def _grey(options: argparse.Namespace, *, batch: int, **transforms: Any) -> Any:
    """Return loaders of grey pictures."""
    block = DataBlock(
        blocks=(ImageBlock(cls=PILImageBW), CategoryBlock),
        get_items=get_image_files,
        splitter=GrandparentSplitter(train_name="train", valid_name="val"),
        get_y=parent_label,
        **transforms,
    )
    return block.dataloaders(options.data, bs=batch)


SETTINGS = {"documented": documented, "imagenette": imagenette, "small": small}

if __name__ == "__main__":
    chosen = arguments().parse_args()
    say_versions("fastai", "torch", "torchvision")
    set_seed(chosen.seed)
    SETTINGS[chosen.settings](chosen)
    say("final", epochs=chosen.epochs)
