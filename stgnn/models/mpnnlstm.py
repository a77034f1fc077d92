"""MPNN-LSTM as a forecaster; its layer lives in `stgnn.nn.recurrent.mpnn_lstm`.

Axes: B batch, T past entries, N graph nodes, C input or hidden channels, R = B * T * N rows.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from stgnn.data.edges import WindowEdges
from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import WalkingForecaster
from stgnn.nn.recurrent.mpnn_lstm import MPNNLSTM


class MPNNLSTMForecaster(WalkingForecaster):
    """Two graph convolutions of each entry, two LSTMs over the entries, and a perceptron of their last states.

    Source: Panagopoulos, Nikolentzos, Vazirgiannis, "Transfer Graph Neural Networks for Pandemic Forecasting",
    AAAI 2021. Their last layer ends in a relu, since case counts are not negative; scaled values may be.

    Args:
        hidden_channels: width of convolutions, LSTMs and perceptron (paper: 64).
        dropout: share of the convolutions' outputs that training leaves out (paper: 0.5).

    Raises:
        InputError: dropout is not in [0, 1).
    """

    def __init__(
        self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt, dropout: float
    ) -> None:
        require_positive(hidden_channels=hidden_channels)
        if not 0 <= dropout < 1:
            raise InputError("dropout", f"is {dropout}", "give a share in [0, 1)")
        super().__init__(shape, graph, hidden_channels)
        inputs, entries = shape.num_inputs, shape.input_len
        self.layer = MPNNLSTM(inputs, hidden_channels, shape.num_nodes, entries, dropout)
        self.hidden = nn.Linear(2 * hidden_channels + inputs + entries - 1, hidden_channels)

    def encode_on(self, x_BTNC: Tensor, graphs: Graph | WindowEdges) -> Tensor:
        """The perceptron's hidden layer, `[B, N, C]`."""
        if isinstance(graphs, Graph):
            out_BNY = self.layer(x_BTNC, graphs)
        else:
            rows_RC = x_BTNC.flatten(0, 2)
            out_BNY = self.layer(rows_RC, _graph_of_rows(graphs)).unflatten(0, (len(x_BTNC), -1))
        return cast("Tensor", self.hidden(out_BNY).relu())


def _graph_of_rows(edges: WindowEdges) -> Graph:
    """All edges between the rows of `x_BTNC.flatten(0, 2)`; `joined` counts entries before windows."""
    sizes = (edges.num_windows, len(edges), edges.num_nodes)
    (index, weight), rows = edges.joined(), math.prod(sizes)
    row_of = torch.arange(rows, device=index.device).view(sizes).transpose(0, 1).flatten()
    return Graph(row_of[index], weight, rows)
