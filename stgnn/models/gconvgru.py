"""GConvGRU as a forecaster; its recurrent cell lives in `stgnn.nn.recurrent.gconv_gru`.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input or hidden channels, R = B * N rows.
"""

from torch import Tensor

from stgnn.data.edges import WindowEdges
from stgnn.graph.graph import Graph
from stgnn.models.base import NOTHING, Known, PositiveInt, TaskShape, require_positive, split_horizon
from stgnn.models.direct import RecurrentForecaster
from stgnn.nn.recurrent.gconv_gru import GConvGRU


class GConvGRUForecaster(RecurrentForecaster):
    """A Chebyshev graph convolutional GRU over the window, and a linear map from its last state to the horizon.

    Where the graph changes with time each entry is filtered on its own.

    Source: Seo, Defferrard, Vandergheynst, Bresson, "Structured Sequence Modeling with Graph Convolutional
    Recurrent Networks", ICONIP 2018, model 2 with a GRU for its LSTM.

    Args:
        hidden_channels: width of the recurrent state.
        filter_taps: K, terms of each Chebyshev filter: it reaches K - 1 hops (paper: 3 to 9).
    """

    on_changing_graphs = True
    reads_past_edges = True

    cell: GConvGRU

    def __init__(
        self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt, filter_taps: PositiveInt
    ) -> None:
        require_positive(hidden_channels=hidden_channels, filter_taps=filter_taps)
        cell = GConvGRU(shape.num_inputs, hidden_channels, filter_taps)
        super().__init__(shape, graph, cell, hidden_channels)

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`."""
        if known.edges is None:
            return super().forward(x_BTNC, known)
        self.expect_window(x_BTNC)
        state_BNC = self._state_on_edges(x_BTNC, known.edges)
        return split_horizon(self.head(state_BNC), self.shape).to(x_BTNC.dtype)

    def _state_on_edges(self, x_BTNC: Tensor, edges: WindowEdges) -> Tensor:
        """The last state; the windows side by side are one graph of B * N graph nodes, another one at each entry."""
        rows = x_BTNC.shape[0] * x_BTNC.shape[2]
        state_RC: Tensor = x_BTNC.new_zeros(rows, self.cell.out_channels)
        for number, x_BNC in enumerate(x_BTNC.unbind(1)):
            graph = Graph(*edges.step(number), num_nodes=rows)
            # No eigenvalue is above 2: a bound that does not hang on what else is in the batch.
            state_RC = self.cell(x_BNC.flatten(0, 1), graph, state_RC, lambda_max=2.0)
        return state_RC.view(x_BTNC.shape[0], x_BTNC.shape[2], -1)
