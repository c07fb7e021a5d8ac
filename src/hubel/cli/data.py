"""`hubel data`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hubel.options import DataOptions


def data(
    source: str,
    *,
    options: Annotated[DataOptions | None, Parameter(name="*")] = None,
    config: Path | None = None,
) -> int:
    """Inspect pictures: what is there, and what is wrong with it.

    Parameters
    ----------
    source
        A folder of pictures, a CSV, TSV or Parquet file, idx or npz files, or digits.
    config
        TOML file of options; flags win over it.
    """
    del config  # Read before parsing, see hubel.cli.main.
    from hubel.cli.console import console, print_json
    from hubel.cli.progress import TerminalWatcher
    from hubel.cli.tables import inspection_tables
    from hubel.workflows.data import inspect, results_folder

    settings = options or DataOptions()
    out = console(json=settings.json)
    watcher = TerminalWatcher(out)
    inspection = inspect(source, options=settings, progress=watcher.scanning)
    watcher.ended()
    if settings.json:
        print_json(inspection)
    else:
        for table in inspection_tables(inspection):
            out.print(table)
            out.print()
    folder = results_folder(inspection.source, settings)
    out.print(f"Page: {folder / 'data.html'}")
    if settings.preview:
        out.print(f"Preview: {folder / 'preview'}")
    if settings.shards is not None:
        out.print(f"Shards: {settings.shards}")
    return 0
