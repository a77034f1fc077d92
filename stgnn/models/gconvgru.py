"""GConvGRU as a forecaster; its recurrent cell lives in `stgnn.nn.recurrent.gconv_gru`."""

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import RecurrentForecaster
from stgnn.nn.recurrent.gconv_gru import GConvGRU


class GConvGRUForecaster(RecurrentForecaster):
    """A Chebyshev graph convolutional GRU over the window, and a linear map from its last state to the horizon.

    Source: Seo, Defferrard, Vandergheynst, Bresson, "Structured Sequence Modeling with Graph Convolutional
    Recurrent Networks", ICONIP 2018, model 2 with a GRU for its LSTM.

    Args:
        hidden_channels: width of the recurrent state.
        filter_taps: K, terms of each Chebyshev filter: it reaches K - 1 hops (paper: 3 to 9).
    """

    def __init__(
        self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt, filter_taps: PositiveInt
    ) -> None:
        require_positive(hidden_channels=hidden_channels, filter_taps=filter_taps)
        cell = GConvGRU(shape.num_inputs, hidden_channels, filter_taps)
        super().__init__(shape, graph, cell, hidden_channels)
