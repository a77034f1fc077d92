"""How long the driver waits for what, and time without news, counted so that its own pauses do not count."""

import time
from dataclasses import dataclass, field
from typing import Any

LONGEST_PAUSE = 5.0  # seconds that one look after another may take up at most


@dataclass(frozen=True)
class Limits:
    """Seconds that the driver gives."""

    start: float = 300.0  # to a process until its first beat
    load: float = 45.0  # between two beats while libraries load, of which a large one holds all threads up
    silence: float = 30.0  # between two beats of one that trains
    stall: float = 600.0  # to all ranks together, until one makes progress
    settle: float = 2.0  # after the first failure, to hear of others
    patience: float = 50.0  # to ranks that were asked to stop
    close: float = 15.0  # to launcher and agents, once the ranks have ended


@dataclass
class Silence:
    """Has something not changed for `limit` seconds?

    A watcher that was suspended, or waited for a file system that was away, saw nobody's silence: what
    passed between two of its looks counts for `LONGEST_PAUSE` at most.
    """

    limit: float
    _last: Any = None
    _seconds: float = 0.0
    _looked: float = field(default_factory=time.monotonic)

    def is_long(self, news: Any) -> bool:
        """Take note of `news`; None is no news. True when the last change is longer ago than `limit`."""
        now = time.monotonic()
        self._seconds += min(now - self._looked, LONGEST_PAUSE)
        self._looked = now
        if news is not None and news != self._last:
            self._last, self._seconds = news, 0.0
        return self._seconds > self.limit

    def allow(self, limit: float) -> None:
        """From now on allow `limit` seconds."""
        self.limit = limit
