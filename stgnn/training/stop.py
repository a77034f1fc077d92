"""A polite end: SIGTERM or SIGUSR1 asks a run to save its place and leave."""

import signal
from types import FrameType, TracebackType
from typing import Self

STOPPED = 75  # exit status EX_TEMPFAIL: not finished, the same command goes on from the checkpoint


class Stopped(Exception):
    """The run was asked to stop and has saved its checkpoint."""


class StopRequest:
    """True once a signal to stop has come; the training loop looks at it between steps."""

    SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

    def __init__(self) -> None:
        self._asked = False

    def __bool__(self) -> bool:
        return self._asked

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
