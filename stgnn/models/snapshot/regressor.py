"""What the snapshot models share: one step of a layer, from the past entries as features of their graph nodes.

Axes: B batch, T past entries (lags), N graph nodes, C channels, F = T * C features.
"""

from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import TaskShape
from stgnn.models.direct import EncodingForecaster


class SnapshotRegressor(EncodingForecaster):
    """One step of a recurrent layer from a zero state, relu, dropout, and a linear map to the horizon.

    The past entries are features side by side: the layer sees no order among them, and nothing is carried from one
    window to the next. A subclass implements `step_once`.

    Source: Rozemberczki et al., "PyTorch Geometric Temporal", CIKM 2021, section 4.2 and its examples. There the
    loss subtracts `[N]` from `[N, 1]`, whose broadcasting makes the mean of all targets the best forecast; here each
    forecast meets its own target.
    """

    def __init__(self, shape: TaskShape, graph: Graph, channels: int, dropout: float) -> None:
        if not 0 <= dropout < 1:
            raise InputError("dropout", f"is {dropout}", "give a share in [0, 1)")
        super().__init__(shape, graph, channels)
        self.dropout = dropout

    @staticmethod
    def num_features(shape: TaskShape) -> int:
        """F: what a layer is made for."""
        return shape.input_len * shape.num_inputs

    def step_once(self, x_BNF: Tensor) -> Tensor:
        """Return the layer's output `[B, N, channels]`."""
        raise NotImplementedError(f"{type(self).__name__} has no step_once")

    def encode(self, x_BTNC: Tensor) -> Tensor:
        """The layer's output after relu and dropout, `[B, N, channels]`."""
        hidden_BNC = self.step_once(x_BTNC.transpose(1, 2).flatten(2)).relu()
        return nn.functional.dropout(hidden_BNC, self.dropout, self.training)
