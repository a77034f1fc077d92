"""Signs of life: every process of a job keeps one small file that says how it is.

A rank's file tells its host, process and progress and, at last, how it ended. The file keeps its size
from the start and is rewritten in place, so that a process can still say what happened when the disk is
full, and a file system that caches names for a while (NFS) shows a new beat at once. A reader takes what
it cannot parse, because it was being written, for no news.
"""

import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

BEAT_SECONDS = 2.0
SIZE = 16384  # bytes: a traceback's end fits
TRACE_CHARACTERS = 6000  # as JSON at most twice that long


class Heartbeat:
    """Rewrites `file` every `seconds` from a thread of its own, with facts that others may change."""

    def __init__(self, file: Path, facts: dict[str, Any], seconds: float = BEAT_SECONDS) -> None:
        self._file, self._seconds = file, seconds
        self._facts = {"host": socket.gethostname(), "pid": os.getpid(), "beat": 0, **facts}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")

    def start(self) -> None:
        """Write the first beat, from which the process can be found, and go on beating."""
        self.tell()
        self._thread.start()

    def tell(self, **facts: Any) -> None:
        """Change facts and write them now."""
        with self._lock:
            self._facts.update(facts)
            self._facts["beat"] += 1
            write_beat(self._file, self._facts)

    def note(self, **facts: Any) -> None:
        """Change facts for the next beat; costs next to nothing."""
        self._facts.update(facts)

    def stop(self) -> None:
        """Beat no more. What was told last stays."""
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(self._seconds):
            with suppress(OSError):  # a file system that is away for a while; silence says it
                self.tell()


def write_beat(file: Path, facts: dict[str, Any]) -> None:
    """Overwrite `file` in place with `facts` and blanks up to its fixed size."""
    text = json.dumps(facts).encode().ljust(SIZE - 1) + b"\n"
    handle = os.open(file, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        os.pwrite(handle, text, 0)
    finally:
        os.close(handle)


def read_beat(file: Path) -> dict[str, Any] | None:
    """The facts in `file`; None where there are none yet or they are being rewritten."""
    try:
        facts = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


class _Own:
    """The heartbeat of this process, if it has one."""

    heartbeat: Heartbeat | None = None


def beat_as(heartbeat: Heartbeat) -> None:
    """Make `heartbeat` that of this process and start it."""
    _Own.heartbeat = heartbeat
    heartbeat.start()


def progress(step: int | None = None) -> None:
    """Say that this process gets on: to be called at least every few minutes of training, evaluating and preparing.

    `step` counts the optimiser's steps; without it the last one stands. Where nobody watches, as in a run
    on one process, it does nothing.
    """
    if _Own.heartbeat is not None:
        facts = {} if step is None else {"step": step}
        _Own.heartbeat.note(**facts, progressed=time.time())


def tell(**facts: Any) -> None:
    """Change facts of this process's beat and write them now."""
    if _Own.heartbeat is not None:
        _Own.heartbeat.tell(**facts)


def note(**facts: Any) -> None:
    """Change facts of this process's next beat."""
    if _Own.heartbeat is not None:
        _Own.heartbeat.note(**facts)
