"""ASTGCN: spatial and temporal attention around Chebyshev graph convolutions.

Axes: B samples, N graph nodes, T entries, F input features, C channels, K Chebyshev terms.
"""

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph, Normalization
from stgnn.graph.operators import Operator
from stgnn.nn.arguments import GraphArguments, check_features
from stgnn.nn.attention.graphs import OneOrEach, Weights, WindowGraphs, entry_by_entry
from stgnn.nn.attention.window_blocks import (
    BlockNetwork,
    channels_last,
    draw_as_the_authors,
    prediction,
    residual_convolution,
    temporal_convolution,
    temporal_residual,
)
from stgnn.nn.narrow import linear


class ChebConvAttention(nn.Module):
    r"""Chebyshev graph convolution with spatial attention (Guo et al., AAAI 2019, eq. 6).

    .. math:: Y = \sum_{k<K} (T_k(\tilde L) \odot S)^\top X W_k + b

    S `[B, N, N]` weighs each pair of graph nodes: S[i, j] is what j receives from i, and column j adds up to one.
    Transposed as in the authors' code, so that edges carry messages forwards. Parameters have the names of PyTorch
    Geometric Temporal (PGT), which applies S in the first two terms of the recursion only, and untransposed: what a
    graph node receives does not add up to one there. Of the options that PGT hands on to PyTorch Geometric's message
    passing it takes `aggr="add"`, which is what it does.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        K: int,
        normalization: Normalization = None,
        bias: bool = True,
        **options: str,
    ) -> None:
        super().__init__()
        if K < 1:
            raise InputError("K", f"is {K}", "give the number of Chebyshev terms, at least 1")
        if options not in ({}, {"aggr": "add"}):
            raise InputError(
                "ChebConvAttention", f"has no option {options}", "it adds messages up: aggr='add'"
            )
        self.in_channels, self.out_channels, self.normalization = in_channels, out_channels, normalization
        self._weight = nn.Parameter(torch.empty(K, in_channels, out_channels))
        self._bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self._arguments = GraphArguments()
        nn.init.xavier_uniform_(self._weight)
        if self._bias is not None:
            nn.init.uniform_(self._bias)

    def forward(
        self,
        x: Tensor,
        graph: Graph | Tensor | None = None,
        spatial_attention: Tensor | None = None,
        edge_weight: Tensor | None = None,
        batch: Tensor | None = None,
        lambda_max: float | Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """`[B, N, F] -> [B, N, C]` with attention `[B, N, N]` on a `Graph`, or on edge_index and edge_weight.

        `lambda_max` scales the Laplacian (None: 2 for "sym", which no eigenvalue exceeds, else its largest eigenvalue).
        Of several graphs side by side it holds one each, and `batch` `[N]` says which graph a node belongs to.
        """
        check_features("x", x, "samples, graph nodes, features", self.in_channels)
        nodes = x.shape[-2]
        if spatial_attention is None or spatial_attention.shape != (*x.shape[:-2], nodes, nodes):
            found = (
                "is missing" if spatial_attention is None else f"has shape {tuple(spatial_attention.shape)}"
            )
            raise InputError("spatial_attention", found, f"give one of {(*x.shape[:-2], nodes, nodes)}")
        whole = self._arguments.graph(edge_index if graph is None else graph, edge_weight, nodes)
        if isinstance(lambda_max, Tensor) and lambda_max.numel() > 1:
            laplacian = _scaled_apart(whole, self.normalization, lambda_max, batch)
        else:
            given = None if lambda_max is None else float(lambda_max)
            laplacian = self.laplacian(whole, given)
        return self.convolve(x.unsqueeze(2), laplacian, spatial_attention).squeeze(2)

    def laplacian(self, graph: Graph, lambda_max: float | None = None) -> Operator:
        """The scaled Laplacian that the filter is a polynomial of."""
        if lambda_max is None:
            lambda_max = 2.0 if self.normalization == "sym" else graph.lambda_max(self.normalization)
        return graph.scaled_laplacian(self.normalization, lambda_max)

    def convolve(self, x_BNTF: Tensor, laplacian: Operator, attention_BNN: Tensor) -> Tensor:
        """All entries of a window at once, `[B, N, T, C]`."""
        polynomials_KNN = laplacian.chebyshev(len(self._weight), x_BNTF.device, attention_BNN.dtype)
        x_BNX = x_BNTF.flatten(2)
        terms = [attention_BNN.diagonal(dim1=1, dim2=2).unsqueeze(2) * x_BNX]  # T_0 = I
        for polynomial_NN in polynomials_KNN[1:]:
            weighted_BNN = polynomial_NN.t() * attention_BNN
            terms.append(weighted_BNN.transpose(1, 2) @ x_BNX)
        basis = torch.cat([term.view(x_BNTF.shape) for term in terms], dim=3)
        return linear(basis, self._weight.flatten(0, 1).t(), self._bias)

    def __repr__(self) -> str:
        sizes = f"{self.in_channels}, {self.out_channels}, K={len(self._weight)}"
        return f"ChebConvAttention({sizes}, normalization={self.normalization})"


def _scaled_apart(
    graph: Graph, normalization: Normalization, lambda_max: Tensor, batch: Tensor | None
) -> Operator:
    """2 L / lambda_max - I with a lambda_max for each of several graphs side by side."""
    if batch is None or batch.shape != (graph.num_nodes,):
        found = "is missing" if batch is None else f"has shape {tuple(batch.shape)}"
        raise InputError(
            "batch", found, f"say for each of {graph.num_nodes} graph nodes which graph it is in"
        )
    scale = 2.0 / lambda_max.detach().cpu().double().numpy()[batch.cpu().numpy()]
    shifted = graph.scaled_laplacian(normalization, 2.0)  # L - I
    diagonal = 1.0 * (shifted.row == shifted.column)
    value = (shifted.value + diagonal) * scale[shifted.column] - diagonal
    return Operator(shifted.row, shifted.column, value, graph.num_nodes)


class SpatialAttention(nn.Module):
    r"""How much each graph node counts for each other (Guo et al., AAAI 2019, eq. 1-2).

    .. math:: S = \mathrm{softmax}_i \left( V_s \, \sigma((X W_1) W_2 (W_3 X)^\top + b_s) \right)

    Normalised over the senders i as in the authors' code. Values and parameter names are PGT's.
    """

    def __init__(self, in_channels: int, num_of_vertices: int, num_of_timesteps: int) -> None:
        super().__init__()
        self._W1 = nn.Parameter(torch.empty(num_of_timesteps))
        self._W2 = nn.Parameter(torch.empty(in_channels, num_of_timesteps))
        self._W3 = nn.Parameter(torch.empty(in_channels))
        self._bs = nn.Parameter(torch.empty(1, num_of_vertices, num_of_vertices))
        self._Vs = nn.Parameter(torch.empty(num_of_vertices, num_of_vertices))
        draw_as_the_authors(self.parameters())

    def forward(self, X: Tensor) -> Tensor:
        """`[B, N, F, T] -> [B, N, N]`."""
        return self._scores(X @ self._W1, self._W3 @ X)

    def of_mixed(self, x_BNTF: Tensor, mixture_BTT: Tensor) -> Tensor:
        """The attention of x mixed over entries by the temporal attention E: X E is never made."""
        weight_B11T = (mixture_BTT @ self._W1)[:, None, None, :]
        return self._scores((weight_B11T @ x_BNTF).squeeze(2), (x_BNTF @ self._W3) @ mixture_BTT)

    def _scores(self, over_entries_BNF: Tensor, over_features_BNT: Tensor) -> Tensor:
        product_BNN = (over_entries_BNF @ self._W2) @ over_features_BNT.transpose(1, 2)
        return (self._Vs @ torch.sigmoid(product_BNN + self._bs)).softmax(dim=1)


class TemporalAttention(nn.Module):
    r"""How much each entry counts for each other (Guo et al., AAAI 2019, eq. 3-4).

    .. math:: E = \mathrm{softmax}_i \left( V_e \, \sigma((X^\top U_1) U_2 (U_3 X) + b_e) \right)

    Values and parameter names are PGT's.
    """

    def __init__(self, in_channels: int, num_of_vertices: int, num_of_timesteps: int) -> None:
        super().__init__()
        self._U1 = nn.Parameter(torch.empty(num_of_vertices))
        self._U2 = nn.Parameter(torch.empty(in_channels, num_of_vertices))
        self._U3 = nn.Parameter(torch.empty(in_channels))
        self._be = nn.Parameter(torch.empty(1, num_of_timesteps, num_of_timesteps))
        self._Ve = nn.Parameter(torch.empty(num_of_timesteps, num_of_timesteps))
        draw_as_the_authors(self.parameters())

    def forward(self, X: Tensor) -> Tensor:
        """`[B, N, F, T] -> [B, T, T]`."""
        # Entries lie last, or features, as in the blocks: neither order is copied into the other.
        if X.is_contiguous():
            over_nodes_BTF = (self._U1 @ X.flatten(2)).unflatten(1, X.shape[2:]).transpose(1, 2)
            over_features_BNT = self._U3 @ X
        else:
            x_BNTF = X.transpose(2, 3)
            over_nodes_BTF = (self._U1 @ x_BNTF.flatten(2)).unflatten(1, x_BNTF.shape[2:])
            over_features_BNT = x_BNTF @ self._U3
        product_BTT = over_nodes_BTF @ (self._U2 @ over_features_BNT)
        return (self._Ve @ torch.sigmoid(product_BTT + self._be)).softmax(dim=1)


class ASTGCNBlock(nn.Module):
    r"""Spatial-temporal block (Guo et al., AAAI 2019, fig. 4).

    .. math:: H = \mathrm{LayerNorm}(\mathrm{relu}(\Phi * \mathrm{relu}(\mathrm{ChebConvAttention}(X, S)) + R * X))

    with S the spatial attention of X E, E the temporal attention of X, Phi over three entries and R over one.
    """

    def __init__(
        self,
        in_channels: int,
        K: int,
        nb_chev_filter: int,
        nb_time_filter: int,
        time_strides: int,
        num_of_vertices: int,
        num_of_timesteps: int,
        normalization: Normalization = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.num_of_vertices = in_channels, num_of_vertices
        self._temporal_attention = TemporalAttention(in_channels, num_of_vertices, num_of_timesteps)
        self._spatial_attention = SpatialAttention(in_channels, num_of_vertices, num_of_timesteps)
        self._chebconv_attention = ChebConvAttention(in_channels, nb_chev_filter, K, normalization, bias)
        self._time_convolution = temporal_convolution(nb_chev_filter, nb_time_filter, time_strides)
        self._residual_convolution = residual_convolution(in_channels, nb_time_filter, time_strides)
        self._layer_norm = nn.LayerNorm(nb_time_filter)
        self._graphs = WindowGraphs()
        draw_as_the_authors(self.parameters())

    def forward(
        self,
        X: Tensor,
        graph: OneOrEach | None = None,
        edge_weight: Weights = None,
        *,
        edge_index: OneOrEach | None = None,
    ) -> Tensor:
        """`[B, N, F, T] -> [B, N, nb_time_filter, T / time_strides]`; the graph as in `ASTGCN`."""
        x_BNTF = channels_last("X", X, self.num_of_vertices, self.in_channels)
        given = edge_index if graph is None else graph
        graphs = self._graphs.graphs(given, edge_weight, X.shape[1], X.shape[3])
        conv = self._chebconv_attention
        mixture_BTT = self._temporal_attention(x_BNTF.transpose(2, 3))
        attention_BNN = self._spatial_attention.of_mixed(x_BNTF, mixture_BTT)
        laplacians = [conv.laplacian(graph) for graph in graphs]
        mixed_BNTC = entry_by_entry(
            x_BNTF, 2, laplacians, lambda x, matrix: conv.convolve(x, matrix, attention_BNN)
        ).relu()
        return temporal_residual(
            x_BNTF, mixed_BNTC, self._time_convolution, self._residual_convolution, self._layer_norm
        )


class ASTGCN(BlockNetwork):
    r"""Attention based spatial-temporal graph convolutional network (Guo et al., AAAI 2019), its recent component.

    `nb_block` `ASTGCNBlock`s, then a convolution from all entries and channels of a graph node to its `num_for_predict`
    next values. Initial values are the authors'. Parameters have the names of PyTorch Geometric Temporal (PGT), whose
    network differs in `ChebConvAttention`, and for `normalization="rw"` scales the Laplacian by the largest eigenvalue
    of another one. Edge weights, which PGT's network cannot take, count.
    """

    def __init__(
        self,
        nb_block: int,
        in_channels: int,
        K: int,
        nb_chev_filter: int,
        nb_time_filter: int,
        time_strides: int,
        num_for_predict: int,
        len_input: int,
        num_of_vertices: int,
        normalization: Normalization = None,
        bias: bool = True,
    ) -> None:
        super().__init__(time_strides)
        self._final_conv = prediction(len_input, time_strides, num_for_predict, nb_time_filter)
        later = (nb_time_filter, 1, len_input // time_strides)
        sizes = [(in_channels, time_strides, len_input)] + [later] * (nb_block - 1)
        self._blocklist = nn.ModuleList(
            ASTGCNBlock(
                width, K, nb_chev_filter, nb_time_filter, stride, num_of_vertices, length, normalization, bias
            )
            for width, stride, length in sizes
        )
        draw_as_the_authors(self.parameters())
