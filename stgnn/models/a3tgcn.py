"""A3T-GCN as a forecaster; its recurrence and attention live in `stgnn.nn.recurrent.a3tgcn`.

Axes: B batch, T past entries (the layer's periods), N graph nodes, C input or hidden channels.
"""

from typing import cast

from torch import Tensor

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import EncodingForecaster
from stgnn.nn.recurrent.a3tgcn import A3TGCN


class A3TGCNForecaster(EncodingForecaster):
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

    def encode(self, x_BTNC: Tensor) -> Tensor:
        """The attended states `[B, N, C]`."""
        # The layer keeps its library's order of axes: [B, N, C, periods].
        return cast("Tensor", self.layer(x_BTNC.permute(0, 2, 3, 1), self.graph))
