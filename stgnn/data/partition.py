"""`partitioned-index`: each worker holds one part of the signal and trains on the windows that begin in it.

For signals larger than a compute node's memory. A worker reads its rows once; the rows behind its last
window's start (the halo) belong to the next worker and are sent by it, once. After that no row moves.

Axes: R rows (entries) of this worker, N graph nodes, F features, B windows, W entries of a window.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from stgnn.data.loader import consecutive_batches, owned
from stgnn.data.placements import HostPlacement
from stgnn.data.share import Share
from stgnn.data.windows import Windows
from stgnn.distributed import heartbeat
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.store.mapped import MappedSignal, Rows
from stgnn.store.signal_store import SignalStore

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Segment:
    """A run of consecutive windows that one worker owns, with the rows at which they begin."""

    rank: int
    starts: range
    own: range  # rows: as `starts`, and for the last segment all to the end of the signal


class PartitionPlacement(HostPlacement):
    """Windows gathered from this worker's rows, which lie in its private memory."""

    def __init__(self, store: SignalStore, windows: Windows, world: World, batch_size: int) -> None:
        super().__init__(store, windows, world.device)
        segments = partition(windows, batch_size, world.size, store.shape[0])
        self._mine = [segment for segment in segments if segment.rank == world.rank]
        self._first = np.cumsum([0, *(len(self._reach(segment)) for segment in self._mine)])
        rows = np.empty((int(self._first[-1]), store.shape[1] * store.shape[2]), dtype=np.float32)
        self._read_own(rows)
        for transfer in transfers(segments, windows.length):
            self._move(transfer, rows, world)
        shape = (len(rows), store.shape[1], store.shape[2])
        self._rows = MappedSignal(shape, (rows,), (), max(len(rows), 1), store.block_rows)
        self._begins = np.array([segment.starts.start for segment in self._mine])

    def fill(self, starts: np.ndarray, out_BWNF: np.ndarray) -> None:
        """Gather from this worker's rows."""
        number = np.searchsorted(self._begins, starts, side="right") - 1
        self._rows.gather(starts - self._begins[number] + self._first[number], self.windows.length, out_BWNF)

    def _reach(self, segment: Segment) -> range:
        """Every row that the segment's windows touch."""
        return range(segment.starts.start, segment.starts.stop + self.windows.length - 1)

    def _place(self, row: int) -> int:
        """Where a row is read from or written to as a segment's own: its place in this worker's memory."""
        number = bisect_right([segment.own.start for segment in self._mine], row) - 1
        return int(self._first[number]) + row - self._mine[number].starts.start

    def _read_own(self, rows: Rows) -> None:
        """Copy the rows that this worker owns out of the store, a block at a time."""
        for segment in self._mine:
            for begin in range(segment.own.start, segment.own.stop, self.store.block_rows):
                part = self.store.rows(begin, min(begin + self.store.block_rows, segment.own.stop))
                place = self._place(begin)
                rows[place : place + len(part)] = part.reshape(len(part), -1)
                heartbeat.progress()

    def _move(self, transfer: "Transfer", rows: Rows, world: World) -> None:
        """Bring the rows of a halo from their owner's memory to where they are needed."""
        if world.rank not in (transfer.source, transfer.segment.rank):
            return
        count = len(transfer.rows)
        if transfer.source == world.rank:
            place = self._place(transfer.rows.start)
            sent = torch.from_numpy(rows[place : place + count])
        if transfer.segment.rank == world.rank:
            first = int(self._first[self._mine.index(transfer.segment)])
            place = first + transfer.rows.start - transfer.segment.starts.start
            received = torch.from_numpy(rows[place : place + count])
        if transfer.source == transfer.segment.rank:
            received.copy_(sent)
        elif transfer.source == world.rank:
            world.send(sent, transfer.segment.rank)
        else:
            world.receive(received, transfer.source)


@dataclass(frozen=True)
class Transfer:
    """Rows that a segment's windows need and another segment's owner has."""

    segment: Segment
    source: int
    rows: range


def partition(windows: Windows, batch_size: int, size: int, num_entries: int) -> list[Segment]:
    """Every worker's segments, in time order: one a split, where it has windows of it.

    Raises `InputError` if a worker gets no training window.
    """
    runs = [
        (share.rank, owned(consecutive_batches(windows.of(split), batch_size, share)))
        for split in SPLITS
        for share in Share(size=size).others()
    ]
    for rank, starts in runs[:size]:
        if not starts:
            raise InputError(
                "workers",
                f"{len(windows.train)} training windows in batches of {max(1, batch_size // size)}"
                f" leave worker {rank} of {size} without any",
                "use fewer workers or a smaller batch_size",
            )
    runs = [(rank, starts) for rank, starts in runs if starts]
    ends = [starts.start for _, starts in runs[1:]] + [num_entries]
    return [
        Segment(rank, starts, range(starts.start, end))
        for (rank, starts), end in zip(runs, ends, strict=True)
    ]


def transfers(segments: list[Segment], length: int) -> Iterator[Transfer]:
    """What must move so that every segment has the rows its last windows reach into, in one order for all."""
    for number, segment in enumerate(segments):
        last = segment.starts.stop + length - 1
        for owner in segments[number + 1 :]:
            rows = range(max(owner.own.start, segment.own.stop), min(owner.own.stop, last))
            if rows:
                yield Transfer(segment, owner.rank, rows)
