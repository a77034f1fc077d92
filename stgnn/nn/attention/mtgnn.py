"""MTGNN: layers of dilated inception and mix-hop propagation over a graph that is learned or given.

The layer is in `mtgnn_layer`, learning the graph in `graph_learning`.

Axes: B samples, N graph nodes, T entries, F input features, C channels, O output channels, S skip channels.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.attention.graph_learning import GraphConstructor, Linear, MixProp, normalised
from stgnn.nn.attention.mtgnn_layer import (
    DilatedInception,
    LayerNormalization,
    MTGNNLayer,
    over_entries,
    reach,
)
from stgnn.nn.attention.pointwise import over_channels

__all__ = [
    "MTGNN",
    "DilatedInception",
    "GraphConstructor",
    "LayerNormalization",
    "Linear",
    "MTGNNLayer",
    "MixProp",
]


class MTGNN(nn.Module):
    """Multivariate time series forecasting with graph neural networks (Wu et al., KDD 2020, "Connecting the Dots").

    `layers` `MTGNNLayer`s whose dilation grows by `dilation_exponential`, between 1 x 1 convolutions. The graph is
    learned (`build_adj`) or given to `forward`; without `gcn_true` there is none. `kernel_size` is the widest of
    `kernel_set`. Values and parameter names are those of PyTorch Geometric Temporal (PGT); its checkpoints load, less
    the parameters that no output depends on. Initial values are PyTorch's defaults, as in the authors' code.
    """

    def __init__(
        self,
        gcn_true: bool,
        build_adj: bool,
        gcn_depth: int,
        num_nodes: int,
        kernel_set: list[int],
        kernel_size: int,
        dropout: float,
        subgraph_size: int,
        node_dim: int,
        dilation_exponential: int,
        conv_channels: int,
        residual_channels: int,
        skip_channels: int,
        end_channels: int,
        seq_length: int,
        in_dim: int,
        out_dim: int,
        layers: int,
        propalpha: float,
        tanhalpha: float,
        layer_norm_affline: bool,
        xd: int | None = None,
    ) -> None:
        super().__init__()
        if kernel_size != max(kernel_set):
            raise InputError("kernel_size", f"is {kernel_size}", f"give the widest kernel, {max(kernel_set)}")
        self.gcn_true, self.build_adj, self.num_nodes = gcn_true, build_adj, num_nodes
        self.in_dim, self.seq_length, self.dropout = in_dim, seq_length, dropout
        self.receptive_field = 1 + reach(dilation_exponential, kernel_size, layers)
        if gcn_true and build_adj:
            self._graph_constructor = GraphConstructor(num_nodes, subgraph_size, node_dim, tanhalpha, xd)
        channels = (residual_channels, conv_channels, skip_channels, kernel_set)
        self._mtgnn_layers = nn.ModuleList(
            MTGNNLayer(
                dilation_exponential,
                1,
                kernel_size,
                j + 1,
                *channels,
                dilation_exponential**j,
                layer_norm_affline,
                gcn_true,
                seq_length,
                self.receptive_field,
                dropout,
                gcn_depth,
                num_nodes,
                propalpha,
            )
            for j in range(layers)
        )
        length = max(seq_length, self.receptive_field)
        self._start_conv = nn.Conv2d(in_dim, residual_channels, (1, 1))
        self._skip_conv_0 = nn.Conv2d(in_dim, skip_channels, (1, length))
        self._skip_conv_E = nn.Conv2d(
            residual_channels, skip_channels, (1, length - self.receptive_field + 1)
        )
        self._end_conv_1 = nn.Conv2d(skip_channels, end_channels, (1, 1))
        self._end_conv_2 = nn.Conv2d(end_channels, out_dim, (1, 1))
        self.register_load_state_dict_pre_hook(_without_unused)  # type: ignore[no-untyped-call]

    def forward(
        self,
        X_in: Tensor,
        A_tilde: Graph | Tensor | None = None,
        idx: Tensor | None = None,
        FE: Tensor | None = None,
    ) -> Tensor:
        """`[B, in_dim, N, T] -> [B, out_dim, N, 1]`.

        `A_tilde` is a given adjacency (a `Graph`, or dense `[N, N]` with the weight of i -> j in row i), `idx` says
        which graph nodes X_in holds and in which order (None: all), `FE` `[num_nodes, xd]` are static features. Raises
        `InputError` for shapes that do not fit.
        """
        nodes = self.num_nodes if idx is None else len(idx)
        wanted = (self.in_dim, nodes, self.seq_length)
        if X_in.dim() != 4 or X_in.shape[1:] != wanted:
            found = f"has shape {tuple(X_in.shape)}, expected [samples, {', '.join(map(str, wanted))}]"
            raise InputError(
                "X_in", found, "features, graph nodes and entries are fixed when the model is made"
            )
        x_BNTF = X_in.permute(0, 2, 3, 1)
        missing = self.receptive_field - self.seq_length
        x_BNTF = nn.functional.pad(x_BNTF, (0, 0, missing, 0)) if missing > 0 else x_BNTF.contiguous()
        spreads = self._spreads(A_tilde, idx, FE, X_in) if self.gcn_true else None
        dropped_BNTF = nn.functional.dropout(x_BNTF, self.dropout, self.training)
        skip_BNS = over_entries(dropped_BNTF, self._skip_conv_0)
        x_BNTC = over_channels(x_BNTF, self._start_conv)
        for layer in self._mtgnn_layers:
            x_BNTC, share_BNS = cast("MTGNNLayer", layer).channels_last(x_BNTC, spreads, idx, self.training)
            skip_BNS = skip_BNS + share_BNS
        hidden_BNS = (skip_BNS + over_entries(x_BNTC, self._skip_conv_E)).relu()
        out_BNO = over_channels(over_channels(hidden_BNS, self._end_conv_1).relu(), self._end_conv_2)
        return out_BNO.transpose(1, 2).unsqueeze(3)

    def _spreads(
        self, given: Graph | Tensor | None, idx: Tensor | None, FE: Tensor | None, x: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The normalised adjacency along the edges and against them, once for all layers."""
        if self.build_adj:
            everyone = torch.arange(self.num_nodes, device=x.device)
            adjacency_NN = self._graph_constructor(everyone if idx is None else idx, FE)
        elif given is None:
            raise InputError("A_tilde", "is missing", "give an adjacency, or build_adj=True to learn one")
        else:
            adjacency_NN = _dense(given, x)
        return normalised(adjacency_NN), normalised(adjacency_NN.t())


def _dense(adjacency: Graph | Tensor, x: Tensor) -> Tensor:
    if isinstance(adjacency, Tensor):
        return adjacency.to(x)
    return adjacency.neighbours().dense(x.device, x.dtype).t()


def _without_unused(model: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Leave out what PGT's checkpoints hold beyond the parameters that an output depends on."""
    own = {prefix + name for name in model.state_dict()}
    unused = ("_graph_constructor.", "._residual_conv.")
    for name in [name for name in state if name not in own and any(part in name for part in unused)]:
        del state[name]
