"""Readers of PyTorch Geometric Temporal's JSON files with one graph for all entries.

Values stay as the files have them: those that were z-scored before publication stay z-scored (and the attribute
`standardised` says so), counts stay counts.

Axes: T entries, N graph nodes, F features, E edges.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import check_edges, check_weights, nan_marks_missing, shown, spelled, the_file
from stgnn.raw.json_members import edge_pairs, entry_count, member, node_names, numbers, stacked
from stgnn.raw.json_text import read_object
from stgnn.raw.signal import Signal
from stgnn.raw.whole import whole_signal

if TYPE_CHECKING:
    from stgnn.catalog import Dataset


def read_pgt_static(dataset: Dataset, folder: Path) -> Signal:
    """Read `edges`, optional `weights` and `node_ids`, and a matrix `[T, N]` (option `values`: `FX` or `X`).

    The layout of chickenpox.json (521 x 20, unweighted) and pedalme_london.json (35 x 15, weighted). Edges without
    weights get weight 1.
    """
    path = the_file(dataset, folder, "values")
    key = dataset.options.get("values", "FX")
    document = read_object(path, {key}, nan_marks_missing(dataset.null_value))
    return _static_signal(dataset, path, document, key, dataset.options.get("feature", "value"))


def read_windmill(dataset: Dataset, folder: Path) -> Signal:
    """Read the hourly output of windmills: `block` `[T, N]`, `edges` and `weights`."""
    path = the_file(dataset, folder, "values")
    document = read_object(path, {"block"}, nan_marks_missing(dataset.null_value))
    member(path, document, "weights", list)
    return _static_signal(dataset, path, document, "block", dataset.options.get("feature", "output"))


def read_wikipedia_math(dataset: Dataset, folder: Path) -> Signal:
    """Read daily visits: `edges`, `weights`, `time_periods` and an object with `y` `[N]` for each entry."""
    path = the_file(dataset, folder, "values")
    document = read_object(path)
    member(path, document, "weights", list)
    snapshots = [
        (key, member(path, document, key, dict)) for key in map(str, range(entry_count(path, document)))
    ]
    document["y"] = stacked(
        path, "y", [(key, s.get("y")) for key, s in snapshots], nan_marks_missing(dataset.null_value)
    )
    return _static_signal(dataset, path, document, "y", dataset.options.get("feature", "visits"))


def read_montevideo(dataset: Dataset, folder: Path) -> Signal:
    """Read bus passengers, networkx node-link JSON: `nodes` with `bus_stop` and `y` `[T]`, `links` in metres."""
    path = the_file(dataset, folder, "values")
    document = read_object(path)
    nodes = _objects(path, "nodes", member(path, document, "nodes", list))
    links = _objects(path, "links", member(path, document, "links", list))
    node = spelled(path, "nodes.bus_stop", [stop.get("bus_stop") for stop in nodes])
    series = [(f"nodes[{number}]", stop.get("y")) for number, stop in enumerate(nodes)]
    y_NT = stacked(path, "y", series, nan_marks_missing(dataset.null_value))
    edge_index = np.stack([_ends(path, links, node, "source"), _ends(path, links, node, "target")])
    edge_weight = numbers(path, "links.weight", [link.get("weight") for link in links])
    check_weights(path, "links", edge_weight, len(links))
    feature = (dataset.options.get("feature", "inflow"),)
    return whole_signal(
        dataset, path, "nodes", np.ascontiguousarray(y_NT.T)[..., None],
        node=node, feature=feature, edge_index=edge_index, edge_weight=edge_weight,
    )  # fmt: skip


def _static_signal(dataset: Dataset, path: Path, document: dict[str, Any], key: str, feature: str) -> Signal:
    if key not in document:
        member(path, document, key, list)  # says what is there instead
    x_TN: NDArray[np.float32] = document[key]
    num_nodes = x_TN.shape[1]
    edge_index = edge_pairs(path, "edges", member(path, document, "edges", list))
    check_edges(path, "edges", edge_index, num_nodes)
    edge_weight = np.ones(edge_index.shape[1])
    if "weights" in document:
        edge_weight = numbers(path, "weights", document["weights"])
    check_weights(path, "weights", edge_weight, edge_index.shape[1])
    return whole_signal(
        dataset, path, key, x_TN[..., None],
        node=node_names(path, document, num_nodes), feature=(feature,),
        edge_index=edge_index, edge_weight=edge_weight,
    )  # fmt: skip


def _objects(path: Path, key: str, items: list[Any]) -> list[dict[str, Any]]:
    for position, item in enumerate(items):
        if type(item) is not dict:
            raise InputError(path, f"{key}[{position}]: found {shown(item)}, expected an object")
    return items


def _ends(path: Path, links: list[dict[str, Any]], node: tuple[str, ...], end: str) -> NDArray[np.int64]:
    index = {name: position for position, name in enumerate(node)}
    stops = [str(link.get(end)) for link in links]
    for position, stop in enumerate(stops):
        if stop not in index:
            raise InputError(path, f"links[{position}].{end}: bus stop {stop!r} is not among the nodes")
    return np.array([index[stop] for stop in stops], dtype=np.int64)
