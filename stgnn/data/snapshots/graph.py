"""What signals of graphs with one type of graph node have in common: their checks and their snapshots.

Axes: N graph nodes, F features, E edges.
"""

from typing import Any, ClassVar

from torch_geometric.data import Data

from stgnn.data.snapshots import checks
from stgnn.data.snapshots.arrays import to_part
from stgnn.data.snapshots.signal import SnapshotSignal
from stgnn.errors import InputError


class GraphSignal(SnapshotSignal[Data]):
    """Snapshots are `Data` objects: x and weights (`edge_attr`) float32, the rest by its own kind."""

    _snapshot: ClassVar[Any] = Data  # or Batch

    def _build(self, parts: dict[str, Any]) -> Data:
        snapshot: Data = self._snapshot(**parts)
        return snapshot

    def _convert(self, key: str, value: Any) -> Any:
        return None if value is None else to_part(key, value)

    def _check(self, where: str, raw: dict[str, Any]) -> None:
        nodes, most = self._count_nodes(where, raw["x"])
        if raw.get("batch") is not None:
            checks.check_batch(where, self._name("batch"), raw["batch"], nodes)
        edges = self._edges(where, raw["edge_index"])
        if edges is not None:
            checks.check_ends(where, self._name("edge_index"), edges, (most, most))
            if raw["edge_attr"] is not None:
                checks.check_weights(where, self._name("edge_attr"), raw["edge_attr"], edges)

    def _count_nodes(self, where: str, x: Any) -> tuple[int | None, int | None]:
        """How many graph nodes the features say there are, and the most that there can be (None: not said)."""
        if x is None:
            return None, None
        shape = tuple(checks.read_array(where, self._name("x"), x).shape)
        nodes = checks.count_nodes(shape)
        if "edge_index" in self._fixed and nodes is not None:
            expected = self._shared.setdefault("nodes", nodes)
            if nodes != expected:
                problem = f"{self._name('x')} has {nodes} graph nodes, other snapshots have {expected}"
                raise InputError(where, problem, "a static graph has the same graph nodes in every snapshot")
        return nodes, checks.most_nodes(shape)

    def _edges(self, where: str, value: Any) -> checks.Edges | None:
        """The snapshot's edges, read once where they never change."""
        if "edges" in self._shared:
            known: checks.Edges = self._shared["edges"]
            return known
        edges = None if value is None else checks.read_edges(where, self._name("edge_index"), value)
        if "edge_index" in self._fixed and edges is not None:
            self._shared["edges"] = edges
        return edges
