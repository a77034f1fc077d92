"""MPNN-LSTM on single snapshots; the layer lives in `stgnn.nn.recurrent.mpnn_lstm`.

Axes: B batch, N graph nodes, F features, R = B * N rows.
"""

from typing import cast

from torch import Tensor

from stgnn.data.edges import WindowEdges
from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.snapshot.regressor import SnapshotRegressor
from stgnn.nn.recurrent.mpnn_lstm import MPNNLSTM


class SnapshotMPNNLSTM(SnapshotRegressor):
    """MPNN-LSTM over a window of one entry.

    Args:
        hidden_channels: width of convolutions and LSTMs (theirs: 32).
        dropout: share of channels that training leaves out, in the layer too (theirs: 0.5).
    """

    def __init__(
        self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt, dropout: float
    ) -> None:
        require_positive(hidden_channels=hidden_channels)
        features = self.num_features(shape)
        super().__init__(shape, graph, 2 * hidden_channels + features, dropout)
        self.layer = MPNNLSTM(features, hidden_channels, shape.num_nodes, 1, dropout)

    def step_once(self, x_BNF: Tensor, graph: Graph) -> Tensor:
        """Both LSTMs' states beside the features."""
        return cast("Tensor", self.layer(x_BNF.unsqueeze(1), graph))

    def step_on_edges(self, x_BNF: Tensor, edges: WindowEdges) -> Tensor:
        """All windows' graph nodes as rows, with the edges between them."""
        rows_RY = cast("Tensor", self.layer(x_BNF.flatten(0, 1), edges.graphs[-1]))
        return rows_RY.view(*x_BNF.shape[:2], -1)
