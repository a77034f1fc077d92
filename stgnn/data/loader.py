"""`WindowLoader`: the batches of one split, epoch after epoch, resumable at any batch, shared between workers.

Sizes: n windows of the split, w workers, b windows in a batch of all workers together.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from stgnn.data.order import epoch_order
from stgnn.data.placements import Placement, WindowBatch
from stgnn.data.share import Share


class WindowLoader:
    """Batches of the windows that begin in `starts`, shuffled anew each epoch or in time order.

    Every window comes exactly once an epoch; the last batch may be smaller. Inside a batch the
    starts are sorted: the batch is the same set, and its rows are read in the order of the file.

    With several workers each takes its `share` of every batch of `batch_size` windows: the batches of an
    epoch are the same sets whatever the number of workers, and no order is ever sent to anyone.
    """

    def __init__(
        self,
        placement: Placement,
        starts: range,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        share: Share | None = None,
    ) -> None:
        self.placement, self.starts, self.batch_size = placement, starts, batch_size
        self.shuffle, self.seed, self.share = shuffle, seed, share or Share()

    def __len__(self) -> int:
        """Batches in an epoch, the same for every worker."""
        return math.ceil(len(self.starts) / self.batch_size)

    def __iter__(self) -> Iterator[WindowBatch]:
        return self.epoch(0)

    def epoch(self, number: int, first: int = 0, limit: int | None = None) -> Iterator[WindowBatch]:
        """This worker's part of the batches of epoch `number`, from batch `first` on, up to batch `limit`.

        A batch smaller than the number of workers leaves some without a window. They get one all the
        same, marked as `padding`, since every worker must take part in every step.
        """
        last = len(self) if limit is None else min(limit, len(self))
        for place, batch in enumerate(self.placement.batches(self._parts(number, first, last)), first):
            yield replace(batch, padding=True) if self._is_padding(place) else batch

    def in_time_order(self) -> Iterator[WindowBatch]:
        """This worker's batches unshuffled, whatever `shuffle` says: for evaluation, where nothing is padded."""
        return self.placement.batches(
            torch.arange(each.start, each.stop, device=self.placement.order_device)
            for each in self.evaluation_ranges()
        )

    def evaluation_ranges(self) -> list[range]:
        """The window starts of each of this worker's batches in time order; the workers' follow each other."""
        return consecutive_batches(self.starts, self.batch_size, self.share)

    def evaluation_rounds(self) -> int:
        """The batches in time order of the worker that has most of them."""
        return len(consecutive_batches(self.starts, self.batch_size, Share(0, self.share.size)))

    def _parts(self, number: int, first: int, last: int) -> Iterator[Tensor]:
        """The window starts of this worker in each batch, or a stand-in where it has none."""
        device, count, size = self.placement.order_device, len(self.starts), self.batch_size
        order = torch.arange(count, device=device)
        if self.shuffle:
            order = epoch_order(count, self.seed, number, device)
        for batch in range(first, last):
            start_B = order[batch * size : (batch + 1) * size].sort().values + self.starts.start
            mine = self.share.of(len(start_B))
            yield start_B[mine.start : mine.stop] if mine else start_B[:1]

    def _is_padding(self, batch: int) -> bool:
        windows = min(self.batch_size, len(self.starts) - batch * self.batch_size)
        return not self.share.of(windows)


def consecutive_batches(starts: range, batch_size: int, share: Share) -> list[range]:
    """Cut `starts` into batches of a worker's size, in time order, and return those of one worker."""
    size = max(1, batch_size // share.size)
    numbers = share.of(math.ceil(len(starts) / size))
    return [starts[number * size : (number + 1) * size] for number in numbers]


class PartitionLoader(WindowLoader):
    """Batches of consecutive windows out of this worker's own part of the split (`partitioned-index`).

    Each worker owns one run of consecutive windows. Every epoch it is cut into batches at another
    place, and the batches come in another order: a shuffle of batches, not of windows, but with no row
    ever leaving its worker (PGT-I's generalised distributed index-batching, section 4.2).
    """

    def __len__(self) -> int:
        """Batches of the worker that has most; the others take part in its last step with a stand-in."""
        return max(self._batches_of(share) for share in self.share.others())

    def _parts(self, number: int, first: int, last: int) -> Iterator[Tensor]:
        mine, size = owned(self.evaluation_ranges()), self._size()
        starts = torch.arange(mine.start, mine.stop)
        order = torch.arange(self._batches_of(self.share))
        if self.shuffle:
            starts = starts.roll(-int(epoch_order(len(starts), self.seed, number)[0]))
            order = epoch_order(len(order), self.seed + 1 + self.share.rank, number)
        for batch in range(first, last):
            place = int(order[batch]) if batch < len(order) else 0
            start_B = starts[place * size : (place + 1) * size].sort().values
            yield (start_B[:1] if self._is_padding(batch) else start_B).to(self.placement.order_device)

    def _is_padding(self, batch: int) -> bool:
        return batch >= self._batches_of(self.share)

    def _size(self) -> int:
        return max(1, self.batch_size // self.share.size)

    def _batches_of(self, share: Share) -> int:
        return len(share.of(math.ceil(len(self.starts) / self._size())))


def owned(ranges: list[range]) -> range:
    """Ranges that follow each other, as one."""
    return range(ranges[0].start, ranges[-1].stop) if ranges else range(0)
