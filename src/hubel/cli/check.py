"""`hubel check`."""

import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from hubel.options import CheckOptions
from hubel.results import Check


def check(
    *models: str,
    options: Annotated[CheckOptions | None, Parameter(name="*")] = None,
) -> int:
    """Read networks before they are trained. Ends with 1 where a finding is an error.

    Parameters
    ----------
    models
        Names of hubel's, torchvision:NAME, timm:NAME, path/to/file.py:factory or runs; several
        stand side by side.
    """
    from hubel.cli.console import console
    from hubel.workflows.check_page import write_check_page

    settings = options or CheckOptions()
    _refuse(models, settings)
    checks = [_checked(model, settings) for model in models]
    _print(checks, settings)
    said = console(json=settings.json or settings.markdown)
    for result in checks:
        if result.effective is not None:
            said.print(f"Effective receptive field: {result.effective.picture}")
    if settings.html is not None:
        write_check_page(checks, settings.html, settings.picture)
        said.print(f"Page: {settings.html}")
    errors = [f for result in checks for f in result.findings if f.severity == "error"]
    return 1 if errors else 0


def _refuse(models: Sequence[str], settings: CheckOptions) -> None:
    """Raise UsageError for options that do not fit together."""
    from hubel.errors import UsageError

    if not models:
        raise UsageError("check needs a MODEL: a name, path/to/file.py:factory, or a run.")
    if settings.json and settings.markdown:
        raise UsageError("--json and --markdown both want standard output; choose one.")
    if settings.picture is not None and settings.html is None:
        raise UsageError("--picture is shown on the page: add --html FILE.")
    if settings.depth is not None and settings.depth < 1:
        raise UsageError(f"--depth takes a number 1 or more, not {settings.depth}.")


def _checked(model: str, settings: CheckOptions) -> Check:
    """Read one network as the options say."""
    from hubel.architectures import parse_arguments
    from hubel.workflows.check import check as run_check
    from hubel.workflows.check_page import effective_picture
    from hubel.workflows.reading import parse_pixels, parse_shape

    return run_check(
        model,
        None if settings.input is None else parse_shape(settings.input),
        batch=settings.batch,
        object_px=None if settings.object is None else parse_pixels(settings.object),
        silence=settings.silence,
        outputs=settings.outputs,
        arguments=parse_arguments(settings.model_arguments),
        measure=settings.measure,
        effective=effective_picture(model, settings.html) if settings.effective else None,
        trust_code=settings.trust_code,
    )


def _print(checks: Sequence[Check], settings: CheckOptions) -> None:
    """Print JSON, Markdown or tables."""
    from hubel.cli.check_markdown import check_markdown
    from hubel.cli.check_tables import check_tables, side_by_side
    from hubel.cli.console import console, print_json

    if settings.json:
        print_json(checks[0] if len(checks) == 1 else checks)
    elif settings.markdown:
        sys.stdout.write(check_markdown(checks, settings.depth))
    else:
        out = console(json=False)
        if len(checks) > 1:
            out.print(side_by_side(checks))
            out.print()
        for result in checks:
            for part in check_tables(result, settings.depth, alone=len(checks) == 1):
                out.print(part)
                out.print()
