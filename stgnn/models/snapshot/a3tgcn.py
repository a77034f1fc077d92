"""A3T-GCN on single snapshots; the layer lives in `stgnn.nn.recurrent.a3tgcn`.

Axes: B batch, T past entries, N graph nodes, C channels, F = T * C features.
"""

from typing import cast

from torch import Tensor

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.snapshot.regressor import SnapshotRegressor
from stgnn.nn.recurrent.a3tgcn import A3TGCN


class SnapshotA3TGCN(SnapshotRegressor):
    """A3T-GCN over the past entries as its periods, the one layer of the protocol that sees their order.

    Args:
        hidden_channels: width of the layer (theirs: 32).
        dropout: share of channels that training leaves out (theirs: 0.5).
    """

    def __init__(
        self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt, dropout: float
    ) -> None:
        require_positive(hidden_channels=hidden_channels)
        super().__init__(shape, graph, hidden_channels, dropout)
        self.layer = A3TGCN(shape.num_inputs, hidden_channels, shape.input_len)

    def step_once(self, x_BNF: Tensor, graph: Graph) -> Tensor:
        """The attended states."""
        x_BNTC = x_BNF.unflatten(2, (self.shape.input_len, self.shape.num_inputs))
        return cast("Tensor", self.layer(x_BNTC.transpose(2, 3), graph))
