"""Run folders of every kind, made of plausible results."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from hubel.results import (
    ClassCount,
    ClassScore,
    DuplicateGroup,
    EpochRow,
    Evaluation,
    Finding,
    Inspection,
    Metric,
    ModelCard,
    Plan,
    ResidualSummary,
    Run,
    Summary,
    Training,
)
from hubel.results.files import write_json

sys.path.insert(0, str(Path(__file__).parent))

from sample_parts import (
    FINDINGS,
    HUNDRED,
    NAN,
    PROVENANCE,
    WORDS,
    card,
    class_scores,
    digits,
    evaluation,
    inspection,
    most_confused,
    plan,
    rows,
    thumbnail,
    training,
    wilson,
    write_log,
)

__all__ = ["PROVENANCE", "evaluation", "rows"]


def write(
    folder: Path,
    *,
    frozen: Plan,
    table: tuple[EpochRow, ...],
    data: Inspection | None,
    model: ModelCard | None,
    trained: Training | None,
    evaluated: Evaluation | None,
) -> Run:
    """A run folder with the stages that are given."""
    folder.mkdir(parents=True)
    run = Run(folder)
    run.options_file.write_text('source = "digits"\nepochs = 30\nseed = 0\n', encoding="utf-8")
    write_json(run.plan_file, frozen)
    write_log(run, table)
    for stage, result in (("data", data), ("train", trained), ("evaluate", evaluated)):
        if result is not None:
            write_json(run.stage_file(stage), result)
    if model is not None:
        write_json(run.model_file, model)
        run.weights_file.write_bytes(b"weights")
    return run


def classification(folder: Path, epochs: int = 30) -> Run:
    table, evaluated = rows(epochs), evaluation()
    return write(
        folder,
        frozen=plan(epochs),
        table=table,
        data=inspection(),
        model=card(),
        trained=training(table, evaluated),
        evaluated=evaluated,
    )


def hundred(folder: Path, epochs: int = 1000) -> Run:
    """100 classes of 100 test pictures each; confused with classes of the same group of five."""
    generator = np.random.default_rng(3)
    confusion = np.zeros((100, 100), int)
    for i in range(100):
        recall = float(np.clip(generator.normal(0.77, 0.1), 0.35, 0.97))
        chances = np.full(100, (1 - recall) * 0.35 / 98)
        friends = [j for j in (i - 17, i - 3, i + 3, i + 29) if 0 <= j < 100]
        chances[friends] += (1 - recall) * 0.65 / len(friends)
        chances[i] = recall
        confusion[i] = generator.multinomial(100, chances / chances.sum())
    right = int(np.trace(confusion))
    base = evaluation()
    evaluated = replace(
        base,
        source="/data/cifar-100",
        pictures=10_000,
        classes=HUNDRED,
        test={
            "accuracy": wilson(right, 10_000),
            "top5": wilson(9_370, 10_000),
            "loss": Metric(value=0.871, low=0.846, high=0.897),
            "ece": Metric(value=0.014, low=0.011, high=0.018),
        },
        per_class=class_scores(HUNDRED, confusion),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        most_confused=most_confused(HUNDRED, confusion),
        worst=tuple(
            replace(
                m,
                path=f"/data/cifar-100/test/{HUNDRED[7 * i % 100]}/{1000 + 37 * i}.png",
                truth=HUNDRED[7 * i % 100],
                answer=HUNDRED[(7 * i + 3) % 100],
            )
            for i, m in enumerate(base.worst)
        ),
    )
    counts = tuple(
        ClassCount(
            name=name, total=500 + 100 - i % 7 * 40, train=425 - i % 7 * 40, val=75, test=100
        )
        for i, name in enumerate(HUNDRED)
    )
    thirty_two = Summary(least=32, median=32, greatest=32)
    data = inspection(
        source="/data/cifar-100",
        classes=counts,
        pictures=sum(c.total for c in counts),
        grey=False,
        widths=thirty_two,
        heights=thirty_two,
        short_sides=thirty_two,
        channels={"3": 60_000},
        formats={"PNG": 60_000},
        splits_made_by="both",
        splits={"train": sum(c.train for c in counts), "val": 7500, "test": 10_000},
    )
    table = rows(epochs, best=0.781)
    return write(
        folder,
        frozen=plan(epochs),
        table=table,
        data=data,
        model=card(classes=HUNDRED, input_shape=(3, 32, 32), params=1_214_308),
        trained=training(table, evaluated, params=1_214_308, seconds=40_123.0),
        evaluated=evaluated,
    )


def multilabel(folder: Path) -> Run:
    names = ("even", "prime", "has a loop", "has a straight stroke", "over five")
    figures = (
        (0.981, 0.96, 0.95, 0.47),
        (0.944, 0.91, 0.90, 0.39),
        (0.912, 0.88, 0.86, 0.52),
        (0.873, 0.79, 0.85, 0.33),
        (0.962, 0.93, 0.93, 0.44),
    )
    scores = tuple(
        ClassScore(
            name=name,
            average_precision=ap,
            precision=p,
            recall=r,
            f1=2 * p * r / (p + r),
            support=140 + 17 * i,
            threshold=t,
        )
        for i, (name, (ap, p, r, t)) in enumerate(zip(names, figures, strict=True))
    )
    base = evaluation()
    evaluated = replace(
        base,
        source="digits.csv",
        task="multilabel",
        classes=names,
        per_class=scores,
        confusion=(),
        most_confused=(),
        calibration=None,
        unknown=None,
        test={
            "map": Metric(value=0.934, low=0.917, high=0.949),
            "micro_f1": Metric(value=0.899, low=0.881, high=0.916),
            "macro_f1": Metric(value=0.895, low=0.876, high=0.913),
            "exact_match": Metric(value=0.742, low=0.695, high=0.785),
            "loss": Metric(value=0.211, low=0.19, high=0.236),
        },
        worst=tuple(replace(m, truth="even;has a loop", answer="even") for m in base.worst[:8]),
    )
    data = inspection(names, task="multilabel", source="digits.csv")
    table = rows(30, best=0.937)
    return write(
        folder,
        frozen=plan(),
        table=table,
        data=data,
        model=card(task="multilabel", classes=names),
        trained=training(table, evaluated, score_name="map"),
        evaluated=evaluated,
    )


def regression(folder: Path) -> Run:
    pictures, _, _, held_out = digits()
    ink = pictures[held_out].sum((1, 2)) / 400
    noise = np.random.default_rng(5).normal(size=len(ink))
    answer = ink + noise * (0.3 + 0.04 * ink)
    error = answer - ink
    mae, rmse = float(abs(error).mean()), float((error**2).mean() ** 0.5)
    r2 = 1 - float((error**2).sum() / ((ink - ink.mean()) ** 2).sum())
    base = evaluation()
    evaluated = replace(
        base,
        source="ink.csv",
        task="regression",
        classes=("ink",),
        per_class=(),
        confusion=(),
        most_confused=(),
        calibration=None,
        unknown=None,
        test={
            "mae": Metric(value=mae, low=0.94 * mae, high=1.06 * mae),
            "rmse": Metric(value=rmse, low=0.93 * rmse, high=1.08 * rmse),
            "r2": Metric(value=r2, low=r2 - 0.02, high=r2 + 0.015),
            "loss": Metric(value=0.62, low=0.55, high=0.7),
        },
        residuals=(
            ResidualSummary(
                name="ink", truth=tuple(map(float, ink)), prediction=tuple(map(float, answer))
            ),
        ),
        worst=tuple(
            replace(
                m,
                truth=f"{ink[i]:.2f}",
                answer=f"{answer[i]:.2f}",
                probability=NAN,
                loss=float(abs(error[i])),
            )
            for i, m in zip(np.argsort(-abs(error)), base.worst[:8], strict=False)
        ),
    )
    data = inspection(task="regression", source="ink.csv", classes=())
    data = replace(data, pictures=1797, splits={"train": 1222, "val": 215, "test": 360})
    table = rows(30, best=0.91)
    return write(
        folder,
        frozen=plan(),
        table=table,
        data=data,
        model=card(task="regression", classes=("ink",)),
        trained=training(table, evaluated, score_name="r2"),
        evaluated=evaluated,
    )


def interrupted(folder: Path, done: int = 12) -> Run:
    return write(
        folder,
        frozen=plan(),
        table=rows(30)[:done],
        data=inspection(),
        model=None,
        trained=None,
        evaluated=None,
    )


def troubled() -> tuple[Inspection, dict[str, str]]:
    """An inspection with every kind of trouble, and thumbnails of the pictures concerned."""
    pictures, labels, _, _ = digits()
    images = {f"photos/{WORDS[labels[i]]}/{i:04d}.png": thumbnail(pictures[i]) for i in range(80)}
    keys = list(images)
    duplicates = (
        DuplicateGroup(
            kind="exact",
            keys=(keys[3], keys[13]),
            labels=("three", "three"),
            splits=("train", "test"),
            difference=0.0,
        ),
        DuplicateGroup(
            kind="exact",
            keys=(keys[1], keys[11]),
            labels=("one", "seven"),
            splits=("train", "train"),
            difference=0.0,
        ),
        DuplicateGroup(
            kind="near",
            keys=(keys[0], keys[10], keys[20]),
            labels=("zero",) * 3,
            splits=("train", "train", "val"),
            difference=2.73,
        ),
    )
    findings = (
        Finding(
            id="data/leak",
            what="One picture stands on both sides of a split.",
            where=(keys[3], keys[13]),
            evidence="equal pixels in train and test",
            threshold="none",
            severity="error",
            confidence=1.0,
            remedy="Take it out of one of them.",
            source="hubel",
        ),
        *FINDINGS[:1],
        Finding(
            id="data/constant",
            what="Nine pictures are nearly of one colour.",
            where=tuple(keys[30:39]),
            evidence="standard deviation at most 1.9 of 255",
            threshold="2 of 255",
            severity="warning",
            confidence=0.97,
            remedy="Look at them; take out those that show nothing.",
            source="hubel",
        ),
        *FINDINGS[1:],
    )
    data = inspection(
        source="photos",
        undecodable=(
            "photos/two/broken.jpg: the file ends too early (412 bytes)",
            "photos/four/notes.jpg: this is a text file",
        ),
        findings=findings,
        duplicates=duplicates,
        splits_made_by="user",
        grey=False,
        widths=Summary(least=31, median=640, greatest=5000),
        heights=Summary(least=1, median=480, greatest=4000),
        short_sides=Summary(least=1, median=480, greatest=4000),
        formats={"JPEG": 1620, "PNG": 150, "GIF": 27},
        channels={"3": 1700, "4": 60, "1": 37},
        bit_depths={"8": 1790, "16": 7},
    )
    return data, images
