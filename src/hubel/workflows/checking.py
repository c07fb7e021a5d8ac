"""The network is read before its first step; what is found is told and kept, and stops nothing."""

from __future__ import annotations

from hubel.errors import HubelError
from hubel.results import Check, Run
from hubel.results.files import write_json
from hubel.tracing.stand_ins import randomness_kept
from hubel.training.settings import Settings
from hubel.workflows.assembling import Network
from hubel.workflows.check import check_network
from hubel.workflows.reading import Named
from hubel.workflows.watching import Watcher


def check_before(run: Run, network: Network, settings: Settings, watcher: Watcher) -> Check | None:
    """Write check.json about the network of a run, tell the watcher, and return what it says.

    Even an error in the design does not keep a run from its training: the user asked for it, and
    the finding says what it costs. Where the network cannot be read, that is said, whatever went
    wrong: a training needs no check. Random numbers are drawn afterwards as if nothing had been.
    """
    architecture = network.loaded.architecture
    named = Named(
        module=network.module,
        name=network.loaded.name,
        shape=(settings.channels, settings.size, settings.size),
        least_size=None if architecture is None else architecture.least_size,
        loss=settings.loss,
    )
    try:
        with randomness_kept():
            check = check_network(named)
    except HubelError as problem:
        watcher.said(f"The network's design was not checked: {problem}")
        return None
    except Exception as problem:  # noqa: BLE001 - any network must be trainable, readable or not
        lines = str(problem).strip().splitlines() or [""]
        reason = f"{type(problem).__name__}: {lines[0]}".rstrip(": .")
        watcher.said(
            f"The network's design was not checked ({reason}); it is trained all the same."
        )
        return None
    write_json(run.stage_file("check"), check)
    watcher.checked(check)
    return check
