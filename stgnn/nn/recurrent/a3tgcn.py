"""The attention temporal graph convolutional network (A3T-GCN).

Axes: B samples (any leading dimensions), P periods, N graph nodes, F input features, C hidden channels.
"""

from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.nn.arguments import GraphArguments, check_features, state_argument
from stgnn.nn.recurrent.tgcn import TGCN


class A3TGCN(nn.Module):
    r"""Attention over the states of a T-GCN (Bai et al., ISPRS IJGI 2021, "A3T-GCN", eq. 7-9).

    .. math::
        H_p = \mathrm{TGCN}(X_p, H_{p-1}) \qquad
        \alpha = \mathrm{softmax}_p (w_2 \tanh(W_1 H_p + b_1) + b_2) \qquad Y = \sum_p \alpha_p H_p

    X `[..., N, F, P] -> Y [..., N, C]`; H is the state before the first period. The score of each graph node and
    period is a perceptron of its state. The paper writes that perceptron without a nonlinearity, which would make its
    two layers one; ours has a tanh.

    PGT's layer of this name differs from the paper: it restarts every period from the same H, so it has no
    recurrence, and its attention is one learned vector over periods that no input changes.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        periods: int,
        improved: bool = False,
        cached: bool = False,
        add_self_loops: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.periods = in_channels, out_channels, periods
        self.tgcn = TGCN(in_channels, out_channels, improved, cached, add_self_loops)
        self.score = nn.Sequential(
            nn.Linear(out_channels, out_channels), nn.Tanh(), nn.Linear(out_channels, 1)
        )
        self._arguments = GraphArguments()

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        H: Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """Y `[..., N, C]`; call it as `layer(X, graph, H)` or `layer(X, edge_index, edge_weight, H)`."""
        check_features("X", X, "graph nodes, features, periods", self.periods)
        given = edge_index if graph is None else graph
        edge_weight, H = state_argument(given, edge_weight, H)
        whole = self._arguments.graph(given, edge_weight, X.shape[-3])
        return self.attended(self.tgcn.unroll(X.movedim(-1, -3), whole, H)[0])

    def attended(self, states_BPNC: Tensor) -> Tensor:
        """Y `[..., N, C]` of the states `[..., P, N, C]` of `tgcn`, wherever they come from."""
        score_BPN1: Tensor = self.score(states_BPNC.to(next(self.score.parameters()).dtype))
        return (score_BPN1.softmax(dim=-3).to(states_BPNC.dtype) * states_BPNC).sum(dim=-3)


class A3TGCN2(A3TGCN):
    """`A3TGCN` with the constructor of PGT's layer for batches: X `[B, N, F, P]` -> Y `[B, N, C]`.

    `batch_size` is accepted for that signature and has no effect: any leading dimensions are batch dimensions.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        periods: int,
        batch_size: int,
        improved: bool = False,
        cached: bool = False,
        add_self_loops: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, periods, improved, cached, add_self_loops)
        self.batch_size = batch_size
