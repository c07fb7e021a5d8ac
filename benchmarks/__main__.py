"""`python -m benchmarks NAME`: measure, print a table, and update its section of RESULTS.md."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks import (
    ablation,
    check_speed,
    check_timm,
    digits,
    doctor_overhead,
    fashion,
    fuzz,
    growth,
    input_alone,
    networks,
    resume,
    same_network,
    sliding_window,
    start,
    time_to_accuracy,
    transfer,
)
from benchmarks.doctor import suite as doctor
from benchmarks.doctor import treating
from benchmarks.peers import open_work, plots
from benchmarks.recording import RESULTS, Section, record

Benchmark = tuple[Callable[[argparse.ArgumentParser], None], Callable[..., Section]]

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "check": (check_speed.add_arguments, check_speed.measure),
    "check-timm": (check_timm.add_arguments, check_timm.measure),
    "start": (start.add_arguments, start.measure),
    "digits": (digits.add_arguments, digits.measure),
    "fashion": (fashion.add_arguments, fashion.measure),
    "fuzz": (fuzz.add_arguments, fuzz.measure),
    "resume": (resume.add_arguments, resume.measure),
    "growth": (growth.add_arguments, growth.measure),
    "transfer": (transfer.add_arguments, transfer.measure),
    "input": (input_alone.add_arguments, input_alone.measure),
    "same-network": (same_network.add_arguments, same_network.measure),
    "ablation": (ablation.add_arguments, ablation.measure),
    "networks": (networks.add_arguments, networks.measure),
    "time-to-accuracy": (time_to_accuracy.add_arguments, time_to_accuracy.measure),
    "doctor-overhead": (doctor_overhead.add_arguments, doctor_overhead.measure),
    "doctor": (doctor.add_arguments, doctor.measure),
    "doctor-treat": (treating.add_arguments, treating.measure),
    "sliding": (sliding_window.add_arguments, sliding_window.measure),
}


def _stop(number: int, frame: object) -> None:
    """End as after an interrupt, so that the process that is measured ends, too."""
    del frame
    sys.exit(128 + number)


def main() -> None:
    """Run one benchmark."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # The process that is measured goes, too.
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, (add_arguments, measure) in BENCHMARKS.items():
        summary = (measure.__doc__ or "").splitlines()[0]
        child = names.add_parser(name, help=summary, description=summary)
        add_arguments(child)
        child.add_argument(
            "--no-record", action="store_true", help=f"leave {RESULTS.name} and plots as they are"
        )
    arguments = vars(parser.parse_args())
    name, keep = arguments.pop("name"), not arguments.pop("no_record")
    if not keep:
        plots.write_to(Path(tempfile.gettempdir()) / "hubel-benchmark-plots")
    section = BENCHMARKS[name][1](**open_work(arguments))
    print(section.markdown())
    if keep:
        record(name, section)


if __name__ == "__main__":
    main()
