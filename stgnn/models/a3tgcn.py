"""A3T-GCN as a forecaster; its recurrence and attention live in `stgnn.nn.recurrent.a3tgcn`.

Axes: B batch, T past entries (the layer's periods), H future entries (horizon), N graph nodes,
C input or hidden channels, F features to forecast.
"""

from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.models.base import Forecaster, PositiveInt, TaskShape, require_positive, split_horizon
from stgnn.nn.recurrent.a3tgcn import A3TGCN


class A3TGCNForecaster(Forecaster):
    """T-GCN states of the whole window, weighted by attention, and a linear map to the whole horizon.

    Source: Bai et al., "A3T-GCN: Attention Temporal Graph Convolutional Network for Traffic
    Forecasting", ISPRS Int. J. Geo-Inf. 2021.

    Args:
        hidden_channels: width of the recurrent state (paper: 64 or 100, by dataset).
    """

    def __init__(self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt) -> None:
        super().__init__(shape, graph)
        require_positive(hidden_channels=hidden_channels)
        self.layer = A3TGCN(shape.num_inputs, hidden_channels, shape.input_len)
        self.head = nn.Linear(hidden_channels, shape.horizon * shape.num_outputs)

    def forward(
        self,
        x_BTNC: Tensor,
        *,
        calendar_BHK: Tensor | None = None,
        target_BHNF: Tensor | None = None,
        step: int = 0,
    ) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        # The layer keeps its library's order of axes: [B, N, C, periods].
        context_BNC = self.layer(x_BTNC.permute(0, 2, 3, 1), self.graph)
        return split_horizon(self.head(context_BNC), self.shape).to(x_BTNC.dtype)
