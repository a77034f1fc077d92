"""What signals of graphs with several types of graph nodes and edges have in common: their checks and snapshots.

Axes: N graph nodes (of one type), F features, E edges (of one type).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch_geometric.data import Batch, HeteroData

from stgnn.data.snapshots import checks
from stgnn.data.snapshots.arrays import to_part
from stgnn.data.snapshots.signal import SnapshotSignal
from stgnn.errors import InputError

_OF_EDGES = ("edge_index", "edge_attr")


class HeteroSignal(SnapshotSignal[HeteroData]):
    """Snapshots are `HeteroData` objects: x and weights (`edge_attr`) float32, the rest by its own kind.

    Every part is a dict by type of graph node ("author") or of edge (("author", "writes", "paper")); a type without
    a value (None), or a snapshot without a dict (None), has none.
    """

    _batched: ClassVar[bool] = False

    def _build(self, parts: dict[str, Any]) -> HeteroData:
        snapshot = HeteroData()
        if self._batched:
            snapshot = Batch(_base_cls=HeteroData)
            graphs = [int(batch.max()) + 1 for batch in parts["batch"].values() if len(batch)]
            snapshot._num_graphs = max(graphs, default=1)
        for key, tensors in parts.items():
            for of_type, tensor in tensors.items():
                snapshot[of_type][key] = tensor
        return snapshot

    def _convert(self, key: str, value: Any) -> dict[Any, Any]:
        return {of: to_part(key, array) for of, array in (value or {}).items() if array is not None}

    def _check(self, where: str, raw: dict[str, Any]) -> None:
        parts = {key: self._typed(where, key, value) for key, value in raw.items()}
        nodes = {of: self._shape(where, of, x) for of, x in parts["x"].items()}
        for of, batch in parts.get("batch", {}).items():
            known = None if of not in nodes else checks.count_nodes(nodes[of])
            checks.check_batch(where, f"{self._name('batch')}[{of!r}]", batch, known)
        for of, value in parts["edge_index"].items():
            edges = checks.read_edges(where, f"{self._name('edge_index')}[{of!r}]", value)
            most = [None if end not in nodes else checks.most_nodes(nodes[end]) for end in (of[0], of[-1])]
            checks.check_ends(where, f"{self._name('edge_index')}[{of!r}]", edges, (most[0], most[1]))
            if of in parts["edge_attr"]:
                weight = parts["edge_attr"][of]
                checks.check_weights(where, f"{self._name('edge_attr')}[{of!r}]", weight, edges)

    def _typed(self, where: str, key: str, value: Any) -> dict[Any, Any]:
        """A part's values by type, those that are there."""
        if value is None:
            return {}
        types = "edge" if key in _OF_EDGES else "graph node"
        if not isinstance(value, Mapping):
            problem = f"{self._name(key)} is {type(value).__name__}, expected a dict by type of {types}"
            raise InputError(where, problem, "give a dict, or None")
        for of in value if key in _OF_EDGES else ():
            if not isinstance(of, tuple) or len(of) not in (2, 3):
                problem = f"{self._name(key)} has the type {of!r} of edges"
                raise InputError(where, problem, "expected (source type, relation, target type)")
        return {of: array for of, array in value.items() if array is not None}

    def _shape(self, where: str, of: Any, x: Any) -> tuple[int, ...]:
        return tuple(checks.read_array(where, f"{self._name('x')}[{of!r}]", x).shape)
