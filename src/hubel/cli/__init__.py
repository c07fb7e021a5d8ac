"""The command line: a table of verbs, and how results print."""

from hubel.cli.main import main

__all__ = ["main"]
