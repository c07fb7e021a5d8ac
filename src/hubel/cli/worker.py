"""One of the processes that `hubel train --processes` starts: `python -m hubel.cli.worker`."""

from __future__ import annotations

import sys
from pathlib import Path

from hubel.cli.console import console
from hubel.cli.progress import TerminalWatcher
from hubel.errors import ElsewhereError, HubelError
from hubel.options import TrainOptions
from hubel.options.gathering import gather_options
from hubel.results.files import read_json, write_json
from hubel.training.distribution import LostError
from hubel.training.launched import Launched
from hubel.training.loop import Interrupted
from hubel.workflows.launching import ORDER, OUTCOME, Order, Outcome
from hubel.workflows.train import train
from hubel.workflows.watching import Watcher


def main() -> int:
    """Train with the others, and leave in the launch's folder how it ended.

    What a person can mend ends with status 0, lest the launcher start everything again for the same
    error; a process that has lost another one ends with status 1, so that it does.
    """
    launched = Launched.read()
    folder = launched.folder
    assert folder is not None, "hubel train --processes sets it"
    try:
        outcome = Outcome(run=_train(folder, speaks=launched.rank == 0))
    except ElsewhereError:
        return 0
    except LostError:
        return 0 if (folder / OUTCOME).is_file() else 1
    except HubelError as error:
        outcome = Outcome(error=type(error).__name__, sentence=str(error))
    except Interrupted as interrupted:
        outcome = Outcome(interrupted=True, run=str(interrupted.run))
    except KeyboardInterrupt:
        outcome = Outcome(interrupted=True)
    if outcome.error or launched.rank == 0:
        write_json(folder / OUTCOME, outcome)
    return 0


def _train(folder: Path, *, speaks: bool) -> str:
    """Train as the order in `folder` says, and return the run's folder."""
    order = read_json(folder / ORDER, Order)
    options = gather_options(TrainOptions, None, order.options)
    watcher = Watcher()
    if speaks and not order.quiet:
        out = console(json=options.json)
        watcher = TerminalWatcher(out, verbose=options.verbose == "steps")
    return str(train(order.source, options=options, watcher=watcher).path)


if __name__ == "__main__":
    sys.exit(main())
