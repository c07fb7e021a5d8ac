"""The section about the training: how it ended, and its curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hubel.report.charts import Series, line_chart
from hubel.report.log import Log
from hubel.report.view import Cell, Figure, Gap, Table, sort_key
from hubel.report.words import count, duration, number, percent
from hubel.results import EpochRow, ModelCard, Plan, Training, mean_waiting_share

SCORES: Final = {"accuracy": "accuracy", "map": "mean average precision", "r2": "R²"}
KEPT: Final = {
    "last": "The weights kept are those of the last pass.",
    "ema": "The weights kept are the running average at the end of the training.",
    "best": "The weights kept are those of the pass with the best validation score.",
    "best-ema": "The weights kept are the running average at the best validation score.",
}
MOST_ROWS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingView:
    """Sentences, gaps, figures, and the numbers of the figures as a table."""

    sentences: tuple[str, ...]
    gaps: tuple[Gap, ...]
    figures: tuple[Figure, ...]
    numbers: Table | None


def score_name(training: Training | None, task: str) -> str:
    """Return what a score is called: accuracy, map or r2."""
    if training is not None:
        return training.score_name
    return {"multilabel": "map", "regression": "r2"}.get(task, "accuracy")


def planned_epochs(plan: Plan) -> int | None:
    """Return how many passes the plan wants; None where it does not say."""
    try:
        epochs = plan["epochs"]
    except KeyError:
        return None
    return epochs if isinstance(epochs, int) and not isinstance(epochs, bool) else None


def best_row(rows: tuple[EpochRow, ...]) -> EpochRow | None:
    """Return the row whose weights were kept; None where there is no validation split.

    It has the highest validation score; of several, it is the last, as in the training loop.
    """
    known = [row for row in reversed(rows) if math.isfinite(row.val_score)]
    return max(known, key=lambda row: row.val_score) if known else None


def stopped_early(training: Training | None, log: Log) -> bool:
    """Return whether the training did not come to its end."""
    if training is None or training.ended == "interrupted":
        return True
    return len(log.rows) > len(training.rows)


def training_view(
    training: Training | None, card: ModelCard | None, log: Log, task: str
) -> TrainingView:
    """Return the section; it says what is missing."""
    name = score_name(training, task)
    rows = log.rows
    return TrainingView(
        sentences=tuple(_sentences(training, card, rows, name)),
        gaps=tuple(_gaps(log)),
        figures=tuple(_figures(rows, name)) if rows else (),
        numbers=_numbers(rows, name) if rows else None,
    )


def _show_score(name: str) -> Callable[[float], str]:
    """Return how a score is written."""
    return number if name == "r2" else percent


def _sentences(
    training: Training | None, card: ModelCard | None, rows: tuple[EpochRow, ...], name: str
) -> list[str]:
    """Return what the curves say."""
    if not rows:
        return []
    last = rows[-1]
    text = [f"{count(last.epoch, 'pass')} over the training split took {duration(last.seconds)}."]
    if (best := best_row(rows)) is not None:
        value = _show_score(name)(best.val_score)
        text.append(
            f"On the validation split the {SCORES[name]} was highest after pass {best.epoch:,}: "
            f"{value}."
        )
    if training is not None and training.ended == "early-stopping":
        text.append("Training stopped early, because the validation score rose no more.")
    if card is not None:
        text.append(KEPT[card.weights])
    return text


def _gaps(log: Log) -> list[Gap]:
    """Return what is missing or broken in the curves."""
    gaps: list[Gap] = []
    rows = log.rows
    if log.cut_off:
        gaps.append(Gap(what="The last line of log.csv was cut off and is left out."))
    if rows and not any(math.isfinite(row.val_score) for row in rows):
        gaps.append(
            Gap(
                what="There is no validation split, so nothing here shows how the network did on "
                "pictures it was not trained on, and no temperature could be fitted."
            )
        )
    broken = [row.epoch for row in rows if not math.isfinite(row.train_loss)]
    if broken:
        which = "pass" if len(broken) == 1 else "passes"
        names = ", ".join(map(str, broken[:8])) + (" …" if len(broken) > 8 else "")
        gaps.append(
            Gap(what=f"The training loss of {which} {names} is not a number; the curves break.")
        )
    return gaps


def _series(
    rows: tuple[EpochRow, ...], train: Callable[[EpochRow], float], val: Callable[[EpochRow], float]
) -> list[Series]:
    """Return the lines of training and of validation, each where it has a value."""
    lines = [
        Series(name="train", role="train", points=[(float(r.epoch), train(r)) for r in rows]),
        Series(name="validation", role="val", points=[(float(r.epoch), val(r)) for r in rows]),
    ]
    known = [line for line in lines if any(math.isfinite(y) for _, y in line.points)]
    return known or lines[:1]


def _figures(rows: tuple[EpochRow, ...], name: str) -> list[Figure]:
    """Return the plots: score (where any was measured), loss, learning rate, speed."""
    best = best_row(rows)
    mark = (float(best.epoch), f"best, pass {best.epoch}") if best and len(rows) > 1 else None
    scores = _series(rows, lambda r: r.train_score, lambda r: r.val_score)
    measured = any(math.isfinite(y) for line in scores for _, y in line.points)
    return [
        *([_score_figure(scores, name, mark)] if measured else []),
        _loss_figure(rows, name, mark),
        _plain_figure("Learning rate", "At the end of each pass.", [r.lr for r in rows], rows),
        _plain_figure("Pictures per second", _waited(rows), [r.pictures_per_s for r in rows], rows),
    ]


def _score_figure(scores: list[Series], name: str, mark: tuple[float, str] | None) -> Figure:
    """Return the plot of the score."""
    score = SCORES[name]
    caption = "Training values are measured on augmented pictures, while the weights change."
    if all(line.role == "val" for line in scores):
        caption = "On the validation split, after each pass."
    return Figure(
        title=score[0].upper() + score[1:],
        caption=caption,
        chart=line_chart(
            scores,
            title=f"{score} by pass",
            y_title=score,
            percent=name != "r2",
            mark=mark,
            show=_show_score(name),
        ),
    )


def _loss_figure(rows: tuple[EpochRow, ...], name: str, mark: tuple[float, str] | None) -> Figure:
    """Return the plot of the loss."""
    scaled = ", between targets and answers scaled to a standard deviation of 1"
    return Figure(
        title="Loss",
        caption=f"What training makes small{scaled if name == 'r2' else ''}. Smoothed or blended "
        "labels raise the training loss alone.",
        chart=line_chart(
            _series(rows, lambda r: r.train_loss, lambda r: r.val_loss),
            title="Loss by pass",
            y_title="loss",
            log=True,
            mark=mark,
            show=lambda v: number(v, 4),
        ),
    )


def _plain_figure(
    title: str, caption: str, values: list[float], rows: tuple[EpochRow, ...]
) -> Figure:
    """Return the plot of one measure that is neither of training nor of validation."""
    points = [(float(row.epoch), value) for row, value in zip(rows, values, strict=True)]
    return Figure(
        title=title,
        caption=caption,
        chart=line_chart(
            [Series(name=title.lower(), role="plain", points=points)],
            title=f"{title} by pass",
            y_title=title.lower(),
            zero=True,
            show=number,
        ),
    )


def _waited(rows: tuple[EpochRow, ...]) -> str:
    """Return how long the network waited for pictures, where that was measured."""
    share = mean_waiting_share(rows)
    if not math.isfinite(share):
        return ""
    return f"The network waited for pictures {percent(share)} of the time."


def _numbers(rows: tuple[EpochRow, ...], name: str) -> Table:
    """Return the passes as a table; every n-th and the last where there are over 60."""
    stride = math.ceil(len(rows) / MOST_ROWS)
    kept = [*rows[: len(rows) - 1 : stride], rows[-1]]
    show = _show_score(name)
    table = tuple(
        (
            Cell(text=str(row.epoch), key=row.epoch),
            *(
                Cell(text=text, key=sort_key(value))
                for text, value in (
                    (number(row.train_loss, 4), row.train_loss),
                    (number(row.val_loss, 4), row.val_loss),
                    (show(row.train_score), row.train_score),
                    (show(row.val_score), row.val_score),
                    (number(row.lr), row.lr),
                    (number(row.pictures_per_s), row.pictures_per_s),
                    (duration(row.seconds), row.seconds),
                )
            ),
        )
        for row in kept
    )
    left_out = f"One pass in {stride} and the last; all stand in log.csv." if stride > 1 else ""
    return Table(
        heads=(
            "pass",
            "train loss",
            "validation loss",
            f"train {name}",
            f"validation {name}",
            "learning rate",
            "pictures/s",
            "time",
        ),
        rows=table,
        sorted_by=0,
        left_out=left_out,
    )
