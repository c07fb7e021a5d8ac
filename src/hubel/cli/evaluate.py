"""`hubel evaluate`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hubel.options import EvaluateOptions


def evaluate(
    run: Path,
    source: str | None = None,
    *,
    options: Annotated[EvaluateOptions | None, Parameter(name="*")] = None,
) -> int:
    """Measure a trained network.

    Parameters
    ----------
    run
        The run folder.
    source
        Other pictures to measure it on; by default the test split of its own.
    """
    from hubel.cli.console import console, print_json
    from hubel.cli.progress import TerminalWatcher
    from hubel.cli.tables import classes_table, metrics_table, worst_table
    from hubel.workflows.evaluate import evaluate as run_evaluation

    settings = options or EvaluateOptions()
    out = console(json=settings.json)
    watcher = TerminalWatcher(out)
    evaluation = run_evaluation(run, source, options=settings, scanning=watcher.scanning)
    watcher.ended()
    if evaluation.seen_in_training:
        out.print(
            f"[yellow]{evaluation.seen_in_training} of these pictures stand in the training split "
            "too, pixel for pixel: the figures are better than the network is.[/]"
        )
    out.print(metrics_table(evaluation))
    if evaluation.per_class:
        out.print()
        out.print(classes_table(evaluation.per_class))
    if evaluation.worst:
        out.print()
        out.print(worst_table(evaluation.worst))
    if settings.json:
        print_json(evaluation)
    return 0
