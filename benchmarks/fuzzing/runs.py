"""Seeds and targets of run folders: every file in one that hubel reads again.

The fuzzer plays someone who can write into a run: where a file carries a digest, it is computed
anew for each input, so that what lies behind the digest is reached too. Once the digest alone must
tell: `weights` leaves it as it comes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from benchmarks.fuzzing.tables import run_through

Target = Callable[[bytes], object]
FILES: Final = ("model", "plan", "train", "evaluate", "data", "check", "calibration")


@cache
def finished() -> Path:
    """Train a small network on scikit-learn's digits, and return its run folder."""
    import hubel

    run = Path(mkdtemp(prefix="hubel-fuzz-")) / "run"
    hubel.train(
        "digits", out=run, model="lenet5", epochs=1, batch=256, optimizer="momentum",
        precision="float32", threads=1, channels_last=False, ema=0.9,
    )  # fmt: skip
    return run


def _copied(folder: Path) -> Any:
    """Return a copy of the run that a target may spoil."""
    from hubel.results import Run

    shutil.copytree(finished(), folder / "run")
    return Run(folder / "run")


def _json_seeds(name: str) -> Iterator[bytes]:
    yield (finished() / f"{name}.json").read_bytes()


def resealed(data: bytes) -> bytes:
    """Return a JSON object with the digest that hubel would give it."""
    from hubel.results.files import DIGEST, digest_of

    try:
        values = json.loads(data)
        values.pop(DIGEST, None)
        text = json.dumps({**values, DIGEST: digest_of(values)})
    except (ValueError, AttributeError, RecursionError, TypeError, OverflowError):
        return data
    return text.encode("utf-8", "surrogatepass")


def _json(name: str, folder: Path) -> Target:
    """Read one JSON file of a run in all ways that hubel has."""
    from hubel.report.page import render_run
    from hubel.training.settings import settings_of
    from hubel.training.trained import load_trained

    run = _copied(folder)
    path = run.path / f"{name}.json"
    uses: dict[str, Callable[[], object]] = {
        "model": lambda: load_trained(run),
        "plan": lambda: settings_of(run.plan()),
        "calibration": lambda: load_trained(run),
    }

    def read(data: bytes) -> None:
        path.write_bytes(resealed(data))
        run_through(uses.get(name, run.plan), lambda: render_run(run))

    return read


def _log_seeds() -> Iterator[bytes]:
    yield (finished() / "log.csv").read_bytes()


def _log(folder: Path) -> Target:
    from hubel.report.log import read_log

    run = _copied(folder)
    return _with_file(run.log_file, lambda: read_log(run))


def _manifest_seeds() -> Iterator[bytes]:
    whole = (finished() / "data.csv").read_bytes()
    yield b"".join(whole.splitlines(keepends=True)[:5])


def _manifest(folder: Path) -> Target:
    from hubel.data.manifest import read_manifest

    return _with_file(folder / "data.csv", lambda: read_manifest(folder / "data.csv"))


def _with_file(path: Path, read: Callable[[], object]) -> Target:
    def target(data: bytes) -> None:
        path.write_bytes(data)
        read()

    return target


def _weights_seeds() -> Iterator[bytes]:
    import torch

    from hubel.training.checkpoint import Checkpoint, save, save_tensors

    path = Path(mkdtemp(prefix="hubel-fuzz-")) / "seed"
    tensors = {"model.w": torch.ones(2, 3), "model.n": torch.tensor(3), "model.e": torch.ones(0)}
    save_tensors(path, tensors)
    yield path.read_bytes()
    save(path, Checkpoint(tensors, {"step": 3, "rows": []}))
    yield path.read_bytes()
    yield (finished() / "model.safetensors").read_bytes()


def _weights(folder: Path) -> Target:
    """Read safetensors files as they come; a changed one must be refused."""
    from hubel.errors import HubelError
    from hubel.training.checkpoint import load, load_tensors

    path = folder / "weights"
    good = {_content(load_tensors, _put(path, seed)) for seed in _weights_seeds()}

    def read(data: bytes) -> None:
        try:
            content = _content(load_tensors, _put(path, data))
        except HubelError:
            return
        assert content in good, "a file that was changed is believed"
        run_through(lambda: load(path))

    return read


def _put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _content(load: Callable[[Path], dict[str, Any]], path: Path) -> str:
    from hubel.training.checkpoint import digest_of

    return digest_of(load(path))


def _checkpoint_seeds() -> Iterator[bytes]:
    from hubel.training.checkpoint import load

    yield json.dumps(dict(load(finished() / "checkpoint" / "last.safetensors").values)).encode()


@dataclass(frozen=True, slots=True)
class _Trained:
    trainer: Any
    tensors: dict[str, Any]


def _checkpoint(folder: Path) -> Target:
    """Restore a training from a checkpoint whose values were changed and sealed again."""
    from hubel.data.integrity import inspect_source
    from hubel.data.opening import open_source
    from hubel.data.preprocessing import Preprocessing
    from hubel.errors import HubelError
    from hubel.training.checkpoint import Checkpoint, load, steps_done
    from hubel.training.settings import settings_of
    from hubel.workflows.assembling import build_network, build_trainer
    from hubel.workflows.resuming import _restore

    run = _copied(folder)
    settings = settings_of(run.plan())
    dataset = inspect_source(open_source("digits"), seed=settings.seed)
    stored = load(run.checkpoints / "last.safetensors")
    preprocessing = Preprocessing.from_json(run.card().preprocessing, {})
    from dataclasses import asdict

    network = build_network(asdict(settings), trust_code=False)
    trainer = build_trainer(settings, network.module, dataset, preprocessing, run)

    def read(data: bytes) -> None:
        try:
            values = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(values, dict):
            return
        checkpoint = Checkpoint(stored.tensors, values)
        try:
            steps_done(checkpoint)
            _restore(trainer, checkpoint, run)
            if trainer.progress.step < trainer.updater.timeline.total:
                trainer.updater.rate(trainer.progress.step)
        except HubelError:
            return

    return read


TARGETS: Final = {
    **{f"{name}.json": (partial(_json_seeds, name), partial(_json, name)) for name in FILES},
    "log.csv": (_log_seeds, _log),
    "data.csv": (_manifest_seeds, _manifest),
    "safetensors": (_weights_seeds, _weights),
    "checkpoint": (_checkpoint_seeds, _checkpoint),
}
