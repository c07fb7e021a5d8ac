"""The sections about an evaluation: tables a class, confusions, mistakes, calibration, errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from hubel.report.charts import chosen, confusion_matrix, reliability_diagram, scatter
from hubel.report.view import Cell, Figure, Gap, Table, picture, sort_key
from hubel.report.words import chance, count, number, percent
from hubel.results import Calibration, ClassScore, Evaluation, Mistake, UnknownRule

MOST_ROWS: Final = 200
MOST_MISTAKES: Final = 48
MOST_TARGETS: Final = 6
SPLIT_NAMES: Final = {"train": "training", "val": "validation", "test": "test", "all": "whole"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One of the worst mistakes."""

    image: str
    truth: str
    answer: str
    probability: str
    loss: str
    path: str
    right: bool


def split_name(split: str) -> str:
    """Return the name of a split in a sentence."""
    return SPLIT_NAMES.get(split, split)


def class_table(evaluation: Evaluation) -> Table | None:
    """Return a row a class or label, weakest first; the 200 weakest where there are more."""
    if not evaluation.per_class:
        return None
    several = evaluation.task == "multilabel"

    def strength(score: ClassScore) -> float:
        value = score.average_precision if several else score.f1
        return value if math.isfinite(value) else 2.0

    ordered = sorted(evaluation.per_class, key=strength)
    kept = ordered[:MOST_ROWS]
    left = len(ordered) - len(kept)
    heads = ("recall", "precision", "F1", "pictures")
    return Table(
        heads=("label", "average precision", *heads[:3], "threshold", "pictures")
        if several
        else ("class", *heads),
        rows=tuple(_class_row(score, several=several) for score in kept),
        sorted_by=1 if several else 3,
        left_out=f"The {len(kept)} weakest of {len(ordered):,}; the others stand in evaluate.json."
        if left
        else "",
    )


def _share(value: float) -> Cell:
    """Return a share with its bar."""
    known = math.isfinite(value)
    text = percent(value).removesuffix("%") if known else percent(value)
    return Cell(text=text, key=sort_key(value), share=value if known else None)


def _class_row(score: ClassScore, *, several: bool) -> tuple[Cell, ...]:
    """Return one row of the table."""
    name = Cell(text=score.name, key=score.name)
    three = (_share(score.recall), _share(score.precision), _share(score.f1))
    support = Cell(text=f"{score.support:,}", key=score.support)
    if not several:
        return (name, *three, support)
    threshold = Cell(text=number(score.threshold), key=sort_key(score.threshold))
    return (name, _share(score.average_precision), *three, threshold, support)


def confusion_figure(evaluation: Evaluation) -> Figure | None:
    """Return the confusion matrix; of the 100 classes with the most mistakes where over 100."""
    if not evaluation.confusion:
        return None
    keep = chosen(evaluation.confusion)
    names = [evaluation.classes[i] for i in keep]
    counts = [[evaluation.confusion[i][j] for j in keep] for i in keep]
    caption = (
        "Rows are the truth, columns the answers. Shades show the share of the row, by its square "
        "root, so that rare mistakes are seen: blue where the answer is right, orange where it is "
        "wrong."
    )
    if len(keep) < len(evaluation.confusion):
        caption += (
            f" The {len(keep)} classes that take part in most mistakes; "
            f"{len(evaluation.confusion) - len(keep):,} are left out. Shares are of the row drawn."
        )
    return Figure(
        title="Confusion matrix", caption=caption, chart=confusion_matrix(names, counts), wide=True
    )


def confusions(evaluation: Evaluation) -> tuple[tuple[str, str, int, str], ...]:
    """Return (truth, answer, count, share of the truth's pictures in words), most first."""
    supports = {score.name: score.support for score in evaluation.per_class}
    return tuple(
        (truth, answer, amount, percent(amount / supports[truth]) if supports.get(truth) else "")
        for truth, answer, amount in evaluation.most_confused
        if amount
    )


def mistakes(evaluation: Evaluation) -> tuple[Shown, ...]:
    """Return the pictures with the highest loss, at most 48."""
    return tuple(_shown(mistake, evaluation) for mistake in evaluation.worst[:MOST_MISTAKES])


def mistakes_title(evaluation: Evaluation) -> str:
    """Return the heading: there are mistakes only where an answer is wrong."""
    if evaluation.task == "regression":
        return "The largest errors"
    right = all(it.right for it in mistakes(evaluation))
    return "The hardest pictures" if right else "The worst mistakes"


