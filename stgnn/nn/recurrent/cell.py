"""`GatedGraphCell`: what the recurrent cells share - shapes, batches, sequences, precision, both ways to pass a graph.

The cells themselves (which convolution feeds the gates) are in `dcrnn` and `tgcn`; the recurrence is in `gru`.

Axes: B samples (any leading dimensions), T entries, N graph nodes, F input features, C hidden channels,
G blocks of g samples each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.arguments import GraphArguments, check_features, product_dtype, state_argument, state_dtype
from stgnn.nn.recurrent.basis import Diffusion, basis_kernel
from stgnn.nn.recurrent.gru import gated_recurrence

# States of fewer channels share rows of about FULL_ROW columns, several samples side by side: one product over
# 2,716 rows of 64 where it would be 86,912 of 2.
FEW_CHANNELS = 8
FULL_ROW = 32


@dataclass(frozen=True)
class GatedConvolutions:
    """A cell's two convolutions: kernels `[S, F + C, 2C]` (z, then r) and `[S, F + C, C]`, biases, terms."""

    gates: Tensor
    gates_bias: Tensor | None
    candidate: Tensor
    candidate_bias: Tensor | None
    diffusion: Diffusion


class GatedGraphCell(nn.Module):
    """A gated recurrent unit whose gates are graph convolutions; base class of DCRNN and TGCN.

    H = z * H + (1 - z) * c with [z, r] = sigmoid(conv([X, H])) and c = tanh(conv([X, r * H])).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
            if value < 1:
                raise InputError(name, f"is {value}", "give at least 1")
        self.in_channels, self.out_channels = in_channels, out_channels
        self._arguments = GraphArguments()

    def convolutions(self, x_BTNF: Tensor, graph: Graph) -> tuple[Tensor, GatedConvolutions]:
        """What enters the recurrence in x's place, and the convolutions over it and the state."""
        raise NotImplementedError

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        H: Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """One step: the new state `[..., N, C]` from X `[..., N, F]` and H `[..., N, C]` (None: zeros).

        Call it as `cell(X, graph, H)` or, like PyTorch Geometric Temporal's, `cell(X, edge_index, edge_weight, H)`.
        Raises `InputError` for shapes that do not fit.
        """
        check_features("X", X, "graph nodes, features", self.in_channels)
        given = edge_index if graph is None else graph
        edge_weight, H = state_argument(given, edge_weight, H)
        whole = self._arguments.graph(given, edge_weight, X.shape[-2])
        return self._states(X.unsqueeze(-3), whole, H)[1]

    def unroll(self, x_BTNF: Tensor, graph: Graph, H: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All states `[..., T, N, C]` and the last one `[..., N, C]` over x `[..., T, N, F]`, starting from H.

        Equal to T calls of the cell, and several times faster. Raises `InputError` for shapes that do not fit.
        """
        check_features("x", x_BTNF, "entries, graph nodes, features", self.in_channels)
        if not x_BTNF.shape[-3]:
            raise InputError("x", "has no entries", "unroll over at least one")
        return self._states(x_BTNF, self._arguments.graph(graph, None, x_BTNF.shape[-2]), H)

    def _states(self, x_BTNF: Tensor, graph: Graph, H: Tensor | None) -> tuple[Tensor, Tensor]:
        *lead, entries, nodes, _ = x_BTNF.shape
        if H is not None and H.shape != (*lead, nodes, self.out_channels):
            found = f"has shape {tuple(H.shape)}, expected {(*lead, nodes, self.out_channels)}"
            raise InputError("H", found, "X and H agree but for the channels")
        dtype, precision = state_dtype(x_BTNF), product_dtype(x_BTNF)
        x = x_BTNF.reshape(-1, entries, nodes, self.in_channels).to(dtype)
        h = None if H is None else H.reshape(-1, nodes, self.out_channels).to(dtype)
        with torch.autocast(x.device.type, enabled=False):
            states_BTNC, last_BNC = self._recur(x, graph, h, precision)
        states = states_BTNC.to(x_BTNF.dtype).reshape(*lead, entries, nodes, self.out_channels)
        return states, last_BNC.to(x_BTNF.dtype).reshape(*lead, nodes, self.out_channels)

    def _recur(
        self, x_BTNF: Tensor, graph: Graph, h_BNC: Tensor | None, precision: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        x_BTNF, convolutions = self.convolutions(x_BTNF, graph)
        batch, entries, nodes, inputs = x_BTNF.shape
        outputs = self.out_channels
        group = _samples_in_a_row(batch, max(inputs, outputs))
        x_GgTNF = _grouped(x_BTNF, group)
        x_TGNX = x_GgTNF.permute(2, 0, 3, 1, 4).reshape(entries, -1, nodes, group * inputs)
        h_GNV = None
        if h_BNC is not None:
            h_GNV = _grouped(h_BNC, group).transpose(1, 2).reshape(-1, nodes, group * outputs)
        c, sizes = convolutions, (inputs, outputs, group)
        states_TGNV, last_GNV = gated_recurrence(
            x_TGNX,
            h_GNV,
            basis_kernel(c.gates, c.gates_bias, *sizes).to(x_BTNF.dtype),
            basis_kernel(c.candidate, c.candidate_bias, *sizes).to(x_BTNF.dtype),
            c.diffusion,
            precision,
        )
        states_GgTNC = states_TGNV.unflatten(3, (group, outputs)).permute(1, 3, 0, 2, 4)
        last_GgNC = last_GNV.unflatten(2, (group, outputs)).transpose(1, 2)
        return _ungrouped(states_GgTNC, batch), _ungrouped(last_GgNC, batch)


def _samples_in_a_row(batch: int, channels: int) -> int:
    if channels > FEW_CHANNELS:
        return 1
    rows = -(-batch * channels // FULL_ROW)
    return max(1, -(-batch // max(1, rows)))


def _grouped(x_B: Tensor, group: int) -> Tensor:
    """[B, ...] -> [G, g, ...], filled up with zero samples."""
    missing = -len(x_B) % group
    if missing:
        x_B = torch.cat([x_B, x_B.new_zeros(missing, *x_B.shape[1:])])
    return x_B.view(len(x_B) // group, group, *x_B.shape[1:])


def _ungrouped(x_Gg: Tensor, batch: int) -> Tensor:
    x_B = x_Gg.flatten(0, 1)
    return x_B if len(x_B) == batch else x_B[:batch]  # a slice costs a full-size gradient
