"""Diffusion convolution and the diffusion convolutional gated recurrent unit (DCRNN), for one entry or a sequence.

The sequence-to-sequence forecaster built from the unit is a model: `stgnn.models.dcrnn`.

Axes: B samples (any leading dimensions), T entries, N graph nodes, F input features, C output channels, S terms.
"""

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.arguments import GraphArguments, check_features, state_argument
from stgnn.nn.recurrent.basis import Diffusion
from stgnn.nn.recurrent.cell import GatedConvolutions, GatedGraphCell


class DConv(nn.Module):
    r"""Diffusion convolution (Li et al., ICLR 2018, "Diffusion Convolutional Recurrent Neural Network", eq. 2).

    .. math:: Y = X W_0 + \sum_{k=1}^{K-1} \left( P_f^k X W_{f,k} + P_b^k X W_{b,k} \right) + b

    P_f and P_b are the weighted random walks along and against the edges (`Graph.random_walk`); `K` counts
    terms, as in PyTorch Geometric Temporal (PGT): K - 1 hops, so K=1 uses no graph. `weight` is `[2K - 1, F, C]` in
    the order I, P_f .. P_f^(K-1), P_b .. P_b^(K-1): as in the authors' code the identity, common to both walks, has
    one matrix. Initial values are Xavier-uniform over the (2K - 1)F x C matrix.

    PGT's layer of this name differs from the paper: edge weights enter only through degrees, the reverse walk is
    normalised by degrees of other edges unless the graph is symmetric and sorted, terms are a Chebyshev
    recursion that is wrong from K = 4, and initial weights are an order of magnitude smaller.
    """

    def __init__(self, in_channels: int, out_channels: int, K: int, bias: bool = True) -> None:
        super().__init__()
        if K < 1:
            raise InputError("K", f"is {K}", "give the number of terms, at least 1")
        self.in_channels, self.out_channels, self.K = in_channels, out_channels, K
        self.weight = nn.Parameter(torch.empty(2 * K - 1, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self._arguments = GraphArguments()
        self.reset_parameters()

    def reset_parameters(self, bias: float = 0.0) -> None:
        """Draw the weights anew and set the bias."""
        nn.init.xavier_uniform_(self.weight.detach().view(-1, self.out_channels))
        if self.bias is not None:
            nn.init.constant_(self.bias, bias)

    def diffusion(self, graph: Graph) -> Diffusion:
        """The terms on a graph."""
        return Diffusion(graph.random_walk(), self.K - 1)

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """`[..., N, F] -> [..., N, C]` on a `Graph`, or on PyTorch Geometric's edge_index and edge_weight."""
        check_features("X", X, "graph nodes, features", self.in_channels)
        whole = self._arguments.graph(edge_index if graph is None else graph, edge_weight, X.shape[-2])
        terms = [X]
        for walk in whole.random_walk():
            term = X
            for _ in range(self.K - 1):
                term = walk @ term
                terms.append(term)
        weight = self.weight.flatten(0, 1).t().to(X.dtype)
        bias = None if self.bias is None else self.bias.to(X.dtype)
        return nn.functional.linear(torch.cat(terms, dim=-1), weight, bias)

    def extra_repr(self) -> str:
        """Sizes, for `print(module)`."""
        return f"{self.in_channels}, {self.out_channels}, K={self.K}, bias={self.bias is not None}"


class DCRNN(GatedGraphCell):
    r"""Diffusion convolutional gated recurrent unit (Li et al., ICLR 2018, section 2.3).

    .. math::
        [z, r] &= \sigma(\mathrm{DConv}([X, H])) \qquad c = \tanh(\mathrm{DConv}([X, r \odot H])) \\
        H' &= z \odot H + (1 - z) \odot c

    X `[..., N, F]`, H `[..., N, C]`. Both gates share one diffusion and one product; `unroll` runs a sequence. `gates`
    (to z, then r) and `candidate` are `DConv`s whose inputs are [X, H]; as in the authors' code the gates' bias starts
    at 1 (a state that is kept at first), the candidate's at 0. PGT's DCRNN starts both at 0 and has its DConv's faults.
    """

    def __init__(self, in_channels: int, out_channels: int, K: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels)
        self.K = K
        self.gates = DConv(in_channels + out_channels, 2 * out_channels, K, bias)
        self.candidate = DConv(in_channels + out_channels, out_channels, K, bias)
        self.gates.reset_parameters(bias=1.0)

    def convolutions(self, x_BTNF: Tensor, graph: Graph) -> tuple[Tensor, GatedConvolutions]:
        """The input as it is; both convolutions diffuse it beside the state."""
        gates, candidate = self.gates, self.candidate
        return x_BTNF, GatedConvolutions(
            gates.weight, gates.bias, candidate.weight, candidate.bias, gates.diffusion(graph)
        )


class BatchedDCRNN(DCRNN):
    r"""`DCRNN` over whole sequences, with the call of PGT-I's layer of this name.

    X `[..., T, N, F]` -> all states `[..., T, N, C]`; parameters are those of `DCRNN`. PGT-I's layer has its DConv's
    faults and starts from zero; ours also takes H `[..., N, C]`, the state before the first entry.
    """

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        H: Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """All states; call it as `layer(X, graph, H)` or `layer(X, edge_index, edge_weight, H)`."""
        given = edge_index if graph is None else graph
        edge_weight, H = state_argument(given, edge_weight, H)
        self._check_sequence(X)
        return self.unroll(X, self._arguments.graph(given, edge_weight, X.shape[-2]), H)[0]
