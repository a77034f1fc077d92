"""GCLSTM as a forecaster; its recurrent cell lives in `stgnn.nn.recurrent.gclstm`."""

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import RecurrentForecaster
from stgnn.nn.recurrent.gclstm import GCLSTM


class GCLSTMForecaster(RecurrentForecaster):
    """An LSTM whose state is graph-filtered, over the window, and a linear map from its last state.

    The input itself is not filtered, so what happens at a graph node's neighbours reaches it an entry later.

    Source: Chen, Wang, Xu, "GC-LSTM: Graph Convolution Embedded LSTM for Dynamic Network Link Prediction",
    Applied Intelligence 2022. The paper forecasts links; this forecasts signals.

    Args:
        hidden_channels: width of the recurrent state.
        filter_taps: K, terms of each Chebyshev filter: it reaches K - 1 hops.
    """

    def __init__(
        self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt, filter_taps: PositiveInt
    ) -> None:
        require_positive(hidden_channels=hidden_channels, filter_taps=filter_taps)
        cell = GCLSTM(shape.num_inputs, hidden_channels, filter_taps)
        super().__init__(shape, graph, cell, hidden_channels)
