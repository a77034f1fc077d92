"""Graph learning and mix-hop propagation of MTGNN.

Axes: B samples, N graph nodes, T entries, C channels, D embedding dimensions, O output channels.
"""

from typing import cast

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.nn.attention.mix_hop import mix_hop
from stgnn.nn.attention.pointwise import over_channels


class GraphConstructor(nn.Module):
    r"""Graph learning layer (Wu et al., KDD 2020, "Connecting the Dots", eq. 3-6).

    .. math::
        M_i = \tanh(\alpha E_i \Theta_i) \qquad A = \mathrm{relu}(\tanh(\alpha (M_1 M_2^\top - M_2 M_1^\top)))

    Of each row the `k` largest entries stay. E are learned embeddings of `dim` dimensions, or with `xd` the `xd` static
    features of each graph node. Values and parameter names are those of PyTorch Geometric Temporal (PGT), initial
    values PyTorch's defaults as in the authors' code.
    """

    def __init__(self, nnodes: int, k: int, dim: int, alpha: float, xd: int | None = None) -> None:
        super().__init__()
        if k > nnodes:
            raise InputError(
                "k", f"is {k} of {nnodes} graph nodes", "keep at most as many neighbours as there are"
            )
        if xd is None:
            self._embedding1 = nn.Embedding(nnodes, dim)
            self._embedding2 = nn.Embedding(nnodes, dim)
        self._linear1 = nn.Linear(dim if xd is None else xd, dim)
        self._linear2 = nn.Linear(dim if xd is None else xd, dim)
        self.k, self.alpha, self.xd = k, alpha, xd

    def forward(self, idx: Tensor, FE: Tensor | None = None) -> Tensor:
        """The adjacency `[n, n]` of the graph nodes `idx` `[n]`; FE `[N, xd]` are the static features."""
        first_ND, second_ND = self._features(idx, FE)
        m1_ND = torch.tanh(self.alpha * self._linear1(first_ND))
        m2_ND = torch.tanh(self.alpha * self._linear2(second_ND))
        product_NN = m1_ND @ m2_ND.t()
        adjacency_NN = torch.tanh(self.alpha * (product_NN - product_NN.t())).relu()
        kept = torch.zeros_like(adjacency_NN)
        kept.scatter_(1, adjacency_NN.detach().topk(min(self.k, len(idx)), dim=1).indices, 1.0)
        return adjacency_NN * kept

    def _features(self, idx: Tensor, FE: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.xd is None:
            if FE is not None:
                raise InputError("FE", "is given", "say how many static features there are by xd")
            return self._embedding1(idx), self._embedding2(idx)
        if FE is None or FE.dim() != 2 or FE.shape[1] != self.xd:
            found = "is missing" if FE is None else f"has shape {tuple(FE.shape)}"
            raise InputError("FE", found, f"give static features [graph nodes, {self.xd}]")
        return FE[idx], FE[idx]


class Linear(nn.Module):
    """A product over channels, with the names and shapes of PGT's 1 x 1 convolution."""

    def __init__(self, c_in: int, c_out: int, bias: bool = True) -> None:
        super().__init__()
        self._mlp = nn.Conv2d(c_in, c_out, (1, 1), bias=bias)

    def forward(self, X: Tensor) -> Tensor:
        """`[B, c_in, N, T] -> [B, c_out, N, T]`."""
        return over_channels(X.permute(0, 2, 3, 1), self._mlp).permute(0, 3, 1, 2)


class MixProp(nn.Module):
    r"""Mix-hop propagation (Wu et al., KDD 2020, eq. 7-8).

    .. math:: H_0 = X \qquad H_{j+1} = \alpha X + (1 - \alpha) \tilde A H_j \qquad Y = [H_0 .. H_{gdep}] W + b

    with A-tilde = D^-1 (A + I), D its row sums. Values and parameter names are PGT's. `dropout` is there for PGT's
    signature and has no effect, as in the authors' code.
    """

    def __init__(self, c_in: int, c_out: int, gdep: int, dropout: float, alpha: float) -> None:
        super().__init__()
        self._mlp = Linear((gdep + 1) * c_in, c_out)
        self.gdep, self.dropout, self.alpha = gdep, dropout, alpha

    def forward(self, X: Tensor, A: Tensor) -> Tensor:
        """`[B, c_in, N, T] -> [B, c_out, N, T]` on a dense adjacency `[N, N]`."""
        x_BNTC = X.permute(0, 2, 3, 1).contiguous()
        terms = torch.cat([x_BNTC, *self._hops(x_BNTC, normalised(A))], dim=3)
        return over_channels(terms, self._mlp._mlp).permute(0, 3, 1, 2)

    def _hops(self, x_BNTC: Tensor, spread_NN: Tensor) -> list[Tensor]:
        """H_1 .. H_gdep, each `[B, N, T, C]`."""
        x_BNX = x_BNTC.flatten(2)
        batched_BNN = spread_NN.expand(len(x_BNX), -1, -1)
        terms = [x_BNX]
        for _ in range(self.gdep):
            terms.append(torch.baddbmm(x_BNX, batched_BNN, terms[-1], beta=self.alpha, alpha=1 - self.alpha))
        return [term.view(x_BNTC.shape) for term in terms[1:]]

    @property
    def kernel(self) -> tuple[Tensor, Tensor]:
        """W `[O, (gdep + 1) C]` and b."""
        return self._mlp._mlp.weight.flatten(1), cast("Tensor", self._mlp._mlp.bias)


def both_ways(out: MixProp, back: MixProp, x_BNTC: Tensor, spreads: tuple[Tensor, Tensor]) -> Tensor:
    """MixProp along the edges and against them, added: `[B, N, T, O]`, of x or adjacencies that want gradients."""
    (weight_out, bias_out), (weight_back, bias_back) = out.kernel, back.kernel
    return mix_hop(x_BNTC, [weight_out, weight_back], bias_out + bias_back, spreads, out.alpha)


def normalised(adjacency_NN: Tensor) -> Tensor:
    """D^-1 (A + I)."""
    with_loops = adjacency_NN + torch.eye(
        len(adjacency_NN), dtype=adjacency_NN.dtype, device=adjacency_NN.device
    )
    return with_loops / with_loops.sum(1, keepdim=True)
