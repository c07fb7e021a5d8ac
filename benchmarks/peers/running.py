"""One arm, run once: started, listened to, measured from outside, cut off in time."""

from __future__ import annotations

import json
import os
import queue
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import IO, Any, Final

from benchmarks.peers.arms import Status
from benchmarks.peers.memory_of_trees import Sampler

_LONGEST_PAUSE_S: Final = 600.0
"""A pause that lasts longer counts as hung."""
_CHOSEN_BY_TOOLS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that are not handed on: each tool chooses its threads itself."""


@dataclass(slots=True, kw_only=True)
class Clock:
    """Seconds since the process was started, without its pauses."""

    started: float
    excluded: float = 0.0
    paused_at: float | None = None

    def counted(self, now: float) -> float:
        """Return the seconds that count at a moment."""
        until = now if self.paused_at is None else self.paused_at
        return until - self.started - self.excluded

    def pause(self, now: float) -> None:
        """Stop the clock."""
        if self.paused_at is None:
            self.paused_at = now

    def resume(self, now: float) -> None:
        """Let it go on."""
        if self.paused_at is not None:
            self.excluded += now - self.paused_at
            self.paused_at = None


@dataclass(slots=True, kw_only=True)
class Heard:
    """What a script has said, and when."""

    clock: Clock
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    final: dict[str, Any] = field(default_factory=dict[str, Any])

    def take(self, line: dict[str, Any], now: float) -> None:
        """Take one line."""
        match line.pop("event", None):
            case "paused":
                self.clock.pause(now)
            case "resumed":
                self.clock.resume(now)
            case "versions":
                self.versions |= line
            case "final":
                self.final |= line
            case event:
                seconds = round(self.clock.counted(now), 3)
                self.events.append({"event": event, "seconds": seconds, **line})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A process that has ended, or was ended."""

    status: Status
    seconds: float
    counted_s: float
    peak_bytes: int
    tree_bytes: int | None
    heard: Heard
    said: str


def run(
    command: list[str],
    *,
    lines: bool,
    limit_s: float | None = None,
    variables: dict[str, str] | None = None,
    without: tuple[str, ...] = (),
) -> Ended:
    """Run a command to its end or to its limit.

    With `lines` its standard output holds JSON lines; else one JSON document, the final answer.
    Of this process's environment variables it gets all but those of threads and those `without`.
    """
    print("$", " ".join(command), file=sys.stderr, flush=True)
    removed = {*_CHOSEN_BY_TOOLS, *without}
    inherited = {name: value for name, value in os.environ.items() if name not in removed}
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**inherited, **(variables or {})},
            start_new_session=True,
        )
        heard = Heard(clock=Clock(started=started))
        sampler = Sampler(child.pid)
        try:
            cut_off = _listen(child, heard, lines, limit_s)
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            _end(child.pid)
            child.wait()
            raise
        finally:
            tree, one = sampler.stop()
        ended = time.perf_counter()
        child.returncode = os.waitstatus_to_exitcode(status)
        _end(child.pid)
        errors.seek(0)
        said = errors.read().decode(errors="replace")[-4000:]
    outcome: Status = "cut off" if cut_off else "failed" if child.returncode else "ended"
    return Ended(
        status=outcome,
        seconds=ended - started,
        counted_s=heard.clock.counted(ended),
        peak_bytes=_peak(usage, one),
        tree_bytes=tree,
        heard=heard,
        said=said if outcome == "failed" else "",
    )


def _peak(usage: resource.struct_rusage, sampled: int | None) -> int:
    """Return the greatest resident memory of a process.

    Linux lets a new process inherit its parent's figure. Where that hides its own, the samples
    tell it, which may miss the last half second.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if usage.ru_maxrss > own or sampled is None:
        return usage.ru_maxrss * unit
    return sampled


def _listen(
    child: subprocess.Popen[bytes], heard: Heard, lines: bool, limit_s: float | None
) -> bool:
    """Take what the process says until it ends; return whether it had to be cut off."""
    assert child.stdout is not None
    arrived: queue.Queue[tuple[float, bytes] | None] = queue.Queue()
    threading.Thread(target=_read, args=(child.stdout, arrived), daemon=True).start()
    text = b""
    cut_off = False
    while True:
        try:
            one = arrived.get(timeout=0.2)
        except queue.Empty:
            if not cut_off and _is_over(heard.clock, limit_s):
                cut_off = True
                _end(child.pid)
            continue
        if one is None:
            break
        now, line = one
        if lines and line.strip():
            heard.take(json.loads(line), now)
        text += line
    child.stdout.close()
    if not lines and text.strip() and not cut_off:
        answer = json.loads(text)
        heard.final |= answer if isinstance(answer, dict) else {"answer": answer}
    return cut_off


def _read(stream: IO[bytes], arrived: queue.Queue[tuple[float, bytes] | None]) -> None:
    """Put each line with the moment of its arrival."""
    for line in stream:
        arrived.put((time.perf_counter(), line))
    arrived.put(None)


def _is_over(clock: Clock, limit_s: float | None) -> bool:
    """Return whether the counted seconds, or a pause, have become too long."""
    now = time.perf_counter()
    if clock.paused_at is not None and now - clock.paused_at > _LONGEST_PAUSE_S:
        return True
    return limit_s is not None and clock.paused_at is None and clock.counted(now) > limit_s


def _end(pid: int) -> None:
    """End the process and all that it started: its own session, which no other process is in."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
