"""By cause: the settings of `hubel train` that cure it, worked out from those that are set.

A cause without an entry is cured in code or data, and its symptom says how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from hubel.architectures import ARCHITECTURES
from hubel.architectures.hubelnet import WIDTH
from hubel.diagnosis.knobs import Knobs
from hubel.diagnosis.thresholds import threshold
from hubel.training.optimizers import OPTIMIZERS
from hubel.training.recipes import fitted_batch, fitted_lr

Changes = dict[str, str]
"""Settings by name, as text; none where no option can help."""

_NORMAL_BATCH: Final = 32
"""Pictures a step that give batch statistics and gradients of use."""
_WARMUP: Final = 0.1
_MANY_TIMES: Final = 8
"""Times as many passes where there were one or two."""
_FEW_UPDATES: Final = 4
"""Updates a pass, under which the batch is to blame for few updates, not the passes."""
_MILD_DROPOUT: Final = 0.2
_MILD_SMOOTHING: Final = 0.1


def _number(value: float) -> str:
    return f"{value:.3g}"


def _gentler(knobs: Knobs) -> Changes:
    """A lower rate, and a warm-up where there is none."""
    rate = knobs.rate(lower=True)
    changes: Changes = {} if rate is None else {"lr": _number(rate)}
    rises = knobs.value("schedule") in {"cyclic", "onecycle"}
    if knobs.by_hubel and not rises and knobs.number("warmup") == 0:
        changes["warmup"] = _number(_WARMUP)
    return changes


def _clipped(knobs: Knobs) -> Changes:
    """A lower rate, and gradients of limited length."""
    return {**_gentler(knobs), **({} if knobs.number("clip") else {"clip": "1"})}


def _bolder(knobs: Knobs) -> Changes:
    rate = knobs.rate(lower=False)
    return {} if rate is None else {"lr": _number(rate)}


def _freer(knobs: Knobs) -> Changes:
    """A limit of the gradient that does not bind at every step."""
    clip = knobs.number("clip")
    return {} if clip is None or clip >= 1 else {"clip": "1"}


def _moving(knobs: Knobs) -> Changes:
    """Updates that weights feel: by clipping less, without rounding, else at a higher rate."""
    return _freer(knobs) or _whole_precision(knobs) or _bolder(knobs)


def _less_momentum(knobs: Knobs) -> Changes:
    usual = knobs.usual("momentum")
    return {} if not usual else {"momentum": _number(usual)}


def _slower_decay(knobs: Knobs) -> Changes:
    """A schedule that keeps its rate for longer."""
    factor = knobs.number("step_factor")
    if knobs.value("schedule") == "step" and factor is not None and factor < 0.1:
        return {"step_factor": "0.1"}
    if knobs.by_hubel and knobs.value("schedule") != "cosine":
        return {"schedule": "cosine"}
    return {}


def _tried(knobs: Knobs) -> Changes:
    """The rate of the range test, where one was found that is far from what is set."""
    rate = knobs.tried_rate()
    return {} if rate is None else {"lr": _number(rate)}


def _steadier(knobs: Knobs) -> Changes:
    """Fewer swings: a lower rate, and batches that are not tiny."""
    return {**_gentler(knobs), **_larger_batch(knobs)}


def _finite(knobs: Knobs) -> Changes:
    if knobs.value("precision") == "float16":
        return {"precision": "float32"}
    return _clipped(knobs)


def _whole_precision(knobs: Knobs) -> Changes:
    return {} if knobs.value("precision") == "float32" else {"precision": "float32"}


def _larger_batch(knobs: Knobs) -> Changes:
    batch, pictures = knobs.number("batch"), knobs.case.setting.pictures or _NORMAL_BATCH
    wanted = min(_NORMAL_BATCH, pictures)
    return {"batch": str(wanted)} if batch is not None and batch < wanted else {}


def _modes(knobs: Knobs) -> Changes:
    """One network in both modes: no average of weights, less dropout, larger batches."""
    changes = _larger_batch(knobs)
    if knobs.above("ema", 0.0):
        changes["ema"] = "0"
    if knobs.above("dropout", _MILD_DROPOUT):
        changes["dropout"] = _number(_MILD_DROPOUT)
    return changes


def _less_regularised(knobs: Knobs) -> Changes:
    """Each penalty and each noise that is above its usual strength, brought back to it."""
    changes: Changes = {}
    decay, usual = knobs.number("weight_decay"), knobs.usual("weight_decay")
    if decay is not None and usual is not None and decay > 2 * usual:
        changes["weight_decay"] = _number(usual)
    if knobs.above("l1", 0.0):
        changes["l1"] = "0"
    if knobs.above("dropout", _MILD_DROPOUT):
        changes["dropout"] = "0"
    if knobs.above("label_smoothing", _MILD_SMOOTHING):
        changes["label_smoothing"] = _number(_MILD_SMOOTHING)
    if _augments(knobs) - {"none", "safe", "mirror"}:
        changes["augment"] = "safe"
    return changes


def _more_regularised(knobs: Knobs) -> Changes:
    """What makes learning by heart harder, of what is not set yet."""
    changes: Changes = {}
    if knobs.by_hubel and _augments(knobs) <= {"none"}:
        changes["augment"] = "safe"
    decay, usual = knobs.number("weight_decay"), knobs.usual("weight_decay")
    if decay == 0 and usual:
        changes["weight_decay"] = _number(usual)
    if knobs.number("dropout") == 0:
        changes["dropout"] = _number(_MILD_DROPOUT)
    if knobs.number("label_smoothing") == 0 and knobs.case.setting.task == "classification":
        changes["label_smoothing"] = _number(_MILD_SMOOTHING)
    return changes


def _longer(knobs: Knobs) -> Changes:
    """Twice the time, or twice the passes, but many times as many where they are very few."""
    seconds, epochs = knobs.number("budget_s"), knobs.number("epochs")
    if seconds is not None:
        return {"budget": f"{2 * seconds:.0f}s"}
    if epochs is None:
        return {}
    smaller = _usual_batch(knobs)
    if smaller:
        return smaller
    factor = _MANY_TIMES if epochs <= threshold("fit/too-short.passes") else 2
    return {"epochs": str(factor * round(epochs))}


def _usual_batch(knobs: Knobs) -> Changes:
    """The usual batch and its rate, where a pass is a few updates of many pictures."""
    batch, pictures = knobs.number("batch"), knobs.case.setting.pictures
    kind = str(knobs.value("optimizer"))
    if not batch or not pictures or not knobs.by_hubel or pictures / batch >= _FEW_UPDATES:
        return {}
    usual = fitted_batch(pictures)
    if 2 * usual > batch:
        return {}
    rate = {"lr": _number(fitted_lr(kind, usual))} if kind in OPTIMIZERS else {}
    return {"batch": str(usual), **rate}


def _fits_more(knobs: Knobs) -> Changes:
    """What holds a fit back, in the order in which it is cheap to change."""
    return _less_regularised(knobs) or _tried(knobs) or {**_wider(knobs), **_longer(knobs)}


def _wider(knobs: Knobs) -> Changes:
    """Twice the maps, where the network has an argument for that."""
    arguments = knobs.value("model_arguments")
    known = set(arguments) if isinstance(arguments, Mapping) else set[str]()
    if knobs.value("model") != "hubelnet" or known - {"width"}:
        return {}
    width = arguments.get("width", WIDTH) if known else WIDTH
    return {"model_arguments": f"width={2 * round(float(width))}"}


def _augments(knobs: Knobs) -> set[str]:
    sets = knobs.value("augment")
    return {str(one) for one in sets} if isinstance(sets, list | tuple) else set()


def _not_augmented(knobs: Knobs) -> Changes:
    """No augmentation beyond the mild set; none at all where that was the one."""
    sets = _augments(knobs) - {"none"}
    if not sets:
        return {}
    return {"augment": "safe" if sets - {"safe"} else "none"}


def _normalised_network(knobs: Knobs) -> Changes:
    """A network with normalisation, where a named one has none."""
    name = str(knobs.value("model") or "")
    own_code = ":" in name or "/" in name or name.endswith(".py")
    if not knobs.by_hubel or own_code or not name or knobs.value("model_arguments"):
        return {}
    return {} if knobs.has_module("Norm") or not knobs.case.setting.modules else _HUBELNET


_HUBELNET: Final[Changes] = {"model": "hubelnet"}


def _weighted(knobs: Knobs) -> Changes:
    single = knobs.case.setting.task == "classification"
    return {"balance": "weights"} if knobs.value("balance") == "none" and single else {}


def _right_loss(knobs: Knobs) -> Changes:
    single = knobs.case.setting.task == "classification"
    return {"loss": "cross-entropy"} if knobs.by_hubel and single else {}


def _smoother_labels(knobs: Knobs) -> Changes:
    smoothing = knobs.number("label_smoothing")
    low = smoothing is not None and smoothing < _MILD_SMOOTHING
    return {"label_smoothing": _number(_MILD_SMOOTHING)} if low else {}


def _scaled(knobs: Knobs) -> Changes:
    known = knobs.value("normalise") not in {None, "standard"}
    return {"normalise": "standard"} if known else {}


def _larger_pictures(knobs: Knobs) -> Changes:
    size = knobs.number("size")
    architecture = ARCHITECTURES.get(str(knobs.value("model")))
    fixed = architecture is not None and architecture.fixed_size
    return {} if size is None or fixed else {"size": str(2 * round(size))}


def _heavier_dropout(knobs: Knobs) -> Changes:
    return {"dropout": "0.5"} if knobs.number("dropout") == 0 else {}


def _no_dropout(knobs: Knobs) -> Changes:
    return {"dropout": "0"} if knobs.by_hubel and knobs.above("dropout", 0.0) else {}


def _thawed(knobs: Knobs) -> Changes:
    return {"freeze_epochs": "1"} if knobs.above("freeze_epochs", 1) else {}


def _skips(knobs: Knobs) -> Changes:
    return {"non_finite": "skip"} if knobs.by_hubel else {}


def _cached(knobs: Knobs) -> Changes:
    return {"cache": "auto"} if knobs.number("cache_bytes") == 0 else {}


REMEDIES: Final[Mapping[str, Callable[[Knobs], Changes]]] = MappingProxyType(
    {
        "weights/frozen": _thawed,
        "weights/not-moving": _moving,
        "loss/wrong-kind": _right_loss,
        "loss/activation-before": _right_loss,
        "loss/divergence": _clipped,
        "loss/oscillation": _steadier,
        "loss/stagnation": _tried,
        "loss/non-finite": _finite,
        "design/capacity": _wider,
        "design/dropout-before-normalisation": _no_dropout,
        "design/early-downsampling": _larger_pictures,
        "design/large-head": _heavier_dropout,
        "gradient/vanishing": _normalised_network,
        "gradient/exploding": _clipped,
        "rate/too-high": _gentler,
        "rate/too-low": _bolder,
        "rate/clipped": _freer,
        "rate/momentum": _less_momentum,
        "rate/decay": _slower_decay,
        "unit/dead": _gentler,
        "unit/saturated": _normalised_network,
        "precision/underflow": _whole_precision,
        "speed/loader-bound": _cached,
        "fit/cannot-fit-batch": _tried,
        "fit/ignores-input": _tried,
        "fit/underfitting": _fits_more,
        "fit/overfitting": _more_regularised,
        "fit/over-regularised": _less_regularised,
        "fit/too-short": _longer,
        "normalisation/train-eval": _modes,
        "normalisation/drift": _larger_batch,
        "normalisation/small-batch": _larger_batch,
        "labels/noise": _smoother_labels,
        "labels/imbalance": _weighted,
        "data/range": _scaled,
        "data/non-finite": _skips,
        "data/augmentation": _not_augmented,
        "data/too-few": _more_regularised,
    }
)
