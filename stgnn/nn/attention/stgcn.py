"""Gated temporal convolution and the spatio-temporal block of STGCN.

Axes: B samples, T entries, N graph nodes, F input features, C output channels.
"""

from typing import cast

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph, Normalization
from stgnn.nn.arguments import GraphArguments, check_features
from stgnn.nn.attention.chebyshev import ChebyshevConvolution
from stgnn.nn.attention.entries import gated_convolution


class TemporalConv(nn.Module):
    r"""Gated temporal convolution of STGCN (Yu et al., IJCAI 2018, section 3.3).

    .. math:: H = \mathrm{relu}(P \odot \sigma(Q) + R)

    with P, Q and R three convolutions of `kernel_size` entries over each graph node. Values and parameter names are
    those of PyTorch Geometric Temporal (PGT); the paper's unit is P * sigmoid(Q) with the input itself as residual.
    The three convolutions run as one.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.in_channels, self.kernel_size = in_channels, kernel_size
        self.conv_1 = nn.Conv2d(in_channels, out_channels, (1, kernel_size))
        self.conv_2 = nn.Conv2d(in_channels, out_channels, (1, kernel_size))
        self.conv_3 = nn.Conv2d(in_channels, out_channels, (1, kernel_size))

    def forward(self, X: Tensor) -> Tensor:
        """`[B, T, N, F] -> [B, T - kernel_size + 1, N, C]`."""
        check_features("X", X, "samples, entries, graph nodes, features", self.in_channels)
        if X.shape[1] < self.kernel_size:
            found = f"has {X.shape[1]} entries, the kernel {self.kernel_size}"
            raise InputError("X", found, "give longer windows or a smaller kernel_size")
        convs = (self.conv_1, self.conv_2, self.conv_3)
        kernel_KFO = torch.cat([conv.weight for conv in convs]).squeeze(2).permute(2, 1, 0)
        bias = torch.cat([cast("Tensor", conv.bias) for conv in convs])
        return gated_convolution(X, kernel_KFO, bias)


class STConv(nn.Module):
    r"""Spatio-temporal convolutional block of STGCN (Yu et al., IJCAI 2018, eq. 8).

    .. math:: H = \mathrm{Norm}(\Gamma_1 *_T \mathrm{relu}(\Theta *_G (\Gamma_0 *_T X)))

    Gamma are `TemporalConv`s and Theta a Chebyshev filter of `K` terms. Values and parameter names are those of
    PyTorch Geometric Temporal; as there the norm is a batch normalisation of each graph node, where the paper
    has a layer normalisation. All samples and entries share one sparse product a hop.
    """

    def __init__(
        self,
        num_nodes: int,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        kernel_size: int,
        K: int,
        normalization: Normalization = "sym",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_nodes, self.normalization = num_nodes, normalization
        self._temporal_conv1 = TemporalConv(in_channels, hidden_channels, kernel_size)
        self._graph_conv = ChebyshevConvolution(hidden_channels, hidden_channels, K, bias)
        self._temporal_conv2 = TemporalConv(hidden_channels, out_channels, kernel_size)
        self._batch_norm = nn.BatchNorm2d(num_nodes)
        self._arguments = GraphArguments()

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """`[B, T, N, F] -> [B, T - 2 (kernel_size - 1), N, C]` on a `Graph`, or on edge_index and edge_weight.

        Raises `InputError` for shapes that do not fit.
        """
        if X.dim() != 4 or X.shape[2] != self.num_nodes:
            found = f"has shape {tuple(X.shape)}, expected [samples, entries, {self.num_nodes}, features]"
            raise InputError("X", found, "num_nodes is fixed when the layer is made")
        whole = self._arguments.graph(edge_index if graph is None else graph, edge_weight, self.num_nodes)
        hidden_BTNC = self._temporal_conv1(X)
        blocks_GN1C = hidden_BTNC.flatten(0, 1).unsqueeze(2)
        mixed_GN1C = self._graph_conv(blocks_GN1C, whole.scaled_laplacian(self.normalization)).relu()
        out_BTNC = self._temporal_conv2(mixed_GN1C.view_as(hidden_BTNC))
        # statistics of a graph node over samples, entries and channels, in the order in which they lie
        return cast("Tensor", self._batch_norm(out_BTNC.flatten(0, 1).unsqueeze(3))).view_as(out_BTNC)
