"""`hubel report`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hubel.options import ReportOptions


def report(
    run: Path,
    *,
    options: Annotated[ReportOptions | None, Parameter(name="*")] = None,
) -> int:
    """Write one self-contained HTML page about a run.

    Parameters
    ----------
    run
        The run folder.
    """
    from hubel.cli.console import console, print_json
    from hubel.workflows.report import write_report

    settings = options or ReportOptions()
    path = write_report(run, options=settings)
    console(json=settings.json).print(f"Report: {path}")
    if settings.json:
        print_json({"run": str(run), "report": str(path)})
    return 0
