"""Whether a network can be trained on pictures without giving a wrong answer."""

from __future__ import annotations

from typing import Final

from hubel.data.dataset import Dataset
from hubel.data.source import Source
from hubel.errors import LeakError, SourceError

FATAL: Final = ("data/one-class", "data/no-train")
LEAKS: Final = ("data/leak", "data/near-leak")
_SHOWN: Final = 20


def require_labels(source: Source) -> None:
    """Raise SourceError for a source without labels, before its pictures are looked at."""
    if source.index.task == "unlabelled":
        raise SourceError(
            f"{source.name} has no labels to learn: put the pictures into one folder a class, or "
            "name them in a CSV file with path,label. hubel data inspects it as it is."
        )


def require_trainable(dataset: Dataset, *, allow_leaks: bool = False) -> None:
    """Raise unless a network can be trained on the data set.

    Errors: SourceError for one class or no training pictures; LeakError, with the list, for
    pictures on both sides of splits that the user made, unless `allow_leaks`.
    """
    name = dataset.source.name
    errors = [f for f in dataset.inspection.findings if f.severity == "error"]
    for finding in errors:
        if finding.id in FATAL:
            raise SourceError(f"{name}: {finding.what} {finding.remedy}")
    leaks = [finding for finding in errors if finding.id in LEAKS]
    if leaks and not allow_leaks:
        what = " ".join(f"{leak.what} ({leak.evidence})" for leak in leaks)
        pictures = [where for leak in leaks for where in leak.where]
        shown = "\n  ".join(pictures[:_SHOWN])
        more = f"\n  and {len(pictures) - _SHOWN} more" if len(pictures) > _SHOWN else ""
        raise LeakError(
            f"{name}: {what} Keep each on one side, let hubel make the splits, or train all the "
            f"same with --allow-leaks:\n  {shown}{more}"
        )
