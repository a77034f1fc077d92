"""A3T-GCN as a forecaster; its recurrence and attention live in `stgnn.nn.recurrent.a3tgcn`.

Axes: B batch, T past entries (the layer's periods), N graph nodes, C input or hidden channels.
"""

from torch import Tensor

from stgnn.data.edges import WindowEdges
from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import WalkingForecaster
from stgnn.models.walk import walk
from stgnn.nn.recurrent.a3tgcn import A3TGCN


class A3TGCNForecaster(WalkingForecaster):
    """T-GCN states of the whole window, weighted by attention, and a linear map to the whole horizon.

    Source: Bai et al., "A3T-GCN: Attention Temporal Graph Convolutional Network for Traffic
    Forecasting", ISPRS Int. J. Geo-Inf. 2021.

    Args:
        hidden_channels: width of the recurrent state (paper: 64 or 100, by dataset).
    """

    def __init__(self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt) -> None:
        require_positive(hidden_channels=hidden_channels)
        super().__init__(shape, graph, hidden_channels)
        self.layer = A3TGCN(shape.num_inputs, hidden_channels, shape.input_len)

    def encode_on(self, x_BTNC: Tensor, graphs: Graph | WindowEdges) -> Tensor:
        """The attended states `[B, N, C]`."""
        return self.layer.attended(walk(self.layer.tgcn, x_BTNC, graphs)[0])
