"""EvolveGCN-O and -H on single snapshots; the layers live in `stgnn.nn.recurrent.evolvegcn`."""

from torch import Tensor

from stgnn.data.edges import WindowEdges
from stgnn.graph.graph import Graph
from stgnn.models.base import TaskShape
from stgnn.models.snapshot.regressor import SnapshotRegressor
from stgnn.nn.recurrent.evolvegcn import EvolveGCNH, EvolveGCNO


class SnapshotEvolveGCNO(SnapshotRegressor):
    """EvolveGCN-O, one step from its initial weight; it is as wide as the features are.

    Args:
        dropout: share of channels that training leaves out (theirs: 0.5).
    """

    def __init__(self, shape: TaskShape, graph: Graph, *, dropout: float) -> None:
        super().__init__(shape, graph, self.num_features(shape), dropout)
        self.layer = EvolveGCNO(self.num_features(shape))

    def step_once(self, x_BNF: Tensor, graph: Graph) -> Tensor:
        """The convolution with the weight after one step."""
        return self.layer.unroll(x_BNF.unsqueeze(1), graph)[0].squeeze(1)


class SnapshotEvolveGCNH(SnapshotRegressor):
    """EvolveGCN-H, one step from its initial weight; it is as wide as the features are.

    Args:
        dropout: share of channels that training leaves out (theirs: 0.5).
    """

    def __init__(self, shape: TaskShape, graph: Graph, *, dropout: float) -> None:
        super().__init__(shape, graph, self.num_features(shape), dropout)
        self.layer = EvolveGCNH(shape.num_nodes, self.num_features(shape))

    def step_once(self, x_BNF: Tensor, graph: Graph) -> Tensor:
        """The convolution with the weight after one step."""
        return self.layer.unroll(x_BNF.unsqueeze(1), graph)[0].squeeze(1)

    def step_on_edges(self, x_BNF: Tensor, edges: WindowEdges) -> Tensor:
        """Window by window: each chooses its own graph nodes."""
        return self.step_by_window(x_BNF, edges)
