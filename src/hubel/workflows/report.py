"""One self-contained HTML page about a run; the public function `write_report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubel.options import ReportOptions
from hubel.options.gathering import gather_options
from hubel.report.page import render_run
from hubel.results import Run
from hubel.results.files import write_bytes


def write_report(
    run: str | Path | Run, *, options: ReportOptions | None = None, **settings: Any
) -> Path:
    """Write the page about a run, finished or not, and return where it is.

    `settings` are the fields of `hubel.options.ReportOptions`, or `options` holds them all.
    Errors: UsageError where there is no run; RunError where its files are damaged or the page
    cannot be written.
    """
    options = gather_options(ReportOptions, options, settings)
    run = run if isinstance(run, Run) else Run.open(run)
    path = options.out or run.report_file
    write_bytes(path, render_run(run).encode())
    return path
