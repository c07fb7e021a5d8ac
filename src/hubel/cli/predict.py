"""`hubel predict`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hubel.options import PredictOptions


def predict(
    run: Path,
    *pictures: str,
    options: Annotated[PredictOptions | None, Parameter(name="*")] = None,
) -> int:
    """Say what is on pictures. Ends with 1 where a picture could not be read.

    Parameters
    ----------
    run
        The run folder.
    pictures
        Files, folders, patterns, or - for a list of them on standard input.
    """
    from hubel.cli.console import console, print_json_line
    from hubel.cli.tables import nothing_answered, plain_table, prediction_row
    from hubel.errors import UsageError
    from hubel.results import Run
    from hubel.workflows.predict import predict as run_prediction

    settings = options or PredictOptions()
    out = console(json=settings.json)
    if not pictures:
        raise UsageError("predict needs PICTURES: files, folders, patterns, or - for a list.")
    table = plain_table("picture", "answer", ">probability", "most probable")
    failed = 0
    for prediction in run_prediction(run, pictures, options=settings):
        failed += bool(prediction.error)
        if settings.json:
            print_json_line(prediction)
        else:
            table.add_row(*prediction_row(prediction))
    if not settings.json:
        out.print(table)
    sentence = nothing_answered(Run.open(run).calibrated())
    if sentence:
        out.print(sentence, style="yellow", markup=False)
    return 1 if failed else 0
