"""The linear baseline: one affine map from window to forecast, shared by all graph nodes.

Axes: B batch, T past entries, H future entries, N graph nodes, C input channels, F features.
"""

from torch import Tensor

from stgnn.graph.graph import Graph
from stgnn.models.base import TaskShape
from stgnn.models.direct import EncodingForecaster


class Linear(EncodingForecaster):
    """y_n = W vec(x_n) + b with `W [H*F, T*C]`: knows no graph, the bar that a graph model must clear.

    Source: the linear regression that beat the layer library's own examples; autoregression of order T
    with one set of coefficients for all graph nodes.
    """

    uses_graph = False

    def __init__(self, shape: TaskShape, graph: Graph) -> None:
        super().__init__(shape, graph, shape.input_len * shape.num_inputs)

    def encode(self, x_BTNC: Tensor) -> Tensor:
        """The window of each graph node in one row, `[B, N, T * C]`."""
        return x_BTNC.transpose(1, 2).flatten(2)
