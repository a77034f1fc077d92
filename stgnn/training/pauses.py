"""When training pauses to save its place: somebody asks it to stop, or the last checkpoint is old."""

import time

import torch

from stgnn.distributed.world import Sum, World
from stgnn.training.stop import StopRequest

CHECKPOINT_SECONDS = 600.0  # at most this much work is lost to a kill without warning


class Pauses:
    """Whether all workers save at this step, and whether they end then. One asks, all do, at the same step."""

    def __init__(self, world: World, stop: StopRequest) -> None:
        self.stopping = False
        self._world, self._stop = world, stop
        self._asked: Sum | None = None
        self._saved_at = time.perf_counter()

    def due(self) -> bool:
        """To be asked once a step, and once a batch of an evaluation. `stopping` then says whether it is also the end.

        Several workers look at what was asked for a step ago, so that the exchange keeps nobody waiting.
        """
        old = time.perf_counter() - self._saved_at > CHECKPOINT_SECONDS
        now = self._world.start_adding(torch.tensor([bool(self._stop), old], dtype=torch.int32))
        asked, self._asked = self._asked, now
        if self._world.size == 1:
            asked = now
        if asked is None:
            return False
        stop, save = asked.result().tolist()
        self.stopping = bool(stop)
        return bool(stop or save)

    def look_at_epoch_end(self) -> None:
        """Bring `stopping` up to date where all workers meet anyway."""
        self.stopping = self._world.any(bool(self._stop))

    def saved(self) -> None:
        """A checkpoint is there: its age starts anew, and what was asked for before it is answered."""
        self._saved_at, self._asked = time.perf_counter(), None
