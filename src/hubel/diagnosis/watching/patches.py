"""Listening to functions of torch: put around them while someone listens, then taken away.

Several listeners share one patch, so that it does not matter who of them stops first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

Listener = Callable[..., Any]
"""Called in place of the function, with the function first: `listener(call, *args, **kwargs)`."""

_PATCHES: Final[dict[tuple[int, str], _Patch]] = {}


class _Patch:
    """One attribute of a class or module, with those who listen."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = name
        self.own = name in vars(owner)
        self.original: Any = vars(owner)[name] if self.own else getattr(owner, name)
        self.listeners: tuple[Listener, ...] = ()
        setattr(owner, name, self._wrapper())

    def _wrapper(self) -> Callable[..., Any]:
        original = self.original

        @functools.wraps(original)
        def listened(*args: Any, **kwargs: Any) -> Any:
            call = original
            for listener in self.listeners:
                call = functools.partial(listener, call)
            return call(*args, **kwargs)

        return listened

    def restore(self) -> None:
        if self.own:
            setattr(self.owner, self.name, self.original)
        else:
            delattr(self.owner, self.name)


class Ear:
    """Holds listeners, and takes all of them away at once."""

    def __init__(self) -> None:
        self._held: list[tuple[tuple[int, str], Listener]] = []

    def listen(self, owner: Any, name: str, listener: Listener) -> None:
        """Call `listener` in place of `owner.name` until `stop`; a class or a module owns it.

        An owner that lets nobody set attributes (a built-in class) is left alone.
        """
        key = (id(owner), name)
        if key not in _PATCHES:
            try:
                _PATCHES[key] = _Patch(owner, name)
            except (AttributeError, TypeError):
                return
        _PATCHES[key].listeners += (listener,)
        self._held.append((key, listener))

    def stop(self) -> None:
        """Take the listeners away; where nobody else listens, the function is as it was."""
        for key, listener in self._held:
            patch = _PATCHES[key]
            patch.listeners = tuple(one for one in patch.listeners if one is not listener)
            if not patch.listeners:
                _PATCHES.pop(key).restore()
        self._held.clear()
