"""Recipes: named sets of defaults, and how they are fitted to the data at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from hubel.errors import look_up
from hubel.results import Choice, Task
from hubel.training.losses import DEFAULT_LOSS
from hubel.training.optimizers import OPTIMIZERS
from hubel.training.paper_recipes import PAPER_RECIPES, Recipe

LR_BATCH: Final = 128
"""The batch for which the learning rates of the table of optimizers are meant."""


RECIPES: Final[Mapping[str, Recipe]] = {
    "default": Recipe(
        summary="Muon (AdamW for other networks than hubelnet, and from published weights) under a "
        "cosine with warm-up; passes and batch by the number of pictures",
        optimizer="muon", schedule="cosine", warmup=0.2, label_smoothing=0.1, dropout=0.0,
        ema=0.0, clip=None, epochs=None, batch=None,
    ),
    "classical": Recipe(
        summary="momentum 0.9 and the rate divided by 10 twice, as in the ResNet paper",
        optimizer="momentum", schedule="step", warmup=0.0, label_smoothing=0.0, dropout=0.0,
        ema=0.0, clip=None, epochs=None, batch=128,
    ),
    **PAPER_RECIPES,
}  # fmt: skip


ADAPTIVE: Final = frozenset({"adagrad", "rmsprop", "adadelta", "adam", "adamw", "muon"})
"""Optimizers whose step does not grow with the gradient."""

PLAIN: Final = "adamw"
"""Optimizer of the default recipe where Muon was not shown to pay.

Its cost grows with the cube of a layer's maps: 6% of a step of hubelnet, which it was measured on,
but about a fifth of one of ResNet-18 over 64 pictures of 128 pixels, and more for fewer pictures.
"""

NO_WARMUP: Final = frozenset({"cyclic", "onecycle"})
"""Schedules that rise by themselves."""


def fitted_epochs(pictures: int, *, whole_split: bool = False) -> int:
    """Return 2000 / sqrt(pictures), from 8 to 120: small sets are seen more often.

    300 for an optimizer that takes one step a pass.
    """
    if whole_split:
        return 300
    return max(8, min(120, round(2000 / math.sqrt(max(pictures, 1)))))


def fitted_batch(pictures: int) -> int:
    """Return the power of two nearest to 2 sqrt(pictures), from 16 to 128."""
    return max(16, min(128, 2 ** round(math.log2(2 * math.sqrt(max(pictures, 1))))))


def fitted_strength(epochs: int) -> float:
    """Return the strength of the safe augmentation: epochs / 20, from 0.25 to 1.

    A network that sees each picture a few times does not learn them by heart; changing them then
    costs accuracy. See benchmarks/RESULTS.md.
    """
    return max(0.25, min(1.0, epochs / 20))


def fitted_lr(optimizer: str, batch: int) -> float:
    """Return the optimizer's highest learning rate for updates over `batch` pictures.

    The table's rate is meant for 128 pictures. Adaptive optimizers take it times
    sqrt(batch / 128), sgd and its kin times batch / 128, from 1/8 to 4; gd takes it as it is.
    Source: goyal2017accurate, malladi2022sdes.
    """
    kind = look_up(OPTIMIZERS, optimizer, "optimizer")
    if kind.whole_split:
        return kind.lr
    share = batch / LR_BATCH
    return kind.lr * min(4.0, max(1 / 8, math.sqrt(share) if optimizer in ADAPTIVE else share))


def recipe_lr(recipe: Recipe, optimizer: str, batch: int) -> tuple[float, str]:
    """Return the learning rate of updates over `batch` pictures, and the reason.

    A recipe's own rate is meant for its own optimizer and batch; for other batches it is taken
    times batch / its batch, or the root of that for adaptive optimizers. For another optimizer it
    means nothing: see `fitted_lr`. Source: goyal2017accurate, malladi2022sdes.
    """
    if recipe.lr is None or recipe.batch is None or optimizer != recipe.optimizer:
        return fitted_lr(optimizer, batch), f"{optimizer} over {batch} pictures an update"
    share = batch / recipe.batch
    where = recipe.sources.get("lr", "the recipe")
    if share == 1:
        return recipe.lr, where
    scaled = recipe.lr * (math.sqrt(share) if optimizer in ADAPTIVE else share)
    return scaled, f"{recipe.lr:g} for {recipe.batch} pictures ({where}), here {batch} an update"


def _optimizer(recipe: Recipe, model: str, *, pretrained: bool) -> tuple[str, str]:
    """Return the recipe's optimizer for this start, and why it is not the usual one, if so."""
    if recipe is RECIPES["default"]:
        if pretrained:
            return PLAIN, "for weights that have learned already"
        if model != "hubelnet":
            return PLAIN, "muon was measured on hubelnet, and costs large networks much of a step"
    return recipe.optimizer, ""


