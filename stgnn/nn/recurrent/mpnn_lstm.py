"""Graph convolutions below two long short-term memories (MPNN-LSTM).

Axes: B samples (any leading dimensions), W entries of the window, N graph nodes, F input features, C hidden channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.graph.operators import Operator
from stgnn.nn.arguments import GraphArguments, check_features
from stgnn.nn.gcn import GraphConvolution
from stgnn.nn.recurrent.plain_lstm import run_lstm


class MPNNLSTM(nn.Module):
    r"""MPNN-LSTM (Panagopoulos et al., AAAI 2021, "Transfer Graph Neural Networks for Pandemic Forecasting", eq.
    1-3).

    .. math::
        X^{(1)} &= \mathrm{BN}(\mathrm{relu}(\hat A X W_1 + b_1)) \qquad
        X^{(2)} = \mathrm{BN}(\mathrm{relu}(\hat A X^{(1)} W_2 + b_2)) \\
        H_1 &= \mathrm{LSTM}_1([X^{(1)}, X^{(2)}]) \qquad H_2 = \mathrm{LSTM}_2(H_1) \qquad
        Y = [H_1, H_2, S]

    with the last states of both and S the first entry's features and the last feature of the later entries. Input is
    a window X `[..., W, N, F]` on a graph of N graph nodes, and Y is `[..., N, 2C + F + W - 1]`; or, like PyTorch
    Geometric Temporal's, its rows X `[B*W*N, F]` with edges between rows (a graph for each entry), and Y is `[B*N,
    ..]`. Values and parameter names are PGT's, so its checkpoints load.
    """

    def __init__(
        self, in_channels: int, hidden_size: int, num_nodes: int, window: int, dropout: float
    ) -> None:
        super().__init__()
        self.in_channels, self.hidden_size = in_channels, hidden_size
        self.num_nodes, self.window, self.dropout = num_nodes, window, dropout
        self._convolution_1 = GraphConvolution(in_channels, hidden_size)
        self._convolution_2 = GraphConvolution(hidden_size, hidden_size)
        self._batch_norm_1 = nn.BatchNorm1d(hidden_size)
        self._batch_norm_2 = nn.BatchNorm1d(hidden_size)
        self._recurrent_1 = nn.LSTM(2 * hidden_size, hidden_size, 1)
        self._recurrent_2 = nn.LSTM(hidden_size, hidden_size, 1)
        self._arguments = GraphArguments()

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """Y in X's type; on a `Graph`, or on edge_index and edge_weight. `InputError` for shapes that do not fit."""
        lead, given = self._lead(X), X.dtype
        X = X.to(self._convolution_1.bias.dtype)
        operator = self._arguments.graph(
            edge_index if graph is None else graph, edge_weight, X.shape[-2]
        ).gcn()
        first = self._convolved(X, operator, self._convolution_1, self._batch_norm_1)
        second = self._convolved(first, operator, self._convolution_2, self._batch_norm_2)
        both_BWNC = torch.cat([first, second], dim=-1).view(
            -1, self.window, self.num_nodes, 2 * self.hidden_size
        )
        sequence_WRC = both_BWNC.transpose(0, 1).flatten(1, 2)
        sequence_WRC, (h1_1RC, _) = run_lstm(self._recurrent_1, sequence_WRC)
        _, (h2_1RC, _) = run_lstm(self._recurrent_2, sequence_WRC)
        skipped_RS = self._skipped(X)
        y_RY = torch.cat([h1_1RC[0], h2_1RC[0], skipped_RS.to(h1_1RC.dtype)], dim=-1)
        return y_RY.view(*lead, y_RY.shape[-1]).to(given)

    def _lead(self, X: Tensor) -> tuple[int, ...]:
        """The dimensions of Y before its channels."""
        if X.dim() == 2:
            check_features("X", X, "rows, features", self.in_channels)
            if X.shape[0] % (self.window * self.num_nodes):
                found = f"has {X.shape[0]} rows, expected a multiple of {self.window} x {self.num_nodes}"
                raise InputError("X", found, "rows are samples x entries x graph nodes")
            return (X.shape[0] // self.window,)
        check_features("X", X, "entries, graph nodes, features", self.in_channels)
        if X.shape[-3:-1] != (self.window, self.num_nodes):
            found = f"has {X.shape[-3]} entries of {X.shape[-2]} graph nodes"
            raise InputError("X", found, f"the layer expects {self.window} of {self.num_nodes}")
        return (*X.shape[:-3], self.num_nodes)

    def _convolved(
        self, x: Tensor, operator: Operator, convolution: GraphConvolution, norm: nn.BatchNorm1d
    ) -> Tensor:
        convolved = functional.relu(convolution(x, operator))
        normed: Tensor = norm(convolved.view(-1, self.hidden_size)).view_as(convolved)
        return functional.dropout(normed, self.dropout, self.training)

    def _skipped(self, X: Tensor) -> Tensor:
        """S, `[B*N, F + W - 1]`."""
        x_BNWF = X.reshape(-1, self.window, self.num_nodes, self.in_channels).transpose(1, 2)
        return torch.cat([x_BNWF[:, :, 0], x_BNWF[:, :, 1:, -1]], dim=-1).flatten(0, 1)
