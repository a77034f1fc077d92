"""Signals on graphs with several types of graph nodes and edges, which stay as they are or change with time.

Axes: N graph nodes (of one type), F features, E edges (of one type).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from stgnn.data.snapshots.hetero import HeteroSignal
from stgnn.data.snapshots.signal import Names

ByNodeType: TypeAlias = Mapping[str, Any] | None
ByEdgeType: TypeAlias = Mapping[tuple[str, str, str], Any] | None


class StaticHeteroGraphTemporalSignal(HeteroSignal):
    """Features and targets that change with time, on one graph.

    A snapshot is a `HeteroData` object: `snapshot["author"].x` and `.y`, `snapshot["author", "writes", "paper"]`
    with `.edge_index` and `.edge_attr` (the weights), and the additional attributes of graph nodes. All snapshots
    share the tensors of the graph.

    Args:
        edge_index_dict: by edge type [2, E] whole numbers, sources above targets.
        edge_weight_dict: by edge type [E] or [E, anything].
        feature_dicts: for each snapshot, by node type [N, F].
        target_dicts: for each snapshot, by node type an array of any shape.
        **kwargs: additional attributes, each a sequence with one dict by node type for each snapshot.

    Raises `InputError`, naming the snapshot and the type, for parts that do not go together.
    """

    edge_index_dict: ByEdgeType
    edge_weight_dict: ByEdgeType
    feature_dicts: Sequence[ByNodeType]
    target_dicts: Sequence[ByNodeType]

    _fixed: ClassVar[Names] = {"edge_index": "edge_index_dict", "edge_attr": "edge_weight_dict"}
    _changing: ClassVar[Names] = {"x": "feature_dicts", "y": "target_dicts"}

    def __init__(
        self,
        edge_index_dict: ByEdgeType,
        edge_weight_dict: ByEdgeType,
        feature_dicts: Sequence[ByNodeType],
        target_dicts: Sequence[ByNodeType],
        **kwargs: Sequence[ByNodeType],
    ) -> None:
        self._hold(
            kwargs,
            edge_index_dict=edge_index_dict,
            edge_weight_dict=edge_weight_dict,
            feature_dicts=feature_dicts,
            target_dicts=target_dicts,
        )


class StaticHeteroGraphTemporalSignalBatch(StaticHeteroGraphTemporalSignal):
    """The same on several graphs side by side: snapshots are `Batch` objects.

    `batch_dict` has by node type [N], the graph that each graph node is of; the other arguments are as in
    `StaticHeteroGraphTemporalSignal`.
    """

    batch_dict: ByNodeType

    _batched = True
    _fixed: ClassVar[Names] = {**StaticHeteroGraphTemporalSignal._fixed, "batch": "batch_dict"}

    def __init__(
        self,
        edge_index_dict: ByEdgeType,
        edge_weight_dict: ByEdgeType,
        feature_dicts: Sequence[ByNodeType],
        target_dicts: Sequence[ByNodeType],
        batch_dict: ByNodeType,
        **kwargs: Sequence[ByNodeType],
    ) -> None:
        self._hold(
            kwargs,
            edge_index_dict=edge_index_dict,
            edge_weight_dict=edge_weight_dict,
            feature_dicts=feature_dicts,
            target_dicts=target_dicts,
            batch_dict=batch_dict,
        )


class DynamicHeteroGraphTemporalSignal(HeteroSignal):
    """Edges, features and targets that all change with time.

    As `StaticHeteroGraphTemporalSignal`, with `edge_index_dicts` and `edge_weight_dicts` that have a dict by edge
    type for each snapshot.
    """

    edge_index_dicts: Sequence[ByEdgeType]
    edge_weight_dicts: Sequence[ByEdgeType]
    feature_dicts: Sequence[ByNodeType]
    target_dicts: Sequence[ByNodeType]

    _fixed: ClassVar[Names] = {}
    _changing: ClassVar[Names] = {
        "x": "feature_dicts",
        "edge_index": "edge_index_dicts",
        "edge_attr": "edge_weight_dicts",
        "y": "target_dicts",
    }

    def __init__(
        self,
        edge_index_dicts: Sequence[ByEdgeType],
        edge_weight_dicts: Sequence[ByEdgeType],
        feature_dicts: Sequence[ByNodeType],
        target_dicts: Sequence[ByNodeType],
        **kwargs: Sequence[ByNodeType],
    ) -> None:
        self._hold(
            kwargs,
            edge_index_dicts=edge_index_dicts,
            edge_weight_dicts=edge_weight_dicts,
            feature_dicts=feature_dicts,
            target_dicts=target_dicts,
        )


class DynamicHeteroGraphTemporalSignalBatch(DynamicHeteroGraphTemporalSignal):
    """The same on several graphs side by side: snapshots are `Batch` objects.

    `batch_dicts` has for each snapshot, by node type, [N], the graph that each graph node is of; the other arguments
    are as in `DynamicHeteroGraphTemporalSignal`.
    """

    batch_dicts: Sequence[ByNodeType]

    _batched = True
    _changing: ClassVar[Names] = {**DynamicHeteroGraphTemporalSignal._changing, "batch": "batch_dicts"}

    def __init__(
        self,
        edge_index_dicts: Sequence[ByEdgeType],
        edge_weight_dicts: Sequence[ByEdgeType],
        feature_dicts: Sequence[ByNodeType],
        target_dicts: Sequence[ByNodeType],
        batch_dicts: Sequence[ByNodeType],
        **kwargs: Sequence[ByNodeType],
    ) -> None:
        self._hold(
            kwargs,
            edge_index_dicts=edge_index_dicts,
            edge_weight_dicts=edge_weight_dicts,
            feature_dicts=feature_dicts,
            target_dicts=target_dicts,
            batch_dicts=batch_dicts,
        )


class DynamicHeteroGraphStaticSignal(HeteroSignal):
    """Edges and targets that change with time, features that do not.

    As `DynamicHeteroGraphTemporalSignal`, but `feature_dict` is one dict, whose tensors all snapshots share.
    """

    edge_index_dicts: Sequence[ByEdgeType]
    edge_weight_dicts: Sequence[ByEdgeType]
    feature_dict: ByNodeType
    target_dicts: Sequence[ByNodeType]

    _fixed: ClassVar[Names] = {"x": "feature_dict"}
    _changing: ClassVar[Names] = {
        "edge_index": "edge_index_dicts",
        "edge_attr": "edge_weight_dicts",
        "y": "target_dicts",
    }

    def __init__(
        self,
        edge_index_dicts: Sequence[ByEdgeType],
        edge_weight_dicts: Sequence[ByEdgeType],
        feature_dict: ByNodeType,
        target_dicts: Sequence[ByNodeType],
        **kwargs: Sequence[ByNodeType],
    ) -> None:
        self._hold(
            kwargs,
            edge_index_dicts=edge_index_dicts,
            edge_weight_dicts=edge_weight_dicts,
            feature_dict=feature_dict,
            target_dicts=target_dicts,
        )


class DynamicHeteroGraphStaticSignalBatch(DynamicHeteroGraphStaticSignal):
    """The same on several graphs side by side: snapshots are `Batch` objects.

    `batch_dicts` has for each snapshot, by node type, [N], the graph that each graph node is of; the other arguments
    are as in `DynamicHeteroGraphStaticSignal`.
    """

    batch_dicts: Sequence[ByNodeType]

    _batched = True
    _changing: ClassVar[Names] = {**DynamicHeteroGraphStaticSignal._changing, "batch": "batch_dicts"}

    def __init__(
        self,
        edge_index_dicts: Sequence[ByEdgeType],
        edge_weight_dicts: Sequence[ByEdgeType],
        feature_dict: ByNodeType,
        target_dicts: Sequence[ByNodeType],
        batch_dicts: Sequence[ByNodeType],
        **kwargs: Sequence[ByNodeType],
    ) -> None:
        self._hold(
            kwargs,
            edge_index_dicts=edge_index_dicts,
            edge_weight_dicts=edge_weight_dicts,
            feature_dict=feature_dict,
            target_dicts=target_dicts,
            batch_dicts=batch_dicts,
        )
