"""The program: parses the command line and calls the verb."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
