"""`WindowLoader`: the batches of one split, epoch after epoch, resumable at any batch."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from stgnn.data.order import epoch_order
from stgnn.data.placements import Placement, WindowBatch


class WindowLoader:
    """Batches of the windows that begin in `starts`, shuffled anew each epoch or in time order.

    Every window comes exactly once an epoch; the last batch may be smaller. Inside a batch the
    starts are sorted: the batch is the same set, and its rows are read in the order of the file.
    """

    def __init__(
        self, placement: Placement, starts: range, batch_size: int, *, shuffle: bool = False, seed: int = 0
    ) -> None:
        self.placement, self.starts, self.batch_size = placement, starts, batch_size
        self.shuffle, self.seed = shuffle, seed

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self.starts) / self.batch_size)

    def __iter__(self) -> Iterator[WindowBatch]:
        return self.epoch(0)

    def epoch(self, number: int, first: int = 0, limit: int | None = None) -> Iterator[WindowBatch]:
        """The batches of epoch `number`, from batch `first` on, up to batch `limit`."""
        if not self.shuffle:
            return self.in_time_order(first, limit)
        order = epoch_order(len(self.starts), self.seed, number, self.placement.order_device)
        return self.placement.batches(self._cut(order, first, limit))

    def in_time_order(self, first: int = 0, limit: int | None = None) -> Iterator[WindowBatch]:
        """The batches unshuffled, whatever `shuffle` says: for evaluation."""
        order = torch.arange(len(self.starts), device=self.placement.order_device)
        return self.placement.batches(self._cut(order, first, limit))

    def _cut(self, order: Tensor, first: int, limit: int | None) -> Iterator[Tensor]:
        """Window starts, batch by batch."""
        size = self.batch_size
        for batch in range(first, len(self) if limit is None else min(limit, len(self))):
            yield order[batch * size : (batch + 1) * size].sort().values + self.starts.start
