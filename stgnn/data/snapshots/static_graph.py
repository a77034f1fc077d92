"""Signals on a graph that stays as it is.

Axes: N graph nodes, F features, E edges.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch_geometric.data import Batch

from stgnn.data.snapshots.graph import GraphSignal
from stgnn.data.snapshots.signal import Names


class StaticGraphTemporalSignal(GraphSignal):
    """Features and targets that change with time, on one graph.

    A snapshot is a `Data` object with `x`, `edge_index`, `edge_attr` (the weights), `y` and the additional attributes.
    All of them share the tensors of the graph.

    Args:
        edge_index: [2, E] whole numbers, sources above targets, or None.
        edge_weight: [E] or [E, anything], or None.
        features: for each snapshot [N, F] (or [N], [N, F, T], ...), or None.
        targets: for each snapshot an array of any shape, or None.
        **kwargs: additional attributes, each a sequence with one item (of any kind) a snapshot.

    Raises `InputError`, naming the snapshot, for parts that do not go together.
    """

    edge_index: Any
    edge_weight: Any
    features: Sequence[Any]
    targets: Sequence[Any]

    _fixed: ClassVar[Names] = {"edge_index": "edge_index", "edge_attr": "edge_weight"}
    _changing: ClassVar[Names] = {"x": "features", "y": "targets"}

    def __init__(
        self,
        edge_index: Any,
        edge_weight: Any,
        features: Sequence[Any],
        targets: Sequence[Any],
        **kwargs: Sequence[Any],
    ) -> None:
        self._hold(kwargs, edge_index=edge_index, edge_weight=edge_weight, features=features, targets=targets)


class StaticGraphTemporalSignalBatch(StaticGraphTemporalSignal):
    """The same on several graphs side by side: snapshots are `Batch` objects.

    `batches` [N] says for each graph node which graph it is of (or None); the other arguments are as in
    `StaticGraphTemporalSignal`.
    """

    batches: Any

    _snapshot = Batch
    _fixed: ClassVar[Names] = {**StaticGraphTemporalSignal._fixed, "batch": "batches"}

    def __init__(
        self,
        edge_index: Any,
        edge_weight: Any,
        features: Sequence[Any],
        targets: Sequence[Any],
        batches: Any,
        **kwargs: Sequence[Any],
    ) -> None:
        self._hold(
            kwargs,
            edge_index=edge_index,
            edge_weight=edge_weight,
            features=features,
            targets=targets,
            batches=batches,
        )
