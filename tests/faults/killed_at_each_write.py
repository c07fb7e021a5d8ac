"""Kill a training with SIGKILL before each of its renames, resume it, and compare the bits.

Run as a script by test_killed.py: each training is a forked process, so torch is imported once.
Prints a JSON list: for each rename its file's name, and what differs from the whole run.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

import hubel
from pictures import make_folder

SETTINGS: dict[str, Any] = {
    "epochs": 2, "batch": 12, "size": 16, "threads": 1, "precision": "float32",
    "channels_last": False, "dropout": 0.1, "ema": 0.9, "patience": 1,
}  # fmt: skip
FIRST = ("model.safetensors", "predictions.csv", "log.csv")
"""Files whose bytes must be the same; log.csv but for its times."""


def forked(work: Callable[[], object]) -> int:
    """Do `work` in a process of its own, and return how it ended."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it was, the process ends
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(number: int, work: Callable[[], object], note: Path) -> Callable[[], object]:
    """Return `work`, killed before its rename number `number`; the file's name goes to `note`."""
    replace = Path.replace
    done = 0

    def counted(path: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if done == number:
            note.write_text(Path(target).name)
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(path, target)

    def spoiled() -> None:
        Path.replace = counted  # type: ignore[method-assign]
        work()

    return spoiled


def kept(run: Path) -> dict[str, Any]:
    """Return what must not depend on being killed."""
    log = [line.split(",")[:7] for line in (run / "log.csv").read_text().splitlines()]
    training = json.loads((run / "train.json").read_text())
    return {
        "weights": hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest(),
        "predictions": (run / "predictions.csv").read_text(),
        "log": log,
        "ended": (training["ended"], training["steps"], training["best_epoch"]),
        "report": (run / "report.html").is_file(),
        "check": (run / "check.json").is_file(),
        "rubbish": [path.name for path in run.rglob("*.tmp")],
    }


def main(every: int) -> None:
    """Try each rename, or one in `every`."""
    folder = Path(tempfile.mkdtemp())
    pictures = make_folder(folder / "pictures", each=6)
    whole = folder / "whole"
    assert forked(lambda: hubel.train(pictures, out=whole, **SETTINGS)) == 0
    wanted = kept(whole)
    found: list[tuple[str, list[str]]] = []
    for number in range(1, 1000, every):
        run, note = folder / f"run-{number}", folder / f"note-{number}"
        work = killed_at(number, lambda run=run: hubel.train(pictures, out=run, **SETTINGS), note)
        if forked(work) == 0:
            break
        where = note.read_text()
        arguments = {"resume": run} if (run / "options.toml").exists() else {"out": run, **SETTINGS}
        arguments["source"] = None if "resume" in arguments else pictures
        if forked(partial(hubel.train, **arguments)) != 0:
            found.append((where, ["it did not go on"]))
            continue
        differing = [name for name, value in kept(run).items() if value != wanted[name]]
        found.append((where, differing))
    print(json.dumps({"ended": wanted["ended"], "kills": found}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
