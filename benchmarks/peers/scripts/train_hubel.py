"""Run `hubel train` as a user does, and say what its run folder tells of each pass."""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

from speaking import say, say_versions

CHOICES = ("precision", "channels_last", "threads", "batch", "optimizer", "augment", "cache")


def main() -> None:
    """Train; what follows the scratch folder is handed to hubel as it is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scratch", type=Path)
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    say_versions("hubel", "torch", "torchvision")
    run = given.scratch / "run"
    command = [sys.executable, "-m", "hubel", "train", *given.rest, "--out", str(run)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    with (run / "log.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            say(
                "pass",
                number=int(row["epoch"]),
                pictures_per_s=float(row["pictures_per_s"]),
                waiting_share=float(row["waiting_share"]),
            )
    plan = json.loads((run / "plan.json").read_text("utf-8"))
    values = {choice["name"]: choice["value"] for choice in plan["choices"]}
    training = json.loads((run / "train.json").read_text("utf-8"))
    chosen = {name: values[name] for name in CHOICES if name in values}
    say("final", training_s=training["seconds"], **chosen)


if __name__ == "__main__":
    main()
