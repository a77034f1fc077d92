"""The long short-term memory on a graph of several relations (LRGCN).

Axes: B samples (any leading dimensions), T entries, N graph nodes, E edges, F input features, C hidden channels,
R relations, M bases.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.arguments import GraphArguments, state_argument
from stgnn.nn.recurrent.basis import Diffusion, Terms
from stgnn.nn.recurrent.cell import LongShortTermConvolution, LongShortTermGraphCell
from stgnn.nn.recurrent.lstm import GATES


class LRGCN(LongShortTermGraphCell):
    r"""LSTM with relational graph convolutions (Li et al., KDD 2019, "Predicting Path Failure In Time-Evolving
    Graphs").

    .. math::
        i, f, o &= \sigma(R_{xg}(X) + R_{hg}(H)) \qquad C' = f \odot C + i \odot \tanh(R_{xc}(X) + R_{hc}(H)) \\
        H' &= o \odot \tanh(C') \qquad
        R(X)_n = X_n W_0 + \sum_r \frac{1}{|N_r(n)|} \sum_{m \in N_r(n)} X_m \sum_b a_{rb} V_b + b

    X `[..., N, F]`, H and C `[..., N, C]`. Relations are given as one `Graph` each, or as PyTorch Geometric's
    edge_index and edge_type `[E]` with relations 0..R-1. Values and parameter names are those of PyTorch Geometric
    Temporal, so its checkpoints load; as there, the paper's relations from one entry to the next are left out. A
    duplicate edge counts twice in its mean; the weights of `Graph`s multiply what is averaged. `num_bases` None gives
    each relation a free matrix.
    """

    def __init__(
        self, in_channels: int, out_channels: int, num_relations: int, num_bases: int | None
    ) -> None:
        super().__init__(in_channels, out_channels)
        self.num_relations, self.num_bases = num_relations, num_bases
        self._of_relation = [GraphArguments() for _ in range(num_relations)]
        for gate in GATES:
            for side, width in (("x", in_channels), ("h", out_channels)):
                convolution = RelationalConvolution(width, out_channels, num_relations, num_bases)
                setattr(self, f"conv_{side}_{gate}", convolution)

    def forward(
        self,
        X: Tensor,
        edge_index: Sequence[Graph] | Tensor,
        edge_type: Tensor | None = None,
        H: Tensor | None = None,
        C: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One step: the new H and C `[..., N, C]` from X `[..., N, F]` and those before (None: zeros).

        Call it as `cell(X, graphs, H, C)` or, like PGT's, `cell(X, edge_index, edge_type, H, C)`. Raises
        `InputError` for shapes that do not fit.
        """
        edge_type, H, C = state_argument(edge_index, edge_type, H, C)
        self._check_step(X)
        _, H, C = self._states(X.unsqueeze(-3), H, C, self._on(edge_index, edge_type, X.shape[-2]))
        return H, C

    def unroll(
        self,
        x_BTNF: Tensor,
        graphs: Sequence[Graph],
        H: Tensor | None = None,
        C: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All states `[..., T, N, C]`, and the last H and C `[..., N, C]`, over x `[..., T, N, F]`."""
        self._check_sequence(x_BTNF)
        return self._states(x_BTNF, H, C, self._on(graphs, None, x_BTNF.shape[-2]))

    def _on(
        self, given: Sequence[Graph] | Tensor, edge_type: Tensor | None, nodes: int
    ) -> LongShortTermConvolution:
        graphs = self._relations(given, edge_type, nodes)
        terms = Diffusion(tuple(graph.neighbours(mean=True) for graph in graphs), 1)
        entered, state = (self._gates(side) for side in "xh")
        bias = sum(torch.cat([conv.bias for conv in side]) for side in (entered, state))
        of_state, of_input = (torch.cat([conv.kernel() for conv in side], dim=2) for side in (state, entered))
        return LongShortTermConvolution(of_state, of_input, cast("Tensor", bias), None, Terms(terms, terms))

    def _gates(self, side: str) -> list["RelationalConvolution"]:
        names = (f"conv_{side}_{gate}" for gate in GATES)
        return [cast("RelationalConvolution", self.get_submodule(name)) for name in names]

    def _relations(
        self, given: Sequence[Graph] | Tensor, edge_type: Tensor | None, nodes: int
    ) -> Sequence[Graph]:
        if isinstance(given, Tensor):
            return self._arguments.relations(given, edge_type, nodes, self.num_relations)
        if len(given) != self.num_relations:
            raise InputError(
                "graphs", f"are {len(given)}", f"give one for each of {self.num_relations} relations"
            )
        pairs = zip(self._of_relation, given, strict=True)
        return [arguments.graph(each, None, nodes) for arguments, each in pairs]


class RelationalConvolution(nn.Module):
    """Parameters of R(X) under PyTorch Geometric's names: `weight` `[M, F, C]`, `comp` `[R, M]`, `root`, `bias`."""

    def __init__(
        self, in_channels: int, out_channels: int, num_relations: int, num_bases: int | None
    ) -> None:
        super().__init__()
        matrices = num_relations if num_bases is None else num_bases
        if min(matrices, num_relations) < 1:
            raise InputError(
                "num_relations, num_bases", f"are {num_relations}, {num_bases}", "give at least 1"
            )
        self.weight = nn.Parameter(torch.empty(matrices, in_channels, out_channels))
        self.comp = None if num_bases is None else nn.Parameter(torch.empty(num_relations, num_bases))
        self.root = nn.Parameter(torch.empty(in_channels, out_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        for matrix in (*self.weight, self.root, *([] if self.comp is None else [self.comp])):
            nn.init.xavier_uniform_(matrix.detach())

    def kernel(self) -> Tensor:
        """`[1 + R, F, C]`: that of the graph node itself, then one a relation."""
        relations = self.weight if self.comp is None else torch.einsum("rb,bio->rio", self.comp, self.weight)
        return torch.cat([self.root.unsqueeze(0), relations])
