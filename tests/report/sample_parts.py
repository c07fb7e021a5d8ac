"""Plausible results: real digits, a real classifier of two lines, its real mistakes."""

from __future__ import annotations

import base64
import csv
import functools
import io
import math
from dataclasses import astuple, fields, replace

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from hubel.results import (
    Calibration,
    Choice,
    ClassCount,
    ClassScore,
    EpochRow,
    Evaluation,
    Finding,
    Inspection,
    Metric,
    Mistake,
    ModelCard,
    Plan,
    Provenance,
    ReliabilityBin,
    Run,
    Summary,
    Training,
    UnknownRule,
)

NAN = math.nan
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HUNDRED_IN_A_LINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree
orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum
rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train
trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
HUNDRED = tuple(HUNDRED_IN_A_LINE.split())

PROVENANCE = Provenance(
    hubel="0.1.0",
    python="3.13.5",
    torch="2.14.0+cpu",
    packages={"torchvision": "0.29.0", "numpy": "2.4.1", "opencv-python-headless": "5.0.0.93"},
    platform="Linux-6.12.48-x86_64-with-glibc2.41",
    processor="AMD EPYC 7B13, 2 cores",
    threads=2,
    seed=0,
    data_digest="9f2c41b8a7d0e65531c0b7f1a24d98ee02f6c3d5b81a4470e9d2c6f7a1b05c38",
    model_digest="41d8e0776cbb9a2f5ed3c18a07b64f92d6a90c1e37f58b2440ad19ce85f7b630",
    command="hubel train digits --epochs 30 --seed 0",
)


def thumbnail(pixels: np.ndarray) -> str:
    """A picture as base64 PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(pictures 0..255, labels, logits, is it in the test split), by a kernel classifier."""
    bunch = load_digits()
    pictures, labels = bunch.images * (255 / 16), bunch.target
    order = np.random.default_rng(0).permutation(len(labels))
    held_out = np.zeros(len(labels), bool)
    held_out[order[:360]] = True
    flat = bunch.images.reshape(len(labels), -1)
    distance = ((flat[:, None] - flat[~held_out][None]) ** 2).sum(2)
    near = np.exp(-distance / 220.0)
    scores = np.stack([near[:, labels[~held_out] == c].sum(1) for c in range(10)], 1)
    return pictures, labels, np.log(scores + 1e-9), held_out


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def bins(probabilities: np.ndarray, labels: np.ndarray) -> tuple[tuple[ReliabilityBin, ...], float]:
    sure, answer = probabilities.max(1), probabilities.argmax(1)
    rows, error = [], 0.0
    for low in range(10):
        inside = (sure >= low / 10) & ((sure < (low + 1) / 10) | (low == 9))
        amount = int(inside.sum())
        confidence = float(sure[inside].mean()) if amount else NAN
        accuracy = float((answer == labels)[inside].mean()) if amount else NAN
        error += amount / len(labels) * abs(confidence - accuracy) if amount else 0.0
        rows.append(
            ReliabilityBin(
                low=low / 10,
                high=(low + 1) / 10,
                count=amount,
                confidence=confidence,
                accuracy=accuracy,
            )
        )
    return tuple(rows), error


def wilson(right: int, total: int) -> Metric:
    share, z = right / total, 1.959964
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / total**2 / 4)
    return Metric(value=share, low=middle - half, high=min(1.0, middle + half))


def class_scores(names: tuple[str, ...], confusion: np.ndarray) -> tuple[ClassScore, ...]:
    rows = []
    for i, name in enumerate(names):
        recall = confusion[i, i] / max(1, confusion[i].sum())
        precision = confusion[i, i] / max(1, confusion[:, i].sum())
        rows.append(
            ClassScore(
                name=name,
                precision=float(precision),
                recall=float(recall),
                f1=float(2 * precision * recall / max(1e-9, precision + recall)),
                support=int(confusion[i].sum()),
                average_precision=NAN,
                threshold=NAN,
            )
        )
    return tuple(rows)


