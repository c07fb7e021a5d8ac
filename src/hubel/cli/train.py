"""`hubel train`."""

import time
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hubel.options import TrainOptions

if TYPE_CHECKING:
    from rich.console import Console

    from hubel.results import Run


def train(
    source: str | None = None,
    *,
    options: Annotated[TrainOptions | None, Parameter(name="*")] = None,
    config: Path | None = None,
) -> int:
    """Train a network on pictures, evaluate it on the test split, and report.

    Parameters
    ----------
    source
        A folder of class folders, a CSV, TSV or Parquet file, idx or npz files, or digits.
    config
        TOML file of options; flags win over it.
    """
    del config  # Read before parsing, see hubel.cli.main.
    began = time.perf_counter()  # Before the imports, which take seconds of a budget.
    from hubel.cli.console import console, print_json
    from hubel.cli.progress import TerminalWatcher
    from hubel.training.launched import Launched
    from hubel.training.loop import Interrupted
    from hubel.workflows.train import train as run_training

    settings = options or TrainOptions()
    out = console(json=settings.json)
    watcher = TerminalWatcher(out, verbose=settings.verbose == "steps")
    speaks = Launched.read().rank == 0
    try:
        run = run_training(source, options=settings, watcher=watcher, began=began)
    except Interrupted as interrupted:
        if speaks:
            out.print(f"Stopped, and saved. Go on with: hubel train --resume {interrupted.run}")
        return 130
    if not speaks:
        return 0
    _show(run, out)
    if settings.json:
        print_json(_summary(run))
    return 0


def _show(run: "Run", out: "Console") -> None:
    """Print what came out of the training."""
    from hubel.cli.tables import metrics_table
    from hubel.training.duration import spoken

    training, evaluation = run.training(), run.evaluation()
    assert training is not None
    waited = training.waiting_share
    waiting = "" if isnan(waited) else f"; the network waited for pictures {waited:.1%} of the time"
    out.print(f"Trained in {spoken(training.seconds)}{waiting}.")
    if evaluation is not None:
        out.print(metrics_table(evaluation))
    out.print(f"Report: {run.report_file}")


def _summary(run: "Run") -> dict[str, Any]:
    """Return the document of --json."""
    training = run.training()
    assert training is not None
    return {
        "run": str(run.path),
        "model": training.model,
        "params": training.params,
        "epochs": training.epochs,
        "seconds": training.seconds,
        "waiting_share": training.waiting_share,
        "best_epoch": training.best_epoch,
        "best_val_score": training.best_val_score,
        "score_name": training.score_name,
        "ended": training.ended,
        "test": training.test,
    }
