"""Results as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from hubel.results import (
    Calibrated,
    ClassScore,
    Evaluation,
    Finding,
    Inspection,
    Metric,
    Mistake,
    Plan,
    Prediction,
)

COLOURS: Final = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_SHARES: Final = ("accuracy", "top5", "map", "micro_f1", "macro_f1", "exact_match")
_NAMES: Final = {
    "map": "mAP",
    "top5": "top-5 accuracy",
    "ece": "expected calibration error",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "exact_match": "exact match",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
    "r2": "R²",
}


def plain_table(*columns: str) -> Table:
    """Return an empty table in the house's style."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def findings_table(findings: Sequence[Finding], most: int = 100, verb: str = "data") -> Table:
    """Return findings, the gravest first, at most `most`; `verb` is the one that shows all."""
    order = {"error": 0, "warning": 1, "note": 2}
    ranked = sorted(findings, key=lambda finding: order[finding.severity])
    table = plain_table("severity", "finding", "evidence", "what to try")
    for finding in ranked[:most]:
        table.add_row(
            Text(finding.severity, COLOURS[finding.severity]),
            Text(finding.what),
            Text(finding.evidence),
            Text(finding.remedy),
        )
    if len(ranked) > most:
        table.add_row("", f"and {len(ranked) - most} more: hubel {verb} shows all", "", "")
    return table


def settings_table(plan: Plan) -> Table:
    """Return how a network will be trained, a line a matter, with the reason where hubel chose."""
    table = plain_table("", "", "")
    for matter, text, deciding in _matters(plan):
        chosen = next(choice for choice in plan.choices if choice.name == deciding)
        reason = "" if chosen.chosen_by in {"user", "default"} else chosen.reason
        table.add_row(f"[dim]{matter}[/]", Text(text), Text(reason, "dim"))
    return table


def _matters(plan: Plan) -> list[tuple[str, str, str]]:
    """Return (matter, what was chosen, the setting whose reason explains it)."""
    update = f"{plan['batch']} pictures"
    if plan["accumulate"] > 1:
        update = f"{plan['accumulate']} × {update}"
    speed = f"{plan['optimizer']}, learning rate {plan['lr']:.3g}, {plan['schedule']}"
    if plan["warmup"]:
        speed += f" after {plan['warmup']:.0%} warm-up"
    if plan["weight_decay"]:
        speed += f", weight decay {plan['weight_decay']:.3g}"
    layout = "channels-last" if plan["channels_last"] else "contiguous"
    threads = f"{plan['threads']} thread{'s' if plan['threads'] > 1 else ''}"
    passes = f"{plan['epochs']} pass{'es' if plan['epochs'] > 1 else ''}"
    smoothing = plan["label_smoothing"]
    loss = plan["loss"] + (f", {smoothing:.0%} smoothed" if smoothing else "")
    return [
        ("network", f"{plan['model']}, {plan['outputs']} outputs", "model"),
        ("input", f"{plan['size']}×{plan['size']} pixels, {plan['channels']} channel"
         + ("s" if plan["channels"] > 1 else ""), "size"),
        *_start(plan),
        ("length", f"{passes}, {plan['steps']:,} steps of {update}",
         "epochs" if plan["steps"] == plan["epochs"] * plan["steps_per_pass"] else "steps"),
        ("update", speed, "lr"),
        ("loss", loss, "loss"),
        ("augmentation", ", ".join(plan["augment"])
         + (f" at {plan['augment_strength']:.0%}" if "safe" in plan["augment"] else ""),
         "augment_strength"),
        ("arithmetic", f"{plan['precision']}, {layout}, {_where(plan, threads)}", "threads"),
    ]  # fmt: skip


def _where(plan: Plan, threads: str) -> str:
    """Return what computes: threads of the processor, or a GPU; and what else is unusual."""
    values = {choice.name: choice.value for choice in plan.choices}
    text = threads if values.get("device", "cpu") == "cpu" else f"on {values['device']}"
    if values.get("compile"):
        text += ", compiled"
    if values.get("winograd"):
        text += ", Winograd's convolutions"
    pictures = values.get("micro_batch") or plan["batch"]
    return text if pictures == plan["batch"] else f"{text}, {pictures} pictures at a time"


def _start(plan: Plan) -> list[tuple[str, str, str]]:
    """Return the line about the weights that training starts from, where they are not fresh."""
    values = {choice.name: choice.value for choice in plan.choices}
    if not values.get("head"):
        return []
    passes: int = values["freeze_epochs"]
    text = values["pretrained"] or "weights of a run"
    if passes:
        text += f", body frozen for {passes} pass{'es' if passes > 1 else ''}"
    if values["body_lr"] != 1:
        text += f", body at {values['body_lr']:g} of the rate"
    return [("start", text, "freeze_epochs")]


