"""Where the command line prints: people's text, and JSON on standard output."""

from __future__ import annotations

import sys

from rich.console import Console

from hubel.results.files import to_json


def console(*, json: bool) -> Console:
    """Return the console for people's text: standard error where JSON goes to standard output."""
    return Console(stderr=json, highlight=False)


def print_json(result: object) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(to_json(result).decode() + "\n")


def print_json_line(result: object) -> None:
    """Print one JSON document on one line of standard output."""
    sys.stdout.write(to_json(result, indent=0).decode() + "\n")
    sys.stdout.flush()
