"""Changes of JSON values, as someone would make them who wants a reader to stumble."""

from __future__ import annotations

import json
import random
from typing import Any, Final

_ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2, 7, 10**6, 2**31, 2**63, -(2**63), 10**30, 10**400),
    *(0.5, -0.0, 1e-320, 1e308, -1e308, 0.1, "", "0", "é", "\0", "a" * 300, "../x", "<b>&"),
    *([], {}, [[]], {"": 0}, [0] * 40, ["x"], [None], [1e308, -1e308]),
)


def mutated_json(data: bytes, chance: random.Random) -> bytes | None:
    """Return JSON with one to three of its values changed; None where it is no JSON."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    for _ in range(chance.randint(1, 3)):
        value = _changed(value, chance)
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return None


def _changed(value: Any, chance: random.Random) -> Any:
    """Walk down a random way and change what is there."""
    if isinstance(value, dict) and value and chance.random() < 0.92:
        name = chance.choice(list(value))
        return _changed_part(value, name, chance)
    if isinstance(value, list) and value and chance.random() < 0.92:
        return _changed_item(value, chance)
    return _other(value, chance)


def _changed_part(value: dict[str, Any], name: str, chance: random.Random) -> dict[str, Any]:
    roll = chance.random()
    if roll < 0.04:
        return {key: part for key, part in value.items() if key != name}
    if roll < 0.08:
        return {**value, chance.choice(("x", "sha256", name + "s")): value[name]}
    return {**value, name: _changed(value[name], chance)}


def _changed_item(value: list[Any], chance: random.Random) -> list[Any]:
    place = chance.randrange(len(value))
    roll = chance.random()
    if roll < 0.04:
        return value[:place] + value[place + 1 :]
    if roll < 0.08:
        return value[:place] + [value[place]] * 2 + value[place:]
    return [*value[:place], _changed(value[place], chance), *value[place + 1 :]]


def _other(value: Any, chance: random.Random) -> Any:
    """Return another value: a near one, an odd one, or the same much deeper."""
    roll = chance.random()
    if roll < 0.02:
        for _ in range(chance.choice((3, 200, 1200))):
            value = [value]
        return value
    if isinstance(value, int | float) and roll < 0.5:
        factor = chance.choice((-1, 0.5, 2, 10, 1000, 10**6, 10**9))
        try:
            return int(value * factor) if isinstance(value, int) else value * factor
        except (OverflowError, ValueError):
            return 0
    if isinstance(value, str) and roll < 0.4:
        return value + chance.choice(("x", "\n", "\u2028", "/", ":", ";")) * chance.choice((1, 20))
    return chance.choice(_ODD)