def mistakes_words(evaluation: Evaluation) -> str:
    """Return what the worst mistakes are, and how many of them are mistakes at all."""
    shown = mistakes(evaluation)
    what = f"{count(len(shown), 'picture')} with the highest loss"
    right = sum(it.right for it in shown)
    if right == len(shown):
        return f"The {what}. The answers are right, but less sure than on all other pictures."
    text = f"The {what}"
    if right:
        text += f": {len(shown) - right:,} wrong, {right:,} right but less sure than the rest"
    return f"{text}. Look here first for wrong labels and for what the network cannot see."


def _shown(mistake: Mistake, evaluation: Evaluation) -> Shown:
    """Return one mistake as it is shown; several labels have no probability in common."""
    several = evaluation.task == "multilabel"
    truth, answer = (
        (name.replace(";", ", ") or "no label") if several else name
        for name in (mistake.truth, mistake.answer)
    )
    return Shown(
        image=picture(mistake.thumbnail),
        truth=truth,
        answer=answer,
        probability=chance(mistake.probability) if evaluation.task == "classification" else "",
        loss=number(mistake.loss),
        path=mistake.path or mistake.key,
        right=evaluation.task != "regression" and mistake.truth == mistake.answer,
    )


def calibration_figure(evaluation: Evaluation, calibration: Calibration) -> Figure:
    """Return the reliability diagram with what it says."""
    labels = evaluation.task == "multilabel"
    believed = "On the dashed line, a probability can be taken at its word."
    return Figure(
        title="Reliability",
        caption=f"{believed} Above it, labels are present more often than the network says; below "
        "it, less often. Bars count the labels of all pictures."
        if labels
        else f"{believed} Below it, the network is too sure of itself; above it, too modest. Bars "
        "count the pictures.",
        chart=reliability_diagram(
            calibration.bins_before,
            calibration.bins_after,
            scaled=bool(calibration.fitted_on),
            labels=labels,
        ),
    )


def calibration_words(calibration: Calibration) -> tuple[str, ...]:
    """Return temperature and expected calibration error in words."""
    before = percent(calibration.ece_before, 2)
    if not calibration.fitted_on:
        return (
            f"Stated probabilities are off by {before} on average (expected calibration error).",
            "No temperature was fitted, because there is no validation split.",
        )
    kind = "sure" if calibration.temperature > 1 else "modest"
    return (
        (
            f"Stated probabilities are off by {percent(calibration.ece_after, 2)} on average after "
            f"scaling, and by {before} before it (expected calibration error)."
        ),
        f"The temperature {calibration.temperature:.3f} was fitted on the "
        f"{split_name(calibration.fitted_on)} split: the network by itself was too {kind}."
        if abs(calibration.temperature - 1) >= 0.01
        else f"The temperature {calibration.temperature:.3f}, fitted on the "
        f"{split_name(calibration.fitted_on)} split, changes next to nothing.",
    )


def unknown_words(rule: UnknownRule) -> tuple[str, ...]:
    """Return the rule for "unknown" in words."""
    split = split_name(rule.fitted_on)
    wanted = f"{number(rule.wanted_error * 100)}%"
    if not rule.threshold <= 1:
        return (
            (
                f"No threshold keeps the errors among the given answers at {wanted} or fewer on "
                f"the {split} split, so nothing is answered: every picture is “unknown”."
            ),
            "Ask for a higher rate with --unknown-error, or train a better network.",
        )
    if rule.threshold <= 0:
        return (
            (
                f"Every picture gets an answer: even so, {percent(rule.error_among_answered)} of "
                f"the answers on the {split} split are wrong, and {wanted} were allowed."
            ),
        )
    return (
        (
            f"Where the calibrated probability of the best class is below "
            f"{percent(rule.threshold)}, the answer is “unknown”."
        ),
        (
            f"On the {split} split, {percent(rule.answered_share)} of the pictures get an answer, "
            f"and {percent(rule.error_among_answered)} of these answers are wrong "
            f"(wanted: at most {wanted})."
        ),
    )


def residual_figures(evaluation: Evaluation) -> tuple[Figure, ...]:
    """Return two plots a target, of the first six targets."""
    figures: list[Figure] = []
    for target in evaluation.residuals[:MOST_TARGETS]:
        for kind, title, caption in (
            ("answers", "answers over truth", "On the dashed line the answer is exact."),
            (
                "errors",
                "errors over answers",
                "An even band around zero is good; a slope or a funnel is not.",
            ),
        ):
            plot = scatter(
                target.truth,
                target.prediction,
                name=target.name,
                kind="answers" if kind == "answers" else "errors",
            )
            figures.append(Figure(title=f"{target.name}: {title}", caption=caption, chart=plot))
    return tuple(figures)


def residual_gaps(evaluation: Evaluation) -> tuple[Gap, ...]:
    """Return what the plots leave out."""
    left = len(evaluation.residuals) - MOST_TARGETS
    if left <= 0:
        return ()
    return (Gap(what=f"{count(left, 'more target')} are left out; they stand in evaluate.json."),)