def most_confused(
    names: tuple[str, ...], confusion: np.ndarray
) -> tuple[tuple[str, str, int], ...]:
    pairs = [
        (names[i], names[j], int(confusion[i, j]))
        for i in range(len(names))
        for j in range(len(names))
        if i != j and confusion[i, j]
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair[2])[:10])


def rows(
    epochs: int, *, best: float = 0.982, val: bool = True, step: int = 20
) -> tuple[EpochRow, ...]:
    """Curves of a training that goes well."""
    generator = np.random.default_rng(1)
    table = []
    for epoch in range(1, epochs + 1):
        at = epoch / epochs
        fall = math.exp(-5.5 * at)
        rate = 0.01 * min(1.0, at / 0.1) * (0.5 + 0.5 * math.cos(math.pi * at))
        shake = float(generator.normal()) * (0.012 * fall + 0.0025)
        val_score = best - 0.72 * fall + shake
        table.append(
            EpochRow(
                epoch=epoch,
                step=epoch * step,
                lr=rate,
                train_loss=0.045 + 2.1 * fall + abs(shake) / 2,
                train_score=best + 0.005 - 0.8 * fall,
                val_loss=0.068 + 1.9 * fall - shake if val else NAN,
                val_score=val_score if val else NAN,
                pictures_per_s=2950 + 120 * float(generator.normal()),
                waiting_share=0.03 + 0.01 * float(generator.random()),
                seconds=1.37 * epoch,
            )
        )
    return tuple(table)


def write_log(run: Run, table: tuple[EpochRow, ...]) -> None:
    with run.log_file.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(EpochRow)])
        writer.writerows(["" if v != v else v for v in astuple(row)] for row in table)


def plan(epochs: int = 30, **values: object) -> Plan:
    def choice(name: str, value: object, by: str, reason: str) -> Choice:
        return Choice(name=name, value=value, chosen_by=by, reason=reason)

    return Plan(
        choices=(
            choice("epochs", epochs, "user", "--epochs"),
            choice("seed", 0, "user", "--seed"),
            choice("optimizer", "nesterov", "recipe", "default recipe"),
            choice("lr", 0.01, "recipe", "default recipe, for batches of 64"),
            choice("weight_decay", 5e-4, "recipe", "default recipe; not on biases and norms"),
            choice("schedule", "onecycle", "recipe", "default recipe"),
            choice("label_smoothing", 0.05, "recipe", "default recipe"),
            choice(
                "augment", ["safe"], "recipe", "keeps every label: shifts, zooms, rotations, light"
            ),
            choice("size", 8, "hubel", "the median short side of the pictures is 8"),
            choice("colour", "grey", "hubel", "every picture is grey"),
            choice("batch", 64, "hubel", "20 steps a pass for 1,222 pictures"),
            choice("precision", "float32", "hubel", "measured: bfloat16 is 1.4 times slower here"),
            choice(
                "channels_last", False, "hubel", "measured: no gain (1.02 times) on this processor"
            ),
            *(choice(name, value, "hubel", "measured") for name, value in values.items()),
        )
    )


FINDINGS = (
    Finding(
        id="data/label-conflict",
        what="Two pictures are the same and carry different labels.",
        where=("train/112", "train/871"),
        evidence="pixels are equal; labels: one, seven",
        threshold="equal pixels",
        severity="error",
        confidence=1.0,
        remedy="Look at the pictures and correct the labels.",
        source="hubel",
    ),
    Finding(
        id="data/near-duplicate",
        what="Six pairs of pictures show nearly the same.",
        where=tuple(f"train/{n}" for n in range(40, 62)),
        evidence="mean absolute difference at most 3.1 of 255",
        threshold="4 of 255",
        severity="warning",
        confidence=0.92,
        remedy="Keep one of each, or give them one group so that they stay on one side of a split.",
        source="hubel",
    ),
    Finding(
        id="data/small",
        what="Pictures are small: the median short side is 8 pixels.",
        where=(),
        evidence="8 × 8 to 8 × 8 pixels",
        threshold="16 pixels",
        severity="note",
        confidence=1.0,
        remedy="Use larger pictures where there are any.",
        source="hubel",
    ),
)


