"""Write a stream of `Events` as a Zarr v3 store: streamed, sorted, split, whole or not at all.

Axes: E events, R events of a block, N graph nodes, F edge features, V node features.
"""

import json
import logging
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from tqdm import tqdm

from stgnn.errors import InputError
from stgnn.raw.events import Events
from stgnn.store.derive import Derived, derive
from stgnn.store.event_ids import IdSpace
from stgnn.store.event_spool import Spool, spool_events
from stgnn.store.row_files import RowFile, Scratch, StoreArrays
from stgnn.store.sorting import stable_order
from stgnn.store.split import Protocol, require_parts
from stgnn.store.tie_blocks import count_repeats
from stgnn.store.whole import write_whole

log = logging.getLogger(__name__)

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "src": ("event",),
    "dst": ("event",),
    "t": ("event",),
    "label": ("event",),
    "role": ("event",),
    "edge_feature": ("event", "feature"),
    "new_node": ("node",),
    "node_feature": ("node", "node_feature_number"),
    "graph_indptr": ("node_bound",),
    "graph_key": ("half_edge",),
    "graph_neighbour": ("half_edge",),
    "train_graph_indptr": ("node_bound",),
    "train_graph_key": ("train_half_edge",),
    "train_graph_neighbour": ("train_half_edge",),
    "destination": ("destination",),
    "train_destination": ("train_destination",),
    "negative_random": ("evaluated_event", "negative"),
    "negative_historical": ("evaluated_event", "negative"),
    "negative_inductive": ("evaluated_event", "negative"),
}
MOST_NODES = 2**31 - 1


def write_events(events: Events, path: Path, protocol: Protocol | None = None) -> None:
    """Write `events` to `path` (`<dataset>.zarr`), split and sampled by `protocol`, then its manifest beside it.

    Events out of order are sorted by time, equal times as they came. Memory: a few blocks, and what grows with graph
    nodes; all that is as long as the stream lies in files. Raises `InputError` from the reader, for a stream without
    events or one that the protocol cannot split; nothing is left behind then.
    """
    write_whole(path, lambda folder: _write_arrays(events, folder, protocol or Protocol()))


def _write_arrays(events: Events, folder: Path, protocol: Protocol) -> dict[str, str]:
    group = zarr.open_group(folder, mode="w")
    scratch_folder = folder / ".scratch"
    scratch = Scratch(scratch_folder)
    arrays = StoreArrays(folder, DIMENSIONS)
    name = str(events.attributes.get("dataset", "events"))
    with tqdm(desc=f"ingest {name}", unit=" events", disable=None) as progress:
        spool = spool_events(events, scratch, progress.update)
    if not spool.num_events:
        raise InputError(name, "the raw files hold no events", "check the download")
    with tqdm(total=4, desc=f"ingest {name}: sort", unit=" steps", disable=None) as progress:
        num_nodes = _place(spool, events, arrays, scratch, name)
        progress.update()
        progress.set_description(f"ingest {name}: neighbourhoods and negatives")
        src, dst, t = (arrays.map(each) for each in ("src", "dst", "t"))
        derived = derive(src, dst, t, num_nodes, protocol, allocate=arrays.allocate, scratch=scratch.allocate)
        require_parts(derived.split, protocol, name)
        progress.update(2)
        for each in ("destination", "train_destination"):
            arrays.new(each, np.int32).append(getattr(derived, each))
        arrays.new("new_node", np.bool_).append(derived.split.new_node)
        arrays.seal(group)
        _write_text(group, "node", num_nodes, (block for ids in spool.ids for block in ids.text()))
        if events.feature:
            _write_text(group, "feature", len(events.feature), [np.array(events.feature, dtype=object)])
        attributes = _described(events, spool, protocol, derived) | {
            "num_nodes": num_nodes,
            **asdict(count_repeats(src, dst, t)),
        }
        group.attrs.update(json.loads(json.dumps(attributes, sort_keys=True)))
        progress.update()
    shutil.rmtree(scratch_folder)
    return {}


def _place(spool: Spool, events: Events, arrays: StoreArrays, scratch: Scratch, name: str) -> int:
    """Bring the spooled events into their order and number their nodes; return N."""
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


def _write_text(group: zarr.Group, name: str, count: int, blocks: Iterable[NDArray[Any]]) -> None:
    """Write names as Zarr text, a coordinate of the dimension of the same name."""
    array = group.create_array(
        name, shape=(count,), chunks=(min(count, 2**16),), dtype=str, dimension_names=(name,)
    )
    first = 0
    for names in blocks:
        array[first : first + len(names)] = names
        first += len(names)


def _described(events: Events, spool: Spool, protocol: Protocol, derived: Derived) -> dict[str, Any]:
    """What a store says of its stream, beside the reader's own attributes."""
    return dict(events.attributes) | {
        "kind": "events",
        "bipartite": events.bipartite,
        "time_unit": events.time_unit,
        "num_events": spool.num_events,
        "num_sources": len(spool.ids[0]) if events.bipartite else None,
        "out_of_order": spool.out_of_order,
        "sorted": "as given" if not spool.out_of_order else "by time, equal times as given",
        "protocol": asdict(protocol),
        "random_numbers": "splitmix64 of (seed, kind, event, number)",
        "surprise_index": derived.surprise,
        "negatives": {
            kind: {"sha256": each.sha256, "fallback": each.fallback, "unavoidable": each.unavoidable}
            for kind, each in derived.drawn.items()
        },
    }
