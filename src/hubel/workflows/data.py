"""What is in a source of pictures, and what is wrong with it; the public function `inspect`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from hubel.data.dataset import Dataset
from hubel.data.integrity import inspect_source
from hubel.data.opening import open_source
from hubel.data.sharding import check_shards, write_shards
from hubel.data.source import TRAIN, Source
from hubel.data.thumbnails import thumbnail
from hubel.errors import RunError, UsageError
from hubel.options import DataOptions
from hubel.options.gathering import gather_options
from hubel.results import DuplicateGroup, Inspection
from hubel.results.files import write_bytes, write_json
from hubel.workflows.folders import RUNS, slug

_GROUPS: Final = 60
_A_GROUP: Final = 8
_A_FINDING: Final = 16
"""Pictures that the page shows: of the first groups of duplicates, and of each finding."""


def inspect(
    source: str | Path | Source,
    *,
    options: DataOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Inspection:
    """Look at every picture of a source once; say what is there and what is wrong with it.

    `source` is what `hubel data` takes, or a `hubel.data.Source`; `settings` are the fields of
    `hubel.options.DataOptions`, or `options` holds them all. `progress` is called with (pictures
    done, pictures). Leaves data.json, data.html and, with `preview`, pictures of the
    preprocessing in `out` (runs/data-NAME).

    Errors: UsageError for a source or an option that does not exist or fit, SourceError for
    pictures that cannot be used, RunError for a folder that cannot be written.
    """
    options = gather_options(DataOptions, options, settings)
    if options.threads is not None and options.threads < 1:
        raise UsageError(f"--threads takes a number 1 or more, not {options.threads}.")
    if options.shards is not None:
        check_shards(options.shards, options.shard_mb)
    opened = open_source(source)
    out = _folder(results_folder(opened.name, options))
    dataset = inspect_source(opened, seed=options.seed, threads=options.threads, progress=progress)
    inspection = dataset.inspection
    write_json(out / "data.json", inspection)
    _write_page(out / "data.html", dataset)
    if options.preview:
        _write_preview(out, dataset, options)
    if options.shards is not None:
        write_shards(dataset, options.shards, largest=options.shard_mb * 1_000_000)
    return inspection


def results_folder(name: str, options: DataOptions) -> Path:
    """Return where the results about the source called `name` go."""
    return options.out or RUNS / f"data-{slug(name)}"


def _folder(out: Path) -> Path:
    """Make the folder of the results before the work, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Could not make the folder {out}: {error.strerror}; choose another with --out."
        ) from error
    return out


def _write_page(path: Path, dataset: Dataset) -> None:
    from hubel.report.data_page import render_inspection

    page = render_inspection(dataset.inspection, finding_thumbnails(dataset))
    write_bytes(path, page.encode())


def finding_thumbnails(dataset: Dataset) -> dict[str, str]:
    """Return small pictures (PNG in base64, by key) of what the findings and duplicates name."""
    wanted = set(_named(dataset.inspection))
    positions = {key: place for place, key in enumerate(dataset.source.index.keys) if key in wanted}
    return {key: thumbnail(dataset.source.read(place)) for key, place in positions.items()}


def _named(inspection: Inspection) -> Iterator[str]:
    """Yield the pictures that the page shows, where they are pictures."""
    for finding in inspection.findings:
        if finding.id != "data/undecodable":
            yield from finding.where[:_A_FINDING]
    groups = sorted(inspection.duplicates, key=_even)
    for group in groups[:_GROUPS]:
        yield from group.keys[:_A_GROUP]


def _even(group: DuplicateGroup) -> tuple[bool, bool]:
    """Sort groups across splits first, then those with different labels, as the page does."""
    return len(set(group.splits) - {""}) < 2, len(set(group.labels)) < 2


def _write_preview(out: Path, dataset: Dataset, options: DataOptions) -> None:
    """Write pictures before and after each step, and augmented batches."""
    from hubel.architectures import choose_size
    from hubel.data.preprocessing import Preprocessing
    from hubel.data.preview import write_preview

    inspection = dataset.inspection
    positions = dataset.positions(TRAIN)
    preprocessing = Preprocessing.measure(
        options,
        dataset.source,
        positions if len(positions) else dataset.usable,
        size=options.size or choose_size("hubelnet", inspection.short_sides.median),
        grey=inspection.grey,
        threads=options.threads,
    )
    write_preview(dataset, preprocessing, options.augment, out / "preview", options.seed)
