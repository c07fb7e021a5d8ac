"""`python -m benchmarks NAME`: measure, print a table, and update its section of RESULTS.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

from benchmarks import (
    check_speed,
    check_timm,
    digits,
    fashion,
    fuzz,
    memory,
    networks,
    resume,
    sliding_window,
    start,
    transfer,
)
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
    "memory": (memory.add_arguments, memory.measure),
    "transfer": (transfer.add_arguments, transfer.measure),
    "networks": (networks.add_arguments, networks.measure),
    "sliding": (sliding_window.add_arguments, sliding_window.measure),
}


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, (add_arguments, measure) in BENCHMARKS.items():
        summary = (measure.__doc__ or "").splitlines()[0]
        child = names.add_parser(name, help=summary, description=summary)
        add_arguments(child)
        child.add_argument(
            "--no-record", action="store_true", help=f"leave {RESULTS.name} as it is"
        )
    arguments = vars(parser.parse_args())
    name, keep = arguments.pop("name"), not arguments.pop("no_record")
    section = BENCHMARKS[name][1](**arguments)
    print(section.markdown())
    if keep:
        record(name, section)


if __name__ == "__main__":
    main()
