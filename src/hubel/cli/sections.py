"""A long list of options in sections, as `--help` shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cyclopts.help import DefaultFormatter, HelpEntry, HelpPanel

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions


class Sectioned(DefaultFormatter):
    """Prints a panel of parameters as several, each begun by the option that `sections` names."""

    def __init__(self, sections: Mapping[str, str]) -> None:
        super().__init__()
        self._titles = {f"--{name.replace('_', '-')}": title for name, title in sections.items()}

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print a panel."""
        if not self._titles:
            super().__call__(console, options, panel)
            return
        for title, entries in self._split(panel.entries):
            section = panel.copy(title=title or panel.title, entries=entries)
            super().__call__(console, options, section)

    def _split(self, entries: Sequence[HelpEntry]) -> Iterator[tuple[str, list[HelpEntry]]]:
        title, found = "", list[HelpEntry]()
        for entry in entries:
            begun = next((self._titles[name] for name in entry.names if name in self._titles), "")
            if begun and found:
                yield title, found
                found = []
            title = begun or title
            found.append(entry)
        yield title, found
