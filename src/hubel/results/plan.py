"""The plan of a run: every choice that hubel made, with its reason, before the first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One setting of a run: who chose it, and why."""

    name: str
    value: Any
    """A JSON value."""
    chosen_by: str
    """`user`, `recipe` or `hubel`."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All settings of a training, frozen; a resumed run reads it and measures nothing."""

    choices: tuple[Choice, ...]

    def __getitem__(self, name: str) -> Any:
        """Return the value of the choice called `name`; KeyError where there is none."""
        for choice in self.choices:
            if choice.name == name:
                return choice.value
        raise KeyError(name)
