"""One pass over a reader's events: columns to files as they come, ids noted, disorder counted.

Axes: E events, R events of a block, F edge features.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stgnn.raw.events import EventBlock, Events
from stgnn.store.event_ids import IdSpace
from stgnn.store.row_files import RowFile, Scratch


@dataclass(frozen=True)
class Spool:
    """A stream in files, in the order of the raw ones."""

    ids: list[IdSpace]  # one, or those of sources and destinations
    src: RowFile  # int64: what `IdSpace.add` returned
    dst: RowFile
    t: RowFile  # int64
    label: RowFile | None  # int8
    feature: RowFile | None  # float32 [F]
    out_of_order: int  # events that are earlier than one before them

    @property
    def num_events(self) -> int:
        """E."""
        return self.t.num_rows


def spool_events(events: Events, scratch: Scratch, advance: Callable[[int], object]) -> Spool:
    """Read all blocks of `events`; `advance(events)` is told of each. Raises what the reader does."""
    columns = {name: scratch.new(np.int64) for name in ("src", "dst", "t")}
    label = scratch.new(np.int8) if events.has_label else None
    feature = scratch.new(np.float32, (len(events.feature),)) if events.feature else None
    ids = [IdSpace(), IdSpace()] if events.bipartite else [IdSpace()]
    latest, out_of_order = np.iinfo(np.int64).min, 0
    for block in events.blocks():
        _check(events, block)
        columns["src"].append(ids[0].add(block.src))
        columns["dst"].append(ids[-1].add(block.dst))
        columns["t"].append(block.t)
        for rows, values in ((label, block.label), (feature, block.feature)):
            if rows is not None and values is not None:
                rows.append(values)
        late, latest = _count_late(block.t, latest)
        out_of_order += late
        advance(len(block))
    return Spool(ids, columns["src"], columns["dst"], columns["t"], label, feature, out_of_order)


def _check(events: Events, block: EventBlock) -> None:
    """Raise `TypeError` for a block that is not what its reader promised."""
    if (block.label is not None) != events.has_label or (block.feature is not None) != bool(events.feature):
        raise TypeError("reader yielded other columns than it promised")
    columns = [block.src, block.dst, block.t, block.label, block.feature]
    if any(len(column) != len(block) for column in columns if column is not None):
        raise TypeError("reader yielded columns of different lengths")


def _count_late(t_R: NDArray[np.int64], latest: int) -> tuple[int, int]:
    """Count the times that are before an earlier event's; return it and the latest time so far."""
    if not len(t_R):
        return 0, latest
    highest = np.maximum(np.maximum.accumulate(t_R), latest)
    return int(np.count_nonzero(t_R < highest)), int(highest[-1])
