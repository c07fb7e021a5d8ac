"""The pictures that a run was trained on, opened again and checked to be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hubel.data.dataset import Dataset
from hubel.data.integrity import inspect_source
from hubel.data.manifest import compare, read_manifest
from hubel.data.opening import open_source
from hubel.data.source import Source
from hubel.errors import RunError
from hubel.results import Run
from hubel.training.inference import Progress

SHOWN: Final = 5
"""How many changes an error names."""


def own_dataset(
    run: Run,
    source: str | Path | Source | None = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Open the run's pictures again, with the same splits.

    `source` says where the pictures are now, where they have moved. Errors: RunError that names
    what changed since the run began.
    """
    opened = open_source(planned(run, "source") if source is None else source)
    dataset = inspect_source(opened, seed=planned(run, "seed"), threads=threads, progress=progress)
    check_same(run, dataset)
    return dataset


def check_same(run: Run, dataset: Dataset) -> None:
    """Raise RunError unless the pictures are those that the run was trained on."""
    changes = compare(read_manifest(run.manifest_file), dataset)
    if changes:
        more = f", and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        raise RunError(
            f"The pictures of {dataset.source.name} have changed since {run.path} began: "
            f"{'; '.join(changes[:SHOWN])}{more}. Bring them back, or train anew."
        )


def is_own(run: Run, source: Source) -> bool:
    """Whether `source` has the name, or the place, of the source that the run was trained on."""
    own = str(planned(run, "source"))
    if source.name == own:
        return True
    here, there = Path(source.name).expanduser(), Path(own).expanduser()
    return here.exists() and there.exists() and here.resolve() == there.resolve()


def planned(run: Run, name: str) -> Any:
    """Return a setting of the run's plan; RunError where it has none of that name."""
    try:
        return run.plan()[name]
    except KeyError:
        raise RunError(
            f"{run.plan_file} is damaged or was edited: it does not say {name!r}. Restore it, or "
            "train again."
        ) from None
