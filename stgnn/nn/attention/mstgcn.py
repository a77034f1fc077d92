"""MSTGCN: ASTGCN without attention.

Axes: B samples, N graph nodes, T entries, F input features, C channels.
"""

from torch import Tensor, nn

from stgnn.nn.attention.chebyshev import ChebyshevConvolution
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


class MSTGCNBlock(nn.Module):
    r"""Spatial-temporal block without attention (Guo et al., AAAI 2019, section "Multi-Component STGCN").

    .. math::
        H = \mathrm{LayerNorm}(\mathrm{relu}(\Phi * \mathrm{relu}(\sum_k T_k(\tilde L) X W_k + b) + R * X))

    with Phi over three entries, R over one, and L the unnormalised Laplacian scaled by its largest eigenvalue.
    Values and parameter names are those of PyTorch Geometric Temporal (PGT) where that is given a list of graphs: with
    one graph PGT confuses graph nodes with samples and features. Edge weights, which PGT cannot take, count.
    """

    def __init__(
        self, in_channels: int, K: int, nb_chev_filter: int, nb_time_filter: int, time_strides: int
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self._cheb_conv = ChebyshevConvolution(in_channels, nb_chev_filter, K)
        self._time_conv = temporal_convolution(nb_chev_filter, nb_time_filter, time_strides)
        self._residual_conv = residual_convolution(in_channels, nb_time_filter, time_strides)
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
        """`[B, N, F, T] -> [B, N, nb_time_filter, T / time_strides]`; the graph as in `MSTGCN`."""
        x_BNTF = channels_last("X", X, None, self.in_channels)
        given = edge_index if graph is None else graph
        graphs = self._graphs.graphs(given, edge_weight, X.shape[1], X.shape[3])
        laplacians = [one.scaled_laplacian(None, one.lambda_max(None)) for one in graphs]
        mixed_BNTC = entry_by_entry(x_BNTF, 2, laplacians, self._cheb_conv).relu()
        return temporal_residual(x_BNTF, mixed_BNTC, self._time_conv, self._residual_conv, self._layer_norm)


class MSTGCN(BlockNetwork):
    r"""Multi-component spatial-temporal graph convolution network (Guo et al., AAAI 2019), its recent component.

    `nb_block` `MSTGCNBlock`s, then a convolution from all entries and channels of a graph node to its `num_for_predict`
    next values. Initial values are the authors'.
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
    ) -> None:
        super().__init__(time_strides)
        widths = [in_channels] + [nb_time_filter] * (nb_block - 1)
        strides = [time_strides] + [1] * (nb_block - 1)
        self._blocklist = nn.ModuleList(
            MSTGCNBlock(width, K, nb_chev_filter, nb_time_filter, stride)
            for width, stride in zip(widths, strides, strict=True)
        )
        self._final_conv = prediction(len_input, time_strides, num_for_predict, nb_time_filter)
        draw_as_the_authors(self.parameters())