def inspection(names: tuple[str, ...] = WORDS, **changes: object) -> Inspection:
    _, labels, _, held_out = digits()
    table = []
    for c, name in enumerate(names):
        total = int((labels == c % 10).sum())
        test = int((held_out & (labels == c % 10)).sum())
        val = round((total - test) * 0.15)
        table.append(
            ClassCount(name=name, total=total, train=total - test - val, val=val, test=test)
        )
    eight = Summary(least=8, median=8, greatest=8)
    result = Inspection(
        source="digits",
        task="classification",
        pictures=sum(row.total for row in table),
        undecodable=(),
        classes=tuple(table),
        widths=eight,
        heights=eight,
        short_sides=eight,
        channels={"1": 1797},
        bit_depths={"8": 1797},
        formats={"array": 1797},
        grey=True,
        splits={s: sum(getattr(row, s) for row in table) for s in ("train", "val", "test")},
        splits_made_by="hubel",
        duplicates=(),
        findings=FINDINGS,
        seconds=0.41,
        digest=PROVENANCE.data_digest,
    )
    return replace(result, **changes)


def evaluation() -> Evaluation:
    """Of the kernel classifier on the held-out digits."""
    pictures, labels, logits, held_out = digits()
    images, truth, logits = pictures[held_out], labels[held_out], logits[held_out]
    warmth = min(
        np.arange(0.1, 1.5, 0.01),
        key=lambda t: -np.log(softmax(logits / t)[np.arange(len(truth)), truth]).mean(),
    )
    before, after = softmax(logits), softmax(logits / warmth)
    answer = before.argmax(1)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (truth, answer), 1)
    loss = -np.log(after[np.arange(len(truth)), truth])
    bins_before, ece_before = bins(before, truth)
    bins_after, ece_after = bins(after, truth)
    right = int((answer == truth).sum())
    return Evaluation(
        source="digits",
        split="test",
        task="classification",
        pictures=len(truth),
        undecodable=(),
        classes=WORDS,
        test={
            "accuracy": wilson(right, len(truth)),
            "top5": wilson(len(truth), len(truth)),
            "loss": Metric(value=float(loss.mean()), low=0.041, high=0.094),
            "ece": Metric(value=ece_after, low=ece_after * 0.6, high=ece_after * 1.9),
        },
        per_class=class_scores(WORDS, confusion),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        most_confused=most_confused(WORDS, confusion),
        calibration=Calibration(
            temperature=float(warmth),
            fitted_on="val",
            ece_before=ece_before,
            ece_after=ece_after,
            bins_before=bins_before,
            bins_after=bins_after,
        ),
        unknown=UnknownRule(
            wanted_error=0.01,
            threshold=0.614,
            fitted_on="val",
            answered_share=0.972,
            error_among_answered=0.0093,
        ),
        worst=tuple(
            Mistake(
                key=f"digits/{i}",
                path="",
                truth=WORDS[truth[i]],
                answer=WORDS[answer[i]],
                probability=float(after[i].max()),
                loss=float(loss[i]),
                thumbnail=thumbnail(images[i]),
            )
            for i in np.argsort(-loss)[:24]
        ),
        residuals=(),
        seconds=0.21,
        provenance=PROVENANCE,
    )


def card(**changes: object) -> ModelCard:
    result = ModelCard(
        architecture="hubelnet",
        arguments={"width": 32},
        input_shape=(1, 8, 8),
        task="classification",
        classes=WORDS,
        preprocessing={"size": 8},
        weights="best-ema",
        params=77_482,
        code_digest="",
        mirror_tta=False,
    )
    return replace(result, **changes)


def training(
    table: tuple[EpochRow, ...], evaluated: Evaluation | None = None, **changes: object
) -> Training:
    best = max(table, key=lambda row: -1 if math.isnan(row.val_score) else row.val_score)
    result = Training(
        model="hubelnet",
        params=77_482,
        epochs=len(table),
        steps=table[-1].step,
        seconds=table[-1].seconds,
        best_epoch=best.epoch,
        best_val_score=best.val_score,
        score_name="accuracy",
        ended="finished",
        rows=table,
        test=evaluated.test if evaluated else {},
        provenance=PROVENANCE,
    )
    return replace(result, **changes)
