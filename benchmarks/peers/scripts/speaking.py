"""How a script in a peer's environment speaks with the benchmark: JSON lines, no library needed.

Standard output is kept for the lines alone: what a library prints goes to standard error.
The benchmark reads the clock when a line arrives, so scripts need none:

    say("epoch", epoch=1)              # a moment; the fields are kept
    say("paused"); say("resumed")      # what lies between does not count
    say("accuracy", value=0.91)        # said while paused: of the model as it was at the pause
    say("versions", torch="2.14.1")    # collected by the benchmark
    say("final", …)                    # the figures at the end
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from typing import Any

_LINES = os.fdopen(os.dup(1), "w", encoding="utf-8")
sys.stdout.flush()
os.dup2(2, 1)


def say(event: str, **fields: Any) -> None:
    """Write one line."""
    _LINES.write(json.dumps({"event": event, **fields}) + "\n")
    _LINES.flush()


def say_versions(*packages: str) -> None:
    """Tell the versions of packages."""
    say("versions", **{package: version(package) for package in packages})
