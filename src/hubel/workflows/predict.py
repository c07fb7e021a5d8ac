"""What a trained network says of pictures; the public function `predict`."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hubel.data.parallel import available_threads, map_ahead
from hubel.errors import PictureError, UsageError
from hubel.options import PredictOptions
from hubel.options.gathering import gather_options
from hubel.results import Prediction, Run
from hubel.training.answers import Interpreter, no_answer
from hubel.training.hardware.devices import choose_device
from hubel.training.hardware.heap import keep_heap
from hubel.training.inference import arithmetic_threads, forward
from hubel.training.metrics import probabilities
from hubel.training.trained import Trained, load_trained
from hubel.workflows.gathering import Gathered, Picture, gather
from hubel.workflows.predictions_csv import with_csv

NOT_FINITE = "the network gives no finite number for it"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Decoded:
    """A picture as the network takes it, or why it is not there."""

    name: str
    pixels: NDArray[np.uint8] | None
    """(size, size, channels)."""
    problem: str


def predict(
    run: Run | str | Path,
    pictures: Picture | Iterable[Picture],
    *,
    options: PredictOptions | None = None,
    **settings: Any,
) -> Iterator[Prediction]:
    """Yield a network's answer for each picture, in order.

    `pictures`: a path, folder or pattern, the bytes of a file, an array (height, width[,
    channels]), a PIL image, or any iterable of these, also an endless one; answers come as soon as
    two batches are decoded, and memory does not grow. A picture that cannot be decoded gives an
    answer whose `error` says why. `settings` are the fields of `hubel.options.PredictOptions`, or
    `options` holds them all.

    Errors, before the first answer: UsageError for options or paths that do not exist, RunError
    for a run that is damaged or not finished.
    """
    options = gather_options(PredictOptions, options, settings)
    _check(options)
    keep_heap()
    device = choose_device(options.device)
    run = run if isinstance(run, Run) else Run.open(run)
    gathered = gather(pictures)
    trained = load_trained(run, trust_code=options.trust_code)
    trained.module.to(device)
    predictions = _predictions(trained, gathered, options)
    if options.csv is None:
        return predictions
    return with_csv(
        predictions,
        options.csv,
        task=trained.card.task,
        classes=trained.card.classes,
        top=min(options.top, len(trained.card.classes)),
    )


def _check(options: PredictOptions) -> None:
    """Raise UsageError for a number outside its range, and for a CSV file without a folder."""
    for name in ("top", "batch", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} takes a number 1 or more, not {value}.")
    if options.csv is not None and not options.csv.parent.is_dir():
        raise UsageError(f"There is no folder {str(options.csv.parent)!r} for --csv {options.csv}.")


def _predictions(
    trained: Trained, gathered: Iterator[Gathered], options: PredictOptions
) -> Generator[Prediction]:
    """Decode ahead in threads, and send batch after batch through the network."""

    def decode(picture: Gathered, _stop: threading.Event) -> _Decoded:
        return _decoded(trained, picture)

    ahead = 2 * options.batch
    decoded = map_ahead(
        decode, gathered, threads=options.threads or available_threads(), ahead=ahead
    )
    interpreter = trained.interpreter()
    try:
        while batch := list(islice(decoded, options.batch)):
            yield from _answers(trained, interpreter, batch, options)
    finally:
        decoded.close()


def _decoded(trained: Trained, picture: Gathered) -> _Decoded:
    """Bring a picture to the network's pixels; runs in a worker thread."""
    preprocessing = trained.preprocessing
    try:
        pixels = preprocessing.resample(preprocessing.pixels(picture.raw, picture.name))
    except PictureError as error:
        return _Decoded(name=picture.name, pixels=None, problem=error.reason)
    return _Decoded(name=picture.name, pixels=pixels, problem="")


def _answers(
    trained: Trained, interpreter: Interpreter, batch: list[_Decoded], options: PredictOptions
) -> list[Prediction]:
    """Return the answers for a batch, in order."""
    pixels = [picture.pixels for picture in batch if picture.pixels is not None]
    answers = iter(_believed(trained, pixels, options.threads))
    predictions: list[Prediction] = []
    for picture in batch:
        if picture.pixels is None:
            predictions.append(no_answer(picture.name, picture.problem))
            continue
        believed = next(answers)
        if np.isfinite(believed).all():
            predictions.append(interpreter.prediction(picture.name, believed, top=options.top))
        else:
            predictions.append(no_answer(picture.name, NOT_FINITE))
    return predictions


def _believed(
    trained: Trained, pixels: list[NDArray[np.uint8]], threads: int | None
) -> NDArray[np.float64]:
    """Return calibrated probabilities, or numbers, for pictures in pixels; (pictures, outputs)."""
    if not pixels:
        return np.empty((0, len(trained.card.classes)))
    with arithmetic_threads(threads), torch.inference_mode():
        inputs = trained.preprocessing.normalise(torch.from_numpy(np.stack(pixels)))
        logits = forward(trained.module, inputs, mirror=trained.card.mirror_tta)
    return probabilities(trained.card.task, logits.cpu().numpy(), trained.calibrated.temperature)
