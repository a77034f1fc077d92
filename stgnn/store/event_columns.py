"""Spooled events to the columns of a store: nodes numbered, times in order.

Axes: E events, N graph nodes, F edge features, V node features.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.events import Events
from stgnn.store.event_ids import IdSpace
from stgnn.store.event_spool import Spool
from stgnn.store.row_files import RowFile, Scratch, StoreArrays
from stgnn.store.sorting import stable_order

MOST_NODES = 2**31 - 1

log = logging.getLogger(__name__)


def place_columns(spool: Spool, events: Events, arrays: StoreArrays, scratch: Scratch, name: str) -> int:
    """Bring the spooled events into their order and number their nodes: the store's own columns; return N.

    Raises `InputError` for more nodes than fit 32 bits, and for node features that lack some.
    """
    for ids in spool.ids:
        ids.finish()
    num_nodes = sum(map(len, spool.ids))
    if num_nodes > MOST_NODES:
        raise InputError(name, f"{num_nodes:,} graph nodes", f"this store numbers {MOST_NODES:,} at most")
    order = None
    if spool.out_of_order:
        log.info("%s: %s events are out of order: sorting all by time", name, f"{spool.out_of_order:,}")
        order = stable_order(spool.t.map(), scratch.allocate)
    first_destination = len(spool.ids[0]) if events.bipartite else 0
    for end, raw, ids, first in (
        ("src", spool.src, spool.ids[0], 0),
        ("dst", spool.dst, spool.ids[-1], first_destination),
    ):
        _number(raw, arrays.allocate(end, spool.num_events, np.int32), order, ids, first)
    for column, rows in (("t", spool.t), ("label", spool.label), ("edge_feature", spool.feature)):
        if rows is not None:
            _ordered(rows, arrays.new(column, rows.dtype, rows.row_shape), order)
    if events.node_feature is not None:
        feature_NV = np.concatenate([_node_features(events.node_feature, ids, name) for ids in spool.ids])
        arrays.new("node_feature", np.float32, feature_NV.shape[1:]).append(feature_NV)
    return num_nodes


def _number(
    raw: RowFile, out_E: NDArray[np.int32], order: NDArray[np.int64] | None, ids: IdSpace, first: int
) -> None:
    rows = raw.map()
    for block in raw.blocks():
        out_E[block] = ids.numbers(rows[block] if order is None else rows[order[block]]) + first


def _ordered(rows: RowFile, out: RowFile, order: NDArray[np.int64] | None) -> None:
    """Move rows to their final file, or copy them into it where they have to be sorted."""
    if order is None:
        out.take_over(rows)
        return
    out.resize(rows.num_rows)
    source, target = rows.map(), out.map()
    for block in rows.blocks():
        np.take(source, order[block], axis=0, out=target[block], mode="clip")


def _node_features(feature: NDArray[np.float32], ids: IdSpace, name: str) -> NDArray[np.float32]:
    """The rows of the raw ids, by node number."""
    known = ids.whole_numbers
    if known is None:
        raise InputError(name, "node features, but ids that are words", "number the nodes")
    if len(known) and not 0 <= known[0] <= known[-1] < len(feature):
        wrong = known[0] if known[0] < 0 else known[-1]
        raise InputError(name, f"graph node {wrong} has no row among the {len(feature)} of its features", "")
    return feature[known]
