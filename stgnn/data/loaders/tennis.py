"""Twitter mentions during tennis tournaments: a graph and targets for every three hours.

Axes: T entries, N graph nodes, F features, E edges (of one entry).
"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stgnn.data.loaders.base import DatasetLoader
from stgnn.data.snapshots.dynamic_graph import DynamicGraphTemporalSignal
from stgnn.data.snapshots.stored import StoredEdges, StoredRows
from stgnn.errors import InputError
from stgnn.raw.tennis import encode, log_mentions

FEATURE_MODES = (None, "encoded", "diagonal")


class TwitterTennisDatasetLoader(DatasetLoader):
    """Mentions between 1000 accounts during Roland-Garros ("rg17") or the US Open ("uo17") of 2017.

    Snapshot t has entry t's mention graph; y [N] is ln(1 + mentions) of entry t + `target_offset`, and of the last
    entry where there is none that late, as PyTorch Geometric Temporal has it: the last snapshots' targets repeat.
    x is by `feature_mode` "encoded" [N, 16], one-hot classes of degree and transitivity; None [N, 2], both raw;
    "diagonal" [N, N], the identity. `N` keeps the first N accounts and the edges between them. Nothing is standardised.

    Béres et al. 2018, Temporal Walk Based Centrality Metric for Graph Streams.
    """

    def __init__(
        self,
        event_id: str = "rg17",
        N: int | None = None,
        feature_mode: str | None = "encoded",
        target_offset: int = 1,
        *,
        folder: str | Path = "data",
        mirror: str | Path | None = None,
    ) -> None:
        super().__init__(folder=folder, mirror=mirror)
        if event_id not in ("rg17", "uo17"):
            raise InputError("event_id", f"is {event_id!r}", "use 'rg17' or 'uo17'")
        if feature_mode not in FEATURE_MODES:
            raise InputError("feature_mode", f"is {feature_mode!r}", f"use one of {FEATURE_MODES}")
        if target_offset < 0 or (N is not None and N < 1):
            raise InputError(
                "N, target_offset", f"are {N} and {target_offset}", "expected N >= 1, offset >= 0"
            )
        self.event_id, self.N = event_id, N
        self.feature_mode, self.target_offset = feature_mode, target_offset

    @property
    def dataset(self) -> str:  # type: ignore[override]  # which of two
        """The dataset's name in the catalogue."""
        return f"twitter-tennis-{self.event_id}"

    def get_dataset(self) -> DynamicGraphTemporalSignal:
        """Return the snapshots, read from the store as they are asked for."""
        store, count = self.store, self.store.shape[0]
        nodes = min(self.N or store.shape[1], store.shape[1])
        index, weight, edge_ptr = store.edge_index, store.edge_weight, store.edge_ptr
        if edge_ptr is None:
            raise InputError(store.path, "has no graph for each entry", "ingest the dataset again")
        if nodes < store.shape[1]:
            index, weight, edge_ptr = induced(index, weight, edge_ptr, nodes)
        return DynamicGraphTemporalSignal(
            StoredEdges(index, edge_ptr, count),
            StoredEdges(weight, edge_ptr, count),
            StoredRows(store.rows, count, 1, 0, partial(_features, nodes=nodes, mode=self.feature_mode)),
            StoredRows(self._later_rows, count, 1, 0, partial(_mentions, nodes=nodes)),
        )

    def _later_rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """The entry `target_offset` after `start`, or the last one."""
        entry = min(start + self.target_offset, self.store.shape[0] - 1)
        return self.store.rows(entry, entry + stop - start)


def induced(
    index_2E: NDArray[np.int64], weight_E: NDArray[np.float32], edge_ptr: NDArray[np.int64], nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return the edges among the first `nodes` graph nodes: index, weights, and where each entry's begin and end."""
    inside = (index_2E < nodes).all(axis=0)
    kept_before = np.concatenate([[0], np.cumsum(inside)])
    return index_2E[:, inside], weight_E[inside], kept_before[edge_ptr]


def _mentions(rows_1NF: NDArray[np.float32], nodes: int) -> NDArray[np.float64]:
    return log_mentions(rows_1NF[0, :nodes, 2])


def _features(rows_1NF: NDArray[np.float32], nodes: int, mode: str | None) -> NDArray[np.floating]:
    if mode == "diagonal":
        return np.identity(nodes, dtype=np.float32)
    degree_N, transitivity_N = rows_1NF[0, :nodes, 0], rows_1NF[0, :nodes, 1]
    if mode is None:
        return np.stack([degree_N, transitivity_N], axis=1)
    return encode(degree_N, transitivity_N)
