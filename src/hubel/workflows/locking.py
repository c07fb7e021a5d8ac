"""One training a run folder: a lock that the system takes back when the process ends."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final, final

from filelock import FileLock, Timeout

from hubel.errors import RunError

LOCK: Final = ".lock"
"""Name of the lock's file in a run folder; it stays there, and means nothing without its lock."""
_TEMPORARY: Final = re.compile(r"\..+\.(\d+)\.tmp")


@final
class RunLock:
    """Keeps a second training out of a run folder, also one on another machine that shares it.

    The lock is the system's (flock, on Windows its equivalent): it ends with the process, however
    that ends. Where the file system knows no locks (some network mounts), `problem` says so, and
    nothing is locked. NFS passes the lock on to its server since version 4.
    """

    def __init__(self) -> None:
        self._held: list[FileLock] = []
        self.problem = ""
        self.problem = ""

    def take(self, folder: Path) -> None:
        """Lock `folder` until `release`; a lock taken before is kept too.

        Errors: RunError where another training holds it.
        """
        path = folder / LOCK
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(
                f"Another training{_owner(path)} works in {folder}: wait until it ends, or choose "
                "another folder with --out."
            ) from None
        except (OSError, NotImplementedError) as error:
            self.problem = (
                f"{folder} cannot be locked against a second training ({error}): take care not to "
                "start one in it."
            )
            return
        self._held.append(lock)
        with suppress(OSError):
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        _clear(folder)

    def release(self) -> None:
        """Let go of all that was taken."""
        while self._held:
            self._held.pop().release()

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _owner(path: Path) -> str:
    """Return who holds a lock, as its file says."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:100]
    except OSError:
        return ""
    return f" ({text})" if text.isprintable() and text else ""


def _clear(folder: Path) -> None:
    """Remove what processes that are no more left half-written."""
    for place in (folder, folder / "checkpoint"):
        for path in place.glob(".*.tmp"):
            match = _TEMPORARY.fullmatch(path.name)
            if match and not _alive(int(match[1])):
                with suppress(OSError):
                    path.unlink()


def _alive(process: int) -> bool:
    """Return whether a process of this machine runs; on others than POSIX always true."""
    if os.name != "posix" or process == os.getpid():
        return os.name != "posix"
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
