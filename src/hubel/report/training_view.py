"""The section about the training: how it ended, and its curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hubel.report.charts import Series, line_chart
from hubel.report.log import Log
from hubel.report.view import Cell, Figure, Gap, Table, command, sort_key
from hubel.report.words import count, duration, number, percent
from hubel.results import EpochRow, ModelCard, Plan, Run, Training

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
    """Return the first row with the highest validation score; None where there is none."""
    known = [row for row in rows if math.isfinite(row.val_score)]
    return max(known, key=lambda row: row.val_score) if known else None


def stopped_early(training: Training | None, log: Log) -> bool:
    """Return whether the training did not come to its end."""
    if training is None or training.ended == "interrupted":
        return True
    return len(log.rows) > len(training.rows)


def training_view(
    run: Run, plan: Plan, training: Training | None, card: ModelCard | None, log: Log, task: str
) -> TrainingView:
    """Return the section; it says what is missing and how to go on."""
    name = score_name(training, task)
    rows = log.rows
    return TrainingView(
        sentences=tuple(_sentences(training, card, rows, name)),
        gaps=tuple(_gaps(run, plan, training, log)),
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


def _gaps(run: Run, plan: Plan, training: Training | None, log: Log) -> list[Gap]:
    """Return what is missing."""
    gaps: list[Gap] = []
    rows = log.rows
    if stopped_early(training, log):
        wanted = planned_epochs(plan)
        done = f"{rows[-1].epoch:,}" if rows else "none"
        amount = f"{done} of {wanted:,} passes are done" if wanted else f"{done} are done"
        resume = command("hubel", "train", "--resume", run.path)
        gaps.append(Gap(what=f"The training did not come to its end: {amount}.", command=resume))
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
    """Return the lines of training and, where there is any, of validation."""
    lines = [Series(name="train", role="train", points=[(r.epoch, train(r)) for r in rows])]
    if any(math.isfinite(val(row)) for row in rows):
        points = [(float(row.epoch), val(row)) for row in rows]
        lines.append(Series(name="validation", role="val", points=points))
    return lines


def _figures(rows: tuple[EpochRow, ...], name: str) -> list[Figure]:
    """Return the four plots."""
    best = best_row(rows)
    mark = (float(best.epoch), f"best, pass {best.epoch}") if best and len(rows) > 1 else None
    score = SCORES[name]
    speed = [Series(name="speed", role="plain", points=[(r.epoch, r.pictures_per_s) for r in rows])]
    rates = [Series(name="rate", role="plain", points=[(r.epoch, r.lr) for r in rows])]
    waiting = [row.waiting_share for row in rows if math.isfinite(row.waiting_share)]
    waited = f"The network waited for pictures {percent(sum(waiting) / len(waiting))} of the time."
    return [
        Figure(
            title=score[0].upper() + score[1:],
            caption="Training values are measured on augmented pictures, while the weights change.",
            chart=line_chart(
                _series(rows, lambda r: r.train_score, lambda r: r.val_score),
                title=f"{score} by pass",
                y_title=score,
                percent=name != "r2",
                mark=mark,
                show=_show_score(name),
            ),
        ),
        Figure(
            title="Loss",
            caption="What training makes small.",
            chart=line_chart(
                _series(rows, lambda r: r.train_loss, lambda r: r.val_loss),
                title="Loss by pass",
                y_title="loss",
                log=True,
                mark=mark,
                show=lambda v: number(v, 4),
            ),
        ),
        Figure(
            title="Learning rate",
            caption="At the end of each pass.",
            chart=line_chart(
                rates,
                title="Learning rate by pass",
                y_title="learning rate",
                zero=True,
                show=number,
            ),
        ),
        Figure(
            title="Speed",
            caption=waited if waiting else "",
            chart=line_chart(
                speed,
                title="Pictures per second by pass",
                y_title="pictures/s",
                zero=True,
                show=number,
            ),
        ),
    ]


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
    left_out = f"Every {stride}th pass; all stand in log.csv." if stride > 1 else ""
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
