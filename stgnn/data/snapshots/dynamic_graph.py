"""Signals on a graph that changes with time.

Axes: N graph nodes, F features, E edges (of one snapshot).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch_geometric.data import Batch

from stgnn.data.snapshots.graph import GraphSignal
from stgnn.data.snapshots.signal import Names


class DynamicGraphTemporalSignal(GraphSignal):
    """Edges, features and targets that all change with time.

    A snapshot is a `Data` object with `x`, `edge_index`, `edge_attr` (the weights), `y` and the additional attributes.
    The number of edges, and of graph nodes, may differ from snapshot to snapshot.

    Args:
        edge_indices: for each snapshot [2, E] whole numbers, sources above targets, or None.
        edge_weights: for each snapshot [E] or [E, anything], or None.
        features: for each snapshot [N, F] (or [N], [N, F, T], ...), or None.
        targets: for each snapshot an array of any shape, or None.
        **kwargs: additional attributes, each a sequence with one item (of any kind) a snapshot.

    Raises `InputError`, naming the snapshot, for parts that do not go together.
    """

    edge_indices: Sequence[Any]
    edge_weights: Sequence[Any]
    features: Sequence[Any]
    targets: Sequence[Any]

    _fixed: ClassVar[Names] = {}
    _changing: ClassVar[Names] = {
        "x": "features",
        "edge_index": "edge_indices",
        "edge_attr": "edge_weights",
        "y": "targets",
    }

    def __init__(
        self,
        edge_indices: Sequence[Any],
        edge_weights: Sequence[Any],
        features: Sequence[Any],
        targets: Sequence[Any],
        **kwargs: Sequence[Any],
    ) -> None:
        self._hold(
            kwargs, edge_indices=edge_indices, edge_weights=edge_weights, features=features, targets=targets
        )


class DynamicGraphTemporalSignalBatch(DynamicGraphTemporalSignal):
    """The same on several graphs side by side: snapshots are `Batch` objects.

    `batches` has for each snapshot [N], the graph that each graph node is of (or None); the other arguments are as in
    `DynamicGraphTemporalSignal`.
    """

    batches: Sequence[Any]

    _snapshot = Batch
    _changing: ClassVar[Names] = {**DynamicGraphTemporalSignal._changing, "batch": "batches"}

    def __init__(
        self,
        edge_indices: Sequence[Any],
        edge_weights: Sequence[Any],
        features: Sequence[Any],
        targets: Sequence[Any],
        batches: Sequence[Any],
        **kwargs: Sequence[Any],
    ) -> None:
        self._hold(
            kwargs,
            edge_indices=edge_indices,
            edge_weights=edge_weights,
            features=features,
            targets=targets,
            batches=batches,
        )


class DynamicGraphStaticSignal(GraphSignal):
    """Edges and targets that change with time, features that do not.

    As `DynamicGraphTemporalSignal`, but `feature` is one array [N, F] (or None), whose tensor all snapshots share.
    """

    edge_indices: Sequence[Any]
    edge_weights: Sequence[Any]
    feature: Any
    targets: Sequence[Any]

    _fixed: ClassVar[Names] = {"x": "feature"}
    _changing: ClassVar[Names] = {"edge_index": "edge_indices", "edge_attr": "edge_weights", "y": "targets"}

    def __init__(
        self,
        edge_indices: Sequence[Any],
        edge_weights: Sequence[Any],
        feature: Any,
        targets: Sequence[Any],
        **kwargs: Sequence[Any],
    ) -> None:
        self._hold(
            kwargs, edge_indices=edge_indices, edge_weights=edge_weights, feature=feature, targets=targets
        )


class DynamicGraphStaticSignalBatch(DynamicGraphStaticSignal):
    """The same on several graphs side by side: snapshots are `Batch` objects.

    `batches` has for each snapshot [N], the graph that each graph node is of (or None); the other arguments are as in
    `DynamicGraphStaticSignal`.
    """

    batches: Sequence[Any]

    _snapshot = Batch
    _changing: ClassVar[Names] = {**DynamicGraphStaticSignal._changing, "batch": "batches"}

    def __init__(
        self,
        edge_indices: Sequence[Any],
        edge_weights: Sequence[Any],
        feature: Any,
        targets: Sequence[Any],
        batches: Sequence[Any],
        **kwargs: Sequence[Any],
    ) -> None:
        self._hold(
            kwargs,
            edge_indices=edge_indices,
            edge_weights=edge_weights,
            feature=feature,
            targets=targets,
            batches=batches,
        )
