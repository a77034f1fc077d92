"""A3T-GCN on single snapshots; the layer lives in `stgnn.nn.recurrent.a3tgcn`.

Axes: B batch, T past entries, N graph nodes, C channels.
"""

from torch import Tensor, nn

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

    def encode(self, x_BTNC: Tensor) -> Tensor:
        """The attended states after relu and dropout, `[B, N, channels]`."""
        hidden_BNC = self.layer(x_BTNC.permute(0, 2, 3, 1), self.graph).relu()
        return nn.functional.dropout(hidden_BNC, self.dropout, self.training)
