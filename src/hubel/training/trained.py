"""A trained network out of its run folder, checked and ready to answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from hubel.architectures import load
from hubel.data.preprocessing import Preprocessing
from hubel.errors import RunError
from hubel.results import Calibrated, ModelCard, Run
from hubel.training.answers import Interpreter
from hubel.training.calibration import DEFAULT_ERROR, fit_calibration
from hubel.training.checkpoint import load_tensors
from hubel.training.hardware.devices import in_order
from hubel.training.inference import Loader, Progress, predict_logits
from hubel.training.numbers import in_units
from hubel.training.provenance import file_digest

NETWORK: Final = "model."
"""Prefix of the network's tensors in `model.safetensors`."""
PREPROCESSING: Final = "preprocessing."
"""Prefix of the preprocessing's tensors."""
NAMED: Final = 3
"""How many wrong tensors an error names."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A trained network with all that is needed to use it; the network is in evaluation mode."""

    module: nn.Module
    card: ModelCard
    preprocessing: Preprocessing
    calibrated: Calibrated
    """Temperature 1 and no "unknown" where nothing was fitted for these weights."""
    model_digest: str
    """SHA-256 of `model.safetensors`."""

    def interpreter(self) -> Interpreter:
        """Return what turns probabilities into answers."""
        return Interpreter(
            task=self.card.task,
            classes=self.card.classes,
            unknown_threshold=self.calibrated.unknown_threshold,
            label_thresholds=self.calibrated.label_thresholds,
        )


def load_trained(run: Run, *, trust_code: bool = False) -> Trained:
    """Return the network of a finished run, with its preprocessing and its calibration.

    `trust_code` allows the Python file that made the network to run; what runs is the copy that
    the run keeps, and only if it is the one that was trained. Nothing else in a run is executed.
    Errors: RunError where training has not ended, or files are damaged or do not fit together;
    UsageError where the network needs code or a package that is not there.
    """
    run.require_finished()
    card = run.card()
    tensors = _read_tensors(run.weights_file)
    _check_size(run, card, tensors)
    module = _build(run, card, trust_code=trust_code)
    _load_network(module, tensors, run.weights_file)
    preprocessing = _preprocessing(run, card, tensors)
    digest = file_digest(run.weights_file)
    _check_weights(run, digest)
    calibrated = run.calibrated()
    if calibrated is None or calibrated.model_digest != digest:
        calibrated = fit_calibration(
            card.task, None, fitted_on="", model_digest=digest, labels=len(card.classes)
        )
    if card.task == "multilabel" and len(calibrated.label_thresholds) != len(card.classes):
        raise RunError(
            f"{run.calibration_file} is damaged or was edited: it has "
            f"{len(calibrated.label_thresholds)} thresholds for {len(card.classes)} labels; "
            f"make it again with: hubel evaluate {run.path}"
        )
    return Trained(
        # Else one channel, which is in both orders at once, would make all of it contiguous.
        module=in_order(module.eval(), channels_last=True),
        card=card,
        preprocessing=preprocessing,
        calibrated=calibrated,
        model_digest=digest,
    )


def _check_weights(run: Run, digest: str) -> None:
    """Raise RunError where the weights are not those that the run's training ended with."""
    training = run.training()
    if training is not None and training.provenance.model_digest != digest:
        raise RunError(
            f"{run.weights_file} is not what the training in {run.stage_file('train')} ended with "
            "(its SHA-256 differs): restore both files from one run, or train again."
        )


def calibrate(
    trained: Trained,
    loader: Loader,
    wanted_error: float = DEFAULT_ERROR,
    *,
    fitted_on: str = "val",
    progress: Progress | None = None,
) -> Calibrated:
    """Return temperature and thresholds fitted on a loader's pictures (of the validation split)."""
    outputs = predict_logits(
        trained.module, loader, mirror=trained.card.mirror_tta, progress=progress
    )
    return fit_calibration(
        trained.card.task,
        outputs,
        fitted_on=fitted_on,
        model_digest=trained.model_digest,
        wanted_error=wanted_error,
        labels=len(trained.card.classes),
    )


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a safetensors file, checked for prefixes that hubel knows."""
    try:
        tensors = load_tensors(path)
    except RunError as error:
        raise RunError(f"{error} Restore it from a copy, or train again.") from error
    strange = [name for name in tensors if not name.startswith((NETWORK, PREPROCESSING))]
    if strange:
        raise RunError(
            f"{path} was not written by hubel: it has a tensor {strange[0]!r}, but names begin "
            f"with {NETWORK!r} or {PREPROCESSING!r}; restore it from a copy, or train again."
        )
    return tensors


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, which is cut off."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _check_size(run: Run, card: ModelCard, tensors: dict[str, Tensor]) -> None:
    """Refuse a card whose network is not that of the tensors before it takes memory.

    It is built without numbers for that. A network of a user's own code runs only where the user
    trusts it, and is not built twice.
    """
    if card.code_digest:
        return
    try:
        with torch.device("meta"):
            module = _build(run, card, trust_code=False)
    except (RuntimeError, NotImplementedError):
        return  # It needs numbers to be built.
    _check_fit(module.state_dict(), _below(tensors, NETWORK), run.weights_file)


def _build(run: Run, card: ModelCard, *, trust_code: bool) -> nn.Module:
    """Build the card's network with fresh weights; the global random state is left as it was."""
    channels, size, _ = card.input_shape
    with torch.random.fork_rng(devices=[]):
        loaded = load(
            card.architecture,
            outputs=len(card.classes),
            channels=channels,
            size=size,
            arguments=card.arguments,
            task=card.task,
            trust_code=trust_code,
            stored_code=_stored_code(run, card),
        )
    return in_units(loaded.module, card.task, len(card.classes))


def _stored_code(run: Run, card: ModelCard) -> str | None:
    """Return the run's copy of the Python file that made the network; None where none did."""
    if not card.code_digest:
        return None
    try:
        code = run.code_file.read_bytes()
    except OSError as error:
        raise RunError(
            f"Could not read {run.code_file}, the code of this run's network: "
            f"{error.strerror or error}."
        ) from error
    if hashlib.sha256(code).hexdigest() != card.code_digest:
        raise RunError(
            f"{run.code_file} is not the code that made this run's network (its SHA-256 is not "
            "the one in model.json): restore it from a copy, or train again."
        )
    return code.decode()


def _load_network(module: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Load the network's tensors; every name and shape must fit."""
    found = _below(tensors, NETWORK)
    _check_fit(module.state_dict(), found, path)
    module.load_state_dict(found)


def _check_fit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Raise RunError unless names and shapes are the same."""
    wrong = [f"{name} is missing" for name in wanted if name not in found]
    wrong += [f"{name} is not in the network" for name in found if name not in wanted]
    wrong += [
        f"{name} has shape {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise RunError(
            f"{path} does not fit the network in model.json: {', '.join(wrong[:NAMED])}{more}; "
            "restore both files from one run, or train again."
        )


def _preprocessing(run: Run, card: ModelCard, tensors: dict[str, Tensor]) -> Preprocessing:
    """Restore the preprocessing of a run, and check that it feeds the network."""
    preprocessing = Preprocessing.from_json(card.preprocessing, _below(tensors, PREPROCESSING))
    shape = (preprocessing.channels, preprocessing.size, preprocessing.size)
    if shape != card.input_shape:
        raise RunError(
            f"{run.model_file} contradicts itself: its preprocessing gives {shape}, but the "
            f"network takes {card.input_shape}; restore the file, or train again."
        )
    return preprocessing
