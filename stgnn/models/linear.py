"""The linear baseline: one affine map from window to forecast, shared by all graph nodes.

Axes: B batch, T past entries, H future entries, N graph nodes, C input channels, F features.
"""

from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.models.base import Forecaster, TaskShape, split_horizon


class Linear(Forecaster):
    """y_n = W vec(x_n) + b with `W [H*F, T*C]`: knows no graph, the bar that a graph model must clear.

    Source: the linear regression that beat the layer library's own examples; autoregression of order T
    with one set of coefficients for all graph nodes.
    """

    def __init__(self, shape: TaskShape, graph: Graph) -> None:
        super().__init__(shape, graph)
        self.head = nn.Linear(shape.input_len * shape.num_inputs, shape.horizon * shape.num_outputs)

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
        x_BNM = x_BTNC.transpose(1, 2).flatten(2)
        return split_horizon(self.head(x_BNM), self.shape).to(x_BTNC.dtype)
