"""The verdict at the top of a run's page: in words first, then in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from hubel.report.charts import strips
from hubel.report.log import Log
from hubel.report.scores_view import split_name
from hubel.report.training_view import SCORES, best_row, planned_epochs, score_name, stopped_early
from hubel.report.view import Fact, Gap, command, metric_facts
from hubel.report.words import count, duration, interval, number, percent
from hubel.results import Evaluation, Inspection, Metric, ModelCard, Plan, Run, Training

MAIN = {"classification": "accuracy", "multilabel": "map", "regression": "mae"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A sentence for people, what it rests on, a strip of the classes, key figures, cautions."""

    verdict: str
    paragraphs: tuple[str, ...]
    strip: Markup | None
    strip_caption: str
    facts: tuple[Fact, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything of a run that the headline speaks of."""

    run: Run
    plan: Plan
    task: str
    model: str
    source: str
    training: Training | None
    card: ModelCard | None
    inspection: Inspection | None
    evaluation: Evaluation | None
    log: Log

    @property
    def metrics(self) -> dict[str, Metric]:
        """What was measured: by the evaluation, else at the end of the training."""
        if self.evaluation is not None:
            return self.evaluation.test
        return self.training.test if self.training is not None else {}

    @property
    def split(self) -> str:
        """Split that the metrics speak of."""
        return self.evaluation.split if self.evaluation is not None else "test"


def headline(known: Known) -> Headline:
    """Return the verdict."""
    main = MAIN.get(known.task, "accuracy")
    metric = known.metrics.get(main)
    if metric is None or not math.isfinite(metric.value):
        metric = None
    chart, caption = _strip(known, metric)
    return Headline(
        verdict=_verdict(known, metric),
        paragraphs=tuple(filter(None, (_interval(known, metric), _trained(known)))),
        strip=chart,
        strip_caption=caption,
        facts=_facts(known, main),
        gaps=tuple(_gaps(known)),
    )


def _pictures(known: Known) -> str:
    """Return how many pictures of what kind the metrics rest on."""
    kind = split_name(known.split)
    kind = "" if kind == "whole" else f"{kind} "
    if known.evaluation is not None:
        return count(known.evaluation.pictures, f"{kind}picture")
    amount = known.inspection.splits.get("test", 0) if known.inspection else 0
    return count(amount, f"{kind}picture") if amount else f"the {kind}pictures"


def _verdict(known: Known, metric: Metric | None) -> str:
    """Return the first sentence."""
    if metric is None:
        return _progress(known)
    pictures = _pictures(known)
    if known.task == "multilabel":
        return f"Mean average precision of {percent(metric.value)} on {pictures}."
    if known.task == "regression":
        r2 = known.metrics.get("r2")
        tail = f", R² {number(r2.value)}" if r2 and math.isfinite(r2.value) else ""
        return f"Off by {number(metric.value)} on average on {pictures}{tail}."
    new = known.split == "test" and not (known.evaluation and known.evaluation.seen_in_training)
    unseen = " it had never seen" if new else ""
    return f"Right on {percent(metric.value)} of {pictures}{unseen}."


def _progress(known: Known) -> str:
    """Return what can be said where nothing was measured."""
    rows = known.log.rows
    if stopped_early(known.training, known.log):
        if not rows:
            return "The training has not finished its first pass."
        wanted = planned_epochs(known.plan)
        of = f" of {wanted:,}" if wanted else ""
        return f"Not finished: {rows[-1].epoch:,}{of} passes are done."
    return "Trained, not yet measured."


def _interval(known: Known, metric: Metric | None) -> str:
    """Return what the verdict rests on, or the best validation score where there is none."""
    if metric is None:
        best = best_row(known.log.rows)
        name = score_name(known.training, known.task)
        if best is None:
            return ""
        value = number(best.val_score) if name == "r2" else percent(best.val_score)
        return f"The best validation {SCORES[name]} so far is {value}, after pass {best.epoch:,}."
    share = known.task != "regression"
    text = f"The 95% interval is {interval(metric, share=share)}."
    supports = [s.support for s in known.evaluation.per_class] if known.evaluation else []
    if known.task == "classification" and sum(supports):
        base = max(supports) / sum(supports)
        text += (
            f" Always naming the most frequent class would be right {percent(base)} of the time."
        )
    return text


def _trained(known: Known) -> str:
    """Return what was trained on what, for how long."""
    network = f"The network {known.model}" if known.model else "The network"
    if known.training is None and known.card is None:
        what = f"{network} was being trained"
    else:
        params = known.training.params if known.training else known.card.params if known.card else 0
        what = f"{network} ({count(params, 'parameter')}) was trained"
    if known.inspection is not None:
        amount = known.inspection.splits.get("train", 0)
        of = f" in {count(len(known.inspection.classes), 'class')}"
        of = of if known.task == "classification" else ""
        what += f" on {count(amount, 'picture')} of {known.source}{of}"
    elif known.source:
        what += f" on {known.source}"
    if known.training is not None:
        what += (
            f", {count(known.training.epochs, 'pass')} in {duration(known.training.seconds)} on "
            f"{known.training.provenance.processor}"
        )
    return what + "."


def _strip(known: Known, metric: Metric | None) -> tuple[Markup | None, str]:
    """Return the strip of the classes with its caption; nothing for numbers."""
    if metric is None or known.task not in {"classification", "multilabel"}:
        return None, ""
    scores = known.evaluation.per_class if known.evaluation else ()
    if known.task == "multilabel":
        parts = [(s.name, s.average_precision) for s in scores]
        return (
            strips(metric, parts, title="Average precision, whole and by label", noun="label"),
            (
                "Each bar is a label, at its average precision; the diamond is the mean, with its "
                "95% interval."
            ),
        )
    parts = [(s.name, s.recall) for s in scores if s.support]
    return (
        strips(metric, parts, title="Accuracy, whole and by class", noun="class"),
        "Each bar is a class, at the share of its pictures that is recognised; the diamond is the "
        "accuracy on all, with its 95% interval."
        if parts
        else "The diamond is the accuracy, with its 95% interval.",
    )


def _facts(known: Known, main: str) -> tuple[Fact, ...]:
    """Return the other measures, and the size and time of the training."""
    facts = list(metric_facts(known.metrics, () if known.task == "regression" else (main,)))
    if known.card is not None:
        channels, height, width = known.card.input_shape
        shape = f"{width}×{height}"
        remark = "grey" if channels == 1 else count(channels, "channel")
        facts.append(Fact(name="Input, pixels", value=shape, remark=remark))
    if known.training is not None:
        facts.append(Fact(name="Parameters", value=f"{known.training.params:,}"))
    return tuple(facts)


def _gaps(known: Known) -> list[Gap]:
    """Return what stands between the reader and the verdict."""
    gaps: list[Gap] = []
    run = known.run.path
    finished = not stopped_early(known.training, known.log)
    if not finished:
        resume = command("hubel", "train", "--resume", run)
        gaps.append(Gap(what="The training has not come to its end. Go on with:", command=resume))
    if known.evaluation is None and known.run.finished:
        evaluate = command("hubel", "evaluate", run)
        what = "The network was not evaluated: tables and mistakes are missing. Make them with:"
        gaps.append(Gap(what=what, command=evaluate))
    if known.evaluation is not None and known.evaluation.split in {"train", "all"}:
        evaluate = command("hubel", "evaluate", run, "--split", "test")
        what = "The network was trained on pictures measured here. For an honest number:"
        gaps.append(Gap(what=what, command=evaluate))
    if known.evaluation is not None and known.evaluation.seen_in_training:
        gaps.append(Gap(what=_seen(known.evaluation), grave=True))
    if known.evaluation is not None and known.evaluation.undecodable:
        amount = count(len(known.evaluation.undecodable), "picture")
        gaps.append(Gap(what=f"{amount} could not be decoded and count nowhere in these numbers."))
    if known.inspection is not None:
        wrong = [f for f in known.inspection.findings if f.severity == "error"]
        if wrong:
            what = (
                f"The data hold {count(len(wrong), 'error')}: read these numbers with that in mind."
            )
            gaps.append(Gap(what=what))
    return gaps


def _seen(evaluation: Evaluation) -> str:
    """Return the warning about pictures that the network was trained on."""
    seen, total = evaluation.seen_in_training, evaluation.pictures
    share = f" ({percent(seen / total)})" if total else ""
    verb = "shows" if seen == 1 else "show"
    return (
        f"{seen:,} of the {count(total, 'picture')} measured here{share} {verb}, pixel for pixel, "
        "what the network was trained on. The numbers on this page are better than they would be "
        "on new pictures."
    )
