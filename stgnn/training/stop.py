"""A polite end: SIGTERM, SIGUSR1 or the job's own clock asks a run to save its place and leave."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

STOPPED = 75  # exit status EX_TEMPFAIL: not finished, the same command goes on from the checkpoint
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stopped(Exception):
    """The run was asked to stop and has saved its checkpoint."""


class StopRequest:
    """True once a signal to stop has come or the process's time is up; looked at between steps.

    In a process's main thread its block catches the signals itself. Python lets no other thread do
    that: a run in one relies on `install`, which the main thread has called.
    """

    def __init__(self) -> None:
        self._asked = False

    def __bool__(self) -> bool:
        return self._asked or _process.asked or time.time() >= _process.deadline

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS} if main else {}
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class _Process:
    """What holds for every run in this process: signals and clocks belong to processes."""

    asked = False
    deadline = float("inf")

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


_process = _Process()


def install(deadline: float | None = None) -> None:
    """Make every `StopRequest` of this process true from a signal or from `deadline` (Unix seconds) on.

    To be called from the main thread, before the run that should stop, which may be in another thread.
    """
    _process.deadline = float("inf") if deadline is None else deadline
    for number in SIGNALS:
        signal.signal(number, _process.ask)
