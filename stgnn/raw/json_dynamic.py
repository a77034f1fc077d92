"""Readers of PyTorch Geometric Temporal's JSON files with a graph of its own for every entry.

The graphs are laid end to end; `edge_ptr[t]:edge_ptr[t + 1]` are the edges of entry t. Edge weights stay raw counts.

Axes: T entries, N graph nodes, F features, E edges.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import check_edges, check_weights, the_file
from stgnn.raw.json_members import edge_pairs, entry_count, member, node_names, numbers, stacked
from stgnn.raw.json_text import read_object
from stgnn.raw.signal import Signal
from stgnn.raw.tennis import ENCODED, encode, log_mentions
from stgnn.raw.whole import whole_signal

if TYPE_CHECKING:
    from stgnn.catalog import Dataset

# An entry's graph as the file has it: key of its edges, edges, key of its weights, weights.
_Graph = tuple[str, Any, str, Any]


def read_england_covid(dataset: Dataset, folder: Path) -> Signal:
    """Read daily cases: `y` `[T, N]`, `edge_mapping.edge_index` and `.edge_weight` (day -> list), `time_periods`."""
    path = the_file(dataset, folder, "values")
    document = read_object(path, {"y"})
    count = entry_count(path, document)
    mapping = member(path, document, "edge_mapping", dict)
    graphs = [_day_graph(path, mapping, str(day)) for day in range(count)]
    x_TN = document["y"] if "y" in document else member(path, document, "y", list)
    if len(x_TN) != count:
        raise InputError(path, f"key 'y' has {len(x_TN)} entries, but 'time_periods' says {count}")
    num_nodes = x_TN.shape[1]
    return whole_signal(
        dataset, path, "y", x_TN[..., None],
        node=node_names(path, document, num_nodes), feature=(dataset.options.get("feature", "cases"),),
        **_end_to_end(path, graphs, num_nodes),
    )  # fmt: skip


def read_twitter_tennis(dataset: Dataset, folder: Path) -> Signal:
    """Read mention graphs: `"0"`, `"1"`, ... with `edges`, `weights`, `X` `[N, 2]` and `y` `[N]`; `node_ids`.

    Features are degree, transitivity (both `X`) and mentions (`y`), raw: neither one-hot nor logarithm. With the option
    `encoded` they are what PyTorch Geometric Temporal makes of them: one-hot classes, and ln(1 + mentions).
    """
    path = the_file(dataset, folder, "values")
    document = read_object(path)
    keys = [str(entry) for entry in range(entry_count(path, document))]
    snapshots = [(key, member(path, document, key, dict)) for key in keys]
    graphs = [
        (f"{key}.edges", snapshot.get("edges"), f"{key}.weights", snapshot.get("weights"))
        for key, snapshot in snapshots
    ]
    y_TN = stacked(path, "y", [(key, snapshot.get("y")) for key, snapshot in snapshots], False)
    num_nodes = y_TN.shape[1]
    X_TNF = np.stack([_degrees(path, key, snapshot, num_nodes) for key, snapshot in snapshots])
    x_TNF = np.concatenate([X_TNF, y_TN[..., None]], axis=-1)
    feature: tuple[str, ...] = ("degree", "transitivity", "mentions")
    if dataset.options.get("encoded", False):
        x_TNF, feature = _encoded(path, x_TNF), (*ENCODED, "log_mentions")
    return whole_signal(
        dataset, path, "X, y", x_TNF,
        node=node_names(path, document, num_nodes), feature=feature,
        **_end_to_end(path, graphs, num_nodes),
    )  # fmt: skip


def _encoded(path: Path, x_TNF: NDArray[np.float32]) -> NDArray[np.float32]:
    """Degree, transitivity and mentions [T, N, 3] as PyTorch Geometric Temporal encodes them [T, N, 17]."""
    degree, transitivity, mentions = np.moveaxis(x_TNF, -1, 0)
    if min(x_TNF.min(), 1 - transitivity.max()) < 0:
        problem = "X, y: a value below 0, or a transitivity above 1, cannot be encoded"
        raise InputError(path, problem, "retrieve the file again")
    classes = encode(degree, transitivity)
    return np.concatenate([classes, log_mentions(mentions)[..., None]], axis=-1).astype(np.float32)


def _day_graph(path: Path, mapping: dict[str, Any], day: str) -> _Graph:
    index = member(path, mapping, "edge_index", dict, "edge_mapping")
    weight = member(path, mapping, "edge_weight", dict, "edge_mapping")
    keys = f"edge_mapping.edge_index.{day}", f"edge_mapping.edge_weight.{day}"
    return keys[0], index.get(day), keys[1], weight.get(day)


def _degrees(path: Path, key: str, snapshot: dict[str, Any], num_nodes: int) -> NDArray[np.float32]:
    rows = member(path, snapshot, "X", list, key)
    X_NF = stacked(path, "X", [(f"{key}[{node}]", row) for node, row in enumerate(rows)], False)
    if X_NF.shape != (num_nodes, 2):
        raise InputError(path, f"{key}.X: shape {X_NF.shape}, expected ({num_nodes}, 2)")
    return X_NF


def _end_to_end(path: Path, graphs: list[_Graph], num_nodes: int) -> dict[str, NDArray[Any]]:
    """Return `edge_index`, `edge_weight` and `edge_ptr` of the entries' graphs, each checked."""
    indices, weights = [], []
    for edge_key, edges, weight_key, weight in graphs:
        indices.append(edge_pairs(path, edge_key, edges))
        check_edges(path, edge_key, indices[-1], num_nodes)
        weights.append(numbers(path, weight_key, weight))
        check_weights(path, weight_key, weights[-1], indices[-1].shape[1])
    counts = [len(weight) for weight in weights]
    return {
        "edge_index": np.concatenate(indices, axis=1),
        "edge_weight": np.concatenate(weights),
        "edge_ptr": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    }