def resolve(
    name: str,
    given: Mapping[str, Any],
    *,
    pictures: int,
    task: Task = "classification",
    model: str = "hubelnet",
    pretrained: bool = False,
) -> tuple[Choice, ...]:
    """Return every setting of the recipe called `name` with its value and its reason.

    `given` maps names of `TrainOptions` to what the user set (absent or None: not set); those
    values stand as they are, and what depends on them follows. `pictures` counts the training
    split; `model` names the network, and `pretrained` says that training starts from published
    weights. Settings: optimizer, epochs, batch, lr, momentum, weight_decay, schedule, warmup, loss,
    milestones, step_factor, label_smoothing, dropout, ema, clip, augment. Errors: UsageError for an
    unknown recipe or name.
    """
    recipe = look_up(RECIPES, name, "recipe")
    answers = _Answers(name, given, recipe.sources)
    optimizer = answers.add("optimizer", *_optimizer(recipe, model, pretrained=pretrained))
    kind = look_up(OPTIMIZERS, optimizer, "optimizer")
    passes, batch = _passes_and_batch(answers, recipe, pictures, whole_split=kind.whole_split)
    update = batch * (given.get("accumulate") or 1)
    lr, reason = recipe_lr(recipe, optimizer, update)
    answers.add("lr", lr, reason)
    for setting in ("momentum", "weight_decay"):
        own = getattr(recipe, setting) if optimizer == recipe.optimizer else None
        default = f"default of {optimizer}" if own is None else ""
        answers.add(setting, getattr(kind, setting) if own is None else own, default)
    schedule = answers.add("schedule", recipe.schedule)
    drops = recipe.drops(passes) if schedule == recipe.schedule == "step" else ()
    answers.add(
        "milestones", drops, "" if drops else "after each third, where the schedule is step"
    )
    answers.add("step_factor", recipe.step_factor)
    fits = schedule not in NO_WARMUP
    answers.add(
        "warmup", recipe.warmup if fits else 0.0, "" if fits else f"{schedule} rises by itself"
    )
    answers.add("loss", DEFAULT_LOSS[task], f"fits a {task} task")
    smooth = task == "classification"
    answers.add(
        "label_smoothing",
        recipe.label_smoothing if smooth else 0.0,
        "" if smooth else f"a {task} task has no single class to smooth",
    )
    for rest in ("dropout", "ema", "clip", "augment"):
        answers.add(rest, getattr(recipe, rest))
    return tuple(answers.choices)


def _passes_and_batch(
    answers: _Answers, recipe: Recipe, pictures: int, *, whole_split: bool
) -> tuple[int, int]:
    epochs, batch = recipe.epochs, recipe.batch
    passes = answers.add(
        "epochs",
        fitted_epochs(pictures, whole_split=whole_split) if epochs is None else epochs,
        f"fitted to {pictures:,} training pictures: fewer pictures are seen more often"
        if epochs is None
        else "",
    )
    batch = answers.add(
        "batch",
        fitted_batch(pictures) if batch is None else min(batch, pictures),
        f"about twice the square root of {pictures:,} training pictures" if batch is None else "",
    )
    return passes, batch


class _Answers:
    """Collects choices: the user's where there is one, else the recipe's."""

    def __init__(self, recipe: str, given: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        self.recipe = recipe
        self.given = given
        self.sources = sources
        self.choices: list[Choice] = []

    def add(self, name: str, value: Any, reason: str = "") -> Any:
        """Record the setting called `name`; return the value that stands."""
        user = self.given.get(name)
        if user is not None:
            flag = name.replace("_", "-")
            choice = Choice(name=name, value=user, chosen_by="user", reason=f"set by --{flag}")
        else:
            where = f": {self.sources[name]}" if name in self.sources else ""
            reason = reason or f"recipe {self.recipe}{where}"
            choice = Choice(name=name, value=value, chosen_by="recipe", reason=reason)
        self.choices.append(choice)
        return choice.value