def inspection_tables(inspection: Inspection) -> list[Table]:
    """Return what is in a source, its classes, and what is wrong with it."""
    facts = plain_table("", "")
    for name, value in (
        ("pictures", f"{inspection.pictures:,}"),
        ("cannot be decoded", f"{len(inspection.undecodable):,}"),
        ("task", inspection.task),
        (
            "width",
            _range(inspection.widths.least, inspection.widths.median, inspection.widths.greatest),
        ),
        (
            "height",
            _range(
                inspection.heights.least, inspection.heights.median, inspection.heights.greatest
            ),
        ),
        ("channels", _counts(inspection.channels)),
        ("bits", _counts(inspection.bit_depths)),
        ("formats", _counts(inspection.formats)),
        ("splits", f"{_counts(inspection.splits)}  (made by {inspection.splits_made_by})"),
    ):
        facts.add_row(f"[dim]{name}[/]", Text(value))
    classes = plain_table("class", ">total", ">train", ">val", ">test")
    for count in inspection.classes:
        classes.add_row(
            Text(count.name),
            *(f"{number:,}" for number in (count.total, count.train, count.val, count.test)),
        )
    tables = [facts]
    if inspection.classes:
        tables.append(classes)
    if inspection.findings:
        tables.append(findings_table(inspection.findings))
    return tables


def _range(least: float, median: float, greatest: float) -> str:
    if least == greatest:
        return f"{least:g} pixels"
    return f"{least:g} to {greatest:g} pixels, median {median:g}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items())


def metric_text(name: str, metric: Metric) -> str:
    """Return a metric with its 95% interval, as a share in percent or as a plain number."""
    if math.isnan(metric.value):
        return "not defined here"
    if name in _SHARES:
        return f"{metric.value:.2%}  (95% interval {metric.low:.2%} to {metric.high:.2%})"
    return f"{metric.value:.4g}  (95% interval {metric.low:.4g} to {metric.high:.4g})"


def metrics_table(evaluation: Evaluation) -> Table:
    """Return the metrics of an evaluation with their intervals."""
    table = plain_table("", "")
    for name, metric in evaluation.test.items():
        table.add_row(f"{evaluation.split} {_NAMES.get(name, name)}", metric_text(name, metric))
    return table


def classes_table(scores: Sequence[ClassScore], most: int = 40) -> Table:
    """Return precision, recall, F1 and support a class, the lowest F1 first where too many."""
    table = plain_table("class", ">precision", ">recall", ">F1", ">support")
    shown = scores if len(scores) <= most else sorted(scores, key=lambda score: score.f1)[:most]
    for score in shown:
        table.add_row(
            Text(score.name),
            *(_share(value) for value in (score.precision, score.recall, score.f1)),
            f"{score.support:,}",
        )
    if len(scores) > most:
        table.add_row(f"and {len(scores) - most} more with a higher F1", "", "", "", "")
    return table


def _share(value: float) -> str:
    """Return a share in percent; a dash where it is not defined, as a precision of no answers."""
    return "–" if math.isnan(value) else f"{value:.1%}"


def nothing_answered(calibrated: Calibrated | None) -> str:
    """Return a sentence where every answer is "unknown" by rule; empty elsewhere."""
    if calibrated is None or calibrated.unknown_threshold <= 1:
        return ""
    return (
        f'Every answer is "unknown": {calibrated.pictures} validation pictures are too few, or too '
        f"often wrong, to promise an error rate of {calibrated.wanted_error:.0%}. The most "
        "probable classes are listed all the same; hubel evaluate RUN --unknown-error RATE sets "
        "another rate."
    )


def prediction_row(prediction: Prediction) -> tuple[Text, Text, Text, Text]:
    """Return one row of the table of predictions."""
    if prediction.error:
        return Text(prediction.path), Text("no answer", "red"), Text(""), Text(prediction.error)
    share = "" if math.isnan(prediction.probability) else f"{prediction.probability:.1%}"
    label = Text("unknown", "yellow") if prediction.unknown else Text(prediction.label)
    others = ", ".join(
        f"{name} {value:.1%}" if share else f"{name} {value:.4g}" for name, value in prediction.top
    )
    return Text(prediction.path), label, Text(share), Text(others, "dim")


def worst_table(mistakes: Sequence[Mistake], most: int = 12) -> Table:
    """Return the pictures with the highest loss."""
    table = plain_table("highest loss", "truth", "answer", ">probability", ">loss")
    for mistake in mistakes[:most]:
        share = "" if math.isnan(mistake.probability) else f"{mistake.probability:.1%}"
        table.add_row(
            Text(mistake.path or mistake.key),
            Text(mistake.truth),
            Text(mistake.answer),
            share,
            f"{mistake.loss:.3g}",
        )
    return table
