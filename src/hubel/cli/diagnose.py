"""`hubel diagnose`."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hubel.options import DiagnoseOptions

if TYPE_CHECKING:
    from rich.console import Console

    from hubel.results import Diagnosis


def diagnose(
    subject: str | None = None,
    *,
    options: Annotated[DiagnoseOptions | None, Parameter(name="*")] = None,
) -> int:
    """Say what is wrong with a training, and what to change. Ends with 1 where a cause is an error.

    Parameters
    ----------
    subject
        A run folder; or, before a training, a source of pictures.
    """
    from hubel.cli.console import console, print_json
    from hubel.errors import UsageError

    settings = options or DiagnoseOptions()
    if settings.list:
        return _list(json=settings.json)
    if subject is None:
        raise UsageError(
            "diagnose needs a RUN, or before a training a SOURCE of pictures; --list shows every "
            "symptom that is looked for."
        )
    out = console(json=settings.json)
    diagnosis = _examined(subject, settings, out)
    _show(diagnosis, settings, out)
    if settings.json:
        print_json(diagnosis)
    return 1 if any(cause.severity == "error" for cause in diagnosis.causes) else 0


def _list(*, json: bool) -> int:
    """Print the table of symptoms."""
    from hubel.cli.console import console, print_json
    from hubel.cli.diagnosis_tables import symptoms_table
    from hubel.workflows.diagnose import symptoms

    entries = symptoms()
    if json:
        print_json(entries)
    else:
        console(json=False).print(symptoms_table(entries))
    return 0


def _examined(subject: str, settings: DiagnoseOptions, out: "Console") -> "Diagnosis":
    """Examine, with a line that says what is done now."""
    from rich.progress import BarColumn, Progress, TextColumn

    from hubel.workflows.diagnose import diagnose as run_diagnosis

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        console=out,
        transient=True,
        disable=not out.is_terminal,
    ) as bar:
        task = bar.add_task("reading", total=None)

        def told(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        def said(sentence: str) -> None:
            bar.console.print(sentence, markup=False, soft_wrap=True)

        return run_diagnosis(subject, options=settings, progress=told, said=said)


def _show(diagnosis: "Diagnosis", settings: DiagnoseOptions, out: "Console") -> None:
    """Print the diagnosis for people."""
    from pathlib import Path

    from rich.text import Text

    from hubel.cli.diagnosis_tables import diagnosis_parts
    from hubel.results import Run

    for part in diagnosis_parts(diagnosis, verbose=settings.verbose):
        out.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))
    run = Run(Path(diagnosis.subject))
    if run.stage_file("diagnosis").is_file():
        out.print(f"Report: {run.report_file}")
