"""Whether what a file claims to hold can be in memory at all."""

from __future__ import annotations

import os

from hubel.errors import SourceError


def check_room(claimed_bytes: int, where: str) -> None:
    """Raise SourceError where a packed file claims more bytes than this machine has memory.

    A few bytes can unpack to as many as one likes; those that are not packed are mapped, and need
    none.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return  # This system does not say.
    if claimed_bytes > memory > 0:
        raise SourceError(
            f"{where} claims to hold {claimed_bytes / 1e9:,.0f} GB, more than this machine has "
            f"memory ({memory / 1e9:,.0f} GB): if that is true, unpack it, and it is read in place."
        )
