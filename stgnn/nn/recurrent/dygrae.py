"""The encoder of the dynamic graph autoencoder: gated graph convolutions below a long short-term memory (DyGrEncoder).

Axes: B samples (any leading dimensions), T entries, N graph nodes, F input features, M message channels,
C hidden channels, L layers of the LSTM.
"""

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.arguments import GraphArguments, check_features, state_argument
from stgnn.nn.recurrent.gru_cell import run_gru_cell
from stgnn.nn.recurrent.plain_lstm import run_lstm

AGGREGATIONS = ("add", "mean", "max")


class GatedGraphConv(nn.Module):
    r"""Gated graph convolution (Li et al., ICLR 2016, "Gated Graph Sequence Neural Networks").

    .. math::
        h^{(0)} = [X, 0] \qquad m_n = \mathrm{aggr}_{j \to n}\, w_{jn} (h^{(l)} W_l)_j \qquad
        h^{(l+1)} = \mathrm{GRU}(m, h^{(l)})

    X `[..., N, F]` with F <= M, result `[..., N, M]`. Parameters and values are those of PyTorch Geometric's layer;
    a maximum takes duplicate edges for one edge of their summed weight, a mean counts them all.
    """

    def __init__(self, out_channels: int, num_layers: int, aggr: str = "add") -> None:
        super().__init__()
        if aggr not in AGGREGATIONS:
            raise InputError("conv_aggr", f"is {aggr!r}", f"use one of {', '.join(AGGREGATIONS)}")
        self.out_channels, self.num_layers, self.aggr = out_channels, num_layers, aggr
        self.weight = nn.Parameter(torch.empty(num_layers, out_channels, out_channels))
        self.rnn = nn.GRUCell(out_channels, out_channels)
        nn.init.uniform_(self.weight, -(out_channels**-0.5), out_channels**-0.5)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """`[..., N, M]`."""
        if x.shape[-1] > self.out_channels:
            found = f"has {x.shape[-1]} features"
            raise InputError("X", found, f"at most conv_out_channels, {self.out_channels}")
        h = x.to(self.weight.dtype)
        for weight in self.weight:
            mixing = weight[: h.shape[-1]]  # the first state's other columns are zero
            if self.aggr == "max":
                message, mixing = self._largest(h @ mixing, graph), None
            else:
                message = graph.neighbours(mean=self.aggr == "mean") @ h
            after = run_gru_cell(self.rnn, message.flatten(0, -2), h.flatten(0, -2), mixing)
            h = after.view(*h.shape[:-1], self.out_channels)
        return h

    def _largest(self, message: Tensor, graph: Graph) -> Tensor:
        target, source, weight = graph.neighbours().entries(message.device, message.dtype)
        sent = message.index_select(-2, source) * weight.unsqueeze(-1)
        places = target.unsqueeze(-1).expand_as(sent)
        return torch.zeros_like(message).scatter_reduce(-2, places, sent, "amax", include_self=False)


class DyGrEncoder(nn.Module):
    r"""Encoder of DyGrAE (Taheri and Berger-Wolf, ASONAM 2019, "Predictive Temporal Embedding of Dynamic Graphs").

    .. math:: \tilde X = \mathrm{GatedGraphConv}(X) \qquad (H', C') = \mathrm{LSTM}(\tilde X, H, C)

    X `[..., N, F]`, H and C `[..., N, C]`, or `[L, ..., N, C]` for an LSTM of L > 1 layers. Values and parameter
    names are those of PyTorch Geometric Temporal, so its checkpoints load.
    """

    def __init__(
        self,
        conv_out_channels: int,
        conv_num_layers: int,
        conv_aggr: str,
        lstm_out_channels: int,
        lstm_num_layers: int,
    ) -> None:
        super().__init__()
        self.lstm_out_channels, self.lstm_num_layers = lstm_out_channels, lstm_num_layers
        self.conv_layer = GatedGraphConv(conv_out_channels, conv_num_layers, conv_aggr)
        self.recurrent_layer = nn.LSTM(conv_out_channels, lstm_out_channels, lstm_num_layers)
        self._arguments = GraphArguments()

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        H: Tensor | None = None,
        C: Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step: the last layer's state `[..., N, C]`, and the new H and C, from those before (None: zeros).

        Call it as `layer(X, graph, H, C)` or, like PGT's, `layer(X, edge_index, edge_weight, H, C)`.
        """
        check_features("X", X, "graph nodes, features", X.shape[-1])
        given = edge_index if graph is None else graph
        edge_weight, H, C = state_argument(given, edge_weight, H, C)
        whole = self._arguments.graph(given, edge_weight, X.shape[-2])
        states, H, C = self._run(X.unsqueeze(-3), whole, H, C)
        return states.squeeze(-3), H, C

    def unroll(
        self, x_BTNF: Tensor, graph: Graph, H: Tensor | None = None, C: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The last layer's states `[..., T, N, C]`, and the last H and C, over x `[..., T, N, F]`."""
        check_features("x", x_BTNF, "entries, graph nodes, features", x_BTNF.shape[-1])
        return self._run(x_BTNF, self._arguments.graph(graph, None, x_BTNF.shape[-2]), H, C)

    def _run(
        self, x_BTNF: Tensor, graph: Graph, H: Tensor | None, C: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        *lead, entries, nodes, _ = x_BTNF.shape
        if not entries:
            raise InputError("x", "has no entries", "unroll over at least one")
        # the order of the recurrence, as long as there are few channels to move
        convolved_TRM = self.conv_layer(x_BTNF.movedim(-3, 0), graph).reshape(
            entries, -1, self.conv_layer.out_channels
        )
        layers = [self.lstm_num_layers] if self.lstm_num_layers > 1 else []
        before = self._before((*layers, *lead, nodes, self.lstm_out_channels), H, C)
        states_TRC, after = run_lstm(self.recurrent_layer, convolved_TRM, before)
        states: Tensor = states_TRC.view(entries, *lead, nodes, self.lstm_out_channels).movedim(0, -3)
        h, c = (state.view(*layers, *lead, nodes, self.lstm_out_channels).to(x_BTNF.dtype) for state in after)
        return states.to(x_BTNF.dtype), h, c

    def _before(
        self, shape: tuple[int, ...], H: Tensor | None, C: Tensor | None
    ) -> tuple[Tensor, Tensor] | None:
        """Both states as torch's LSTM has them, `[L, R, C]`."""
        if H is None or C is None:
            if H is not None or C is not None:
                raise InputError("H, C", "only one of them is given", "give both, or none for zeros")
            return None
        for name, state in (("H", H), ("C", C)):
            if state.shape != shape:
                raise InputError(name, f"has shape {tuple(state.shape)}", f"expected {shape}")
        size = self.lstm_num_layers, -1, self.lstm_out_channels
        return H.reshape(size), C.reshape(size)
