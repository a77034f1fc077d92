"""Write a stream of `Events` as a Zarr v3 store: streamed, sorted, split, whole or not at all.

Axes: E events, R events of a block, N graph nodes, F edge features, V node features.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import DTypeLike, NDArray
from tqdm import tqdm

from stgnn.errors import InputError
from stgnn.raw.events import Events
from stgnn.store.derive import Derived, derive
from stgnn.store.event_columns import place_columns
from stgnn.store.event_spool import Spool, spool_events
from stgnn.store.row_files import Scratch, StoreArrays
from stgnn.store.split import Protocol, require_parts
from stgnn.store.temporal_csr import Shape
from stgnn.store.tie_blocks import count_repeats
from stgnn.store.whole import write_whole

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
    "fallback_historical": ("evaluated_event",),
    "fallback_inductive": ("evaluated_event",),
}
# Arrays that `derive` makes: roles, two graphs of three, three kinds of negatives, of which two have fallbacks.
DERIVED = 12


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
    arrays, scratch = StoreArrays(folder, DIMENSIONS), Scratch(scratch_folder)
    name = str(events.attributes.get("dataset", "events"))
    with tqdm(desc=f"ingest {name}", unit=" events", disable=None) as progress:
        spool = spool_events(events, scratch, progress.update)
    if not spool.num_events:
        raise InputError(name, "the raw files hold no events", "check the download")
    num_nodes = place_columns(spool, events, arrays, scratch, name)
    derived = _derive(arrays, scratch, num_nodes, protocol, name)
    arrays.seal(group)
    _write_text(group, "node", num_nodes, (block for ids in spool.ids for block in ids.text()))
    if events.feature:
        _write_text(group, "feature", len(events.feature), [np.array(events.feature, dtype=object)])
    repeats = count_repeats(*(arrays.map(each) for each in ("src", "dst", "t")))
    attributes = _described(events, spool, protocol, derived) | asdict(repeats)
    group.attrs.update(json.loads(json.dumps(attributes, sort_keys=True)))
    shutil.rmtree(scratch_folder)
    return {}


def _derive(arrays: StoreArrays, scratch: Scratch, num_nodes: int, protocol: Protocol, name: str) -> Derived:
    """Split the placed events, build their graphs and draw their negatives."""
    src, dst, t = (arrays.map(each) for each in ("src", "dst", "t"))
    with tqdm(total=DERIVED, desc=f"ingest {name}", unit=" arrays", disable=None) as progress:

        def allocate(each: str, shape: Shape, dtype: DTypeLike) -> NDArray[Any]:
            progress.set_postfix_str(each)  # what is made now
            progress.update()
            return arrays.allocate(each, shape, dtype)

        derived = derive(src, dst, t, num_nodes, protocol, allocate=allocate, scratch=scratch.allocate)
    require_parts(derived.split, protocol, name)
    arrays.new("new_node", np.bool_).append(derived.split.new_node)
    arrays.new("destination", np.int32).append(derived.destination)
    arrays.new("train_destination", np.int32).append(derived.train_destination)
    return derived


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
        "num_nodes": sum(map(len, spool.ids)),
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
