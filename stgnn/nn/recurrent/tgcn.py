"""The temporal graph convolutional cell (T-GCN).

Axes: B samples (any leading dimensions), T entries, N graph nodes, F input features, C hidden channels.
"""

import torch
from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.nn.gcn import GraphConvolution
from stgnn.nn.recurrent.basis import Diffusion
from stgnn.nn.recurrent.cell import GatedConvolutions, GatedGraphCell


class TGCN(GatedGraphCell):
    r"""Temporal graph convolutional cell (Zhao et al., IEEE T-ITS 2020, "T-GCN", eq. 3-6).

    .. math::
        z &= \sigma(L_z [\hat A X W_z + b_z, H]) \qquad r = \sigma(L_r [\hat A X W_r + b_r, H]) \\
        c &= \tanh(L_h [\hat A X W_h + b_h, r \odot H]) \qquad H' = z \odot H + (1 - z) \odot c

    with the L affine and A-hat of `Graph.gcn`. Values and parameter names are PGT's, so its checkpoints load. As there,
    each gate has a one-layer graph convolution of its own; the paper's gates share one of two layers. A-hat X
    is computed for all entries at once, and each W is multiplied into its L.

    `cached` is accepted for PGT's signature and has no effect: a graph's operator is always computed once.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        improved: bool = False,
        cached: bool = False,
        add_self_loops: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels)
        self.improved, self.cached, self.add_self_loops = improved, cached, add_self_loops
        self.conv_z, self.linear_z = _gate(in_channels, out_channels)
        self.conv_r, self.linear_r = _gate(in_channels, out_channels)
        self.conv_h, self.linear_h = _gate(in_channels, out_channels)

    def convolutions(self, x_BTNF: Tensor, graph: Graph) -> tuple[Tensor, GatedConvolutions]:
        """A-hat X; what follows needs no graph."""
        z, r = _merged(self.conv_z, self.linear_z), _merged(self.conv_r, self.linear_r)
        candidate, candidate_bias = _merged(self.conv_h, self.linear_h)
        gates, gates_bias = torch.cat([z[0], r[0]], dim=2), torch.cat([z[1], r[1]])
        diffused_BTNF = graph.gcn(self.improved, self.add_self_loops) @ x_BTNF
        return diffused_BTNF, GatedConvolutions(gates, gates_bias, candidate, candidate_bias, Diffusion())


class TGCN2(TGCN):
    """`TGCN` with the constructor of PGT's layer for batches: X `[B, N, F]`, H `[B, N, C]`.

    `batch_size` is accepted for that signature and has no effect: any leading dimensions are batch dimensions.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        batch_size: int,
        improved: bool = False,
        cached: bool = False,
        add_self_loops: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, improved, cached, add_self_loops)
        self.batch_size = batch_size


def _gate(in_channels: int, out_channels: int) -> tuple[GraphConvolution, nn.Linear]:
    return GraphConvolution(in_channels, out_channels), nn.Linear(2 * out_channels, out_channels)


def _merged(conv: GraphConvolution, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Kernel `[1, F + C, C]` and bias of linear([A-hat X W + b, H]) as a map of [A-hat X, H]."""
    of_conv, of_state = linear.weight.chunk(2, dim=1)
    kernel = torch.cat([(of_conv @ conv.lin.weight).t(), of_state.t()])
    return kernel.unsqueeze(0), linear.bias + of_conv @ conv.bias
