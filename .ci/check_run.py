"""Check that a folder of runs holds one finished run with a report, and how accurate it is."""

import json
import sys
from pathlib import Path


def main() -> str:
    """Return a sentence about the run; SystemExit where something is missing."""
    runs, least = Path(sys.argv[1]), float(sys.argv[2])
    folders = sorted(runs.iterdir()) if runs.is_dir() else []
    if len(folders) != 1:
        sys.exit(f"expected one run folder in {runs}, found {[str(one) for one in folders]}")
    run = folders[0]
    report = run / "report.html"
    if not report.is_file() or "<html" not in report.read_text("utf-8"):
        sys.exit(f"{report} is missing or is no HTML page")
    accuracy = json.loads((run / "evaluate.json").read_text("utf-8"))["test"]["accuracy"]
    if not accuracy["low"] <= accuracy["value"] <= accuracy["high"]:
        sys.exit(f"the test accuracy does not lie in its own interval: {accuracy}")
    if accuracy["value"] < least:
        sys.exit(f"test accuracy {accuracy['value']:.4f} is under {least}")
    return f"{run}: test accuracy {accuracy['value']:.4f} (at least {least}), report {report.name}"


if __name__ == "__main__":
    print(main())
