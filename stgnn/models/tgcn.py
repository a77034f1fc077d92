"""T-GCN as a forecaster; its recurrent cell lives in `stgnn.nn.recurrent.tgcn`.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input or hidden channels,
F features to forecast.
"""

from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.models.base import Forecaster, PositiveInt, TaskShape, require_positive, split_horizon
from stgnn.nn.recurrent.tgcn import TGCN


class TGCNForecaster(Forecaster):
    """A T-GCN cell over the window, and one linear map from its last state to the whole horizon.

    Source: Zhao et al., "T-GCN: A Temporal Graph Convolutional Network for Traffic Prediction", IEEE
    T-ITS 2020, figure 6.

    Args:
        hidden_channels: width of the recurrent state (paper: 64 or 100, by dataset).
    """

    def __init__(self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt) -> None:
        super().__init__(shape, graph)
        require_positive(hidden_channels=hidden_channels)
        self.cell = TGCN(shape.num_inputs, hidden_channels)
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
        _, last_BNC = self.cell.unroll(x_BTNC, self.graph)
        return split_horizon(self.head(last_BNC), self.shape).to(x_BTNC.dtype)
