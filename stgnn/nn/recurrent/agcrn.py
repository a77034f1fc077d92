"""The adaptive graph convolutional recurrent unit (AGCRN) and its node-adaptive convolution (AVWGCN).

Axes: B samples (any leading dimensions), T entries, N graph nodes, F input features, C hidden or output channels,
D embedding dimensions, K filter taps, S supports beside the identity, A = (1 + S)F columns of terms.
"""

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.nn.arguments import check_features, state_dtype


class AVWGCN(nn.Module):
    r"""Node-adaptive graph convolution (Bai et al., NeurIPS 2020, "Adaptive Graph Convolutional Recurrent Network").

    .. math::
        S = \mathrm{softmax}(\mathrm{relu}(E E^T)) \qquad
        Y_n = \sum_{k<K} (T_k(S) X)_n \sum_d E_{nd} W_{dk} + \sum_d E_{nd} b_d

    X `[..., N, F]`, E `[N, D]` the graph nodes' embeddings, Y `[..., N, C]`. The graph is learned: E takes the graph's
    place, and is the caller's parameter. K = 1 is the paper's eq. 5: I + S with one matrix for both. Values and
    parameter names (`weights_pool` `[D, K, F, C]`, `bias_pool` `[D, C]`) are those of PyTorch Geometric Temporal.
    """

    def __init__(self, in_channels: int, out_channels: int, K: int, embedding_dimensions: int) -> None:
        super().__init__()
        if K < 1:
            raise InputError("K", f"is {K}", "give the number of filter taps, at least 1")
        self.in_channels, self.out_channels, self.K = in_channels, out_channels, K
        self.weights_pool = nn.Parameter(torch.empty(embedding_dimensions, K, in_channels, out_channels))
        self.bias_pool = nn.Parameter(torch.zeros(embedding_dimensions, out_channels))
        bound = (6 / (in_channels + out_channels)) ** 0.5
        nn.init.uniform_(self.weights_pool, -bound, bound)

    def forward(self, X: Tensor, E: Tensor) -> Tensor:
        """Y `[..., N, C]`."""
        check_features("X", X, "graph nodes, features", self.in_channels)
        check_embedding(E, X.shape[-2], self.weights_pool.shape[0])
        E = E.to(X.dtype)
        kernel_NKFC, bias_N1C = self.adapted(E)
        x_NBF = X.reshape(-1, *X.shape[-2:]).transpose(0, 1)
        terms_NBA = node_terms(x_NBF, supports(E, self.K))
        y_NBC = torch.baddbmm(bias_N1C, terms_NBA, kernel_NKFC.flatten(1, 2))
        return y_NBC.transpose(0, 1).reshape(*X.shape[:-1], self.out_channels)

    def adapted(self, E: Tensor) -> tuple[Tensor, Tensor]:
        """Each graph node's kernel `[N, 1 + S, F, C]` and bias `[N, 1, C]`."""
        pools = self.weights_pool.to(E.dtype), self.bias_pool.to(E.dtype)
        kernel = (E @ pools[0].flatten(1)).view(len(E), *pools[0].shape[1:])
        return kernel if self.K > 1 else kernel.expand(-1, 2, -1, -1), (E @ pools[1]).unsqueeze(1)


def supports(E: Tensor, taps: int) -> Tensor:
    """T_1(S) .. T_(taps - 1)(S), at least S itself, `[S, N, N]`."""
    first = (E @ E.t()).relu().softmax(dim=1)
    every = [torch.eye(len(E), dtype=E.dtype, device=E.device), first]
    for _ in range(2, taps):
        every.append(2 * first @ every[-1] - every[-2])
    return torch.stack(every[1:])


def node_terms(x_NBF: Tensor, supports_SNN: Tensor) -> Tensor:
    """x beside what the supports make of it, `[N, B, A]`."""
    nodes, batch, features = x_NBF.shape
    spread_X = supports_SNN.flatten(0, 1) @ x_NBF.reshape(nodes, batch * features)
    return torch.cat([x_NBF, *spread_X.view(len(supports_SNN), nodes, batch, features)], dim=-1)


def check_embedding(E: Tensor, nodes: int, dimensions: int) -> None:
    """Raise `InputError` unless E is `[N, D]`."""
    if E.shape != (nodes, dimensions):
        found = f"has shape {tuple(E.shape)}, expected {(nodes, dimensions)}"
        raise InputError("E", found, "one embedding for each graph node of X")


class AGCRN(nn.Module):
    r"""Adaptive graph convolutional GRU (Bai et al., NeurIPS 2020, eq. 6).

    .. math::
        [z, r] &= \sigma(\mathrm{AVWGCN}([X, H], E)) \qquad c = \tanh(\mathrm{AVWGCN}([X, z \odot H], E)) \\
        H' &= r \odot H + (1 - r) \odot c

    X `[..., N, F]`, E `[N, D]` the caller's node embeddings, H `[..., N, C]`. Which gate is called z and which r is the
    authors'. Values and parameter names are those of PyTorch Geometric Temporal, so its checkpoints load. Supports and
    the nodes' kernels depend on E only and are computed once a call.
    """

    def __init__(
        self, number_of_nodes: int, in_channels: int, out_channels: int, K: int, embedding_dimensions: int
    ) -> None:
        super().__init__()
        self.number_of_nodes, self.K = number_of_nodes, K
        self.in_channels, self.out_channels = in_channels, out_channels
        self.embedding_dimensions = embedding_dimensions
        width = in_channels + out_channels
        self._gate = AVWGCN(width, 2 * out_channels, K, embedding_dimensions)
        self._update = AVWGCN(width, out_channels, K, embedding_dimensions)

    def forward(self, X: Tensor, E: Tensor, H: Tensor | None = None) -> Tensor:
        """One step: the new state `[..., N, C]` (H None: zeros). Raises `InputError` for shapes that do not fit."""
        check_features("X", X, "graph nodes, features", self.in_channels)
        return self.unroll(X.unsqueeze(-3), E, H)[0].squeeze(-3)

    def unroll(self, x_BTNF: Tensor, E: Tensor, H: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All states `[..., T, N, C]` and the last one over x `[..., T, N, F]`; all of x passes through S at once."""
        check_features("x", x_BTNF, "entries, graph nodes, features", self.in_channels)
        *lead, entries, nodes, _ = x_BTNF.shape
        if not entries:
            raise InputError("x", "has no entries", "unroll over at least one")
        check_embedding(E, self.number_of_nodes, self.embedding_dimensions)
        expected = (*lead, nodes, self.out_channels)
        if nodes != self.number_of_nodes:
            raise InputError(
                "x", f"has {nodes} graph nodes, the layer {self.number_of_nodes}", "make them agree"
            )
        if H is not None and H.shape != expected:
            found = f"has shape {tuple(H.shape)}, expected {expected}"
            raise InputError("H", found, "X and H agree but for the channels")
        dtype = state_dtype(x_BTNF)
        with torch.autocast(x_BTNF.device.type, enabled=False):
            x = x_BTNF.reshape(-1, *x_BTNF.shape[-3:]).to(dtype)
            h = None if H is None else H.reshape(-1, *expected[-2:]).to(dtype)
            states_TNBC = torch.stack(self._states(x, E.to(dtype), h))
            states = states_TNBC.permute(2, 0, 1, 3).to(x_BTNF.dtype).reshape(*lead, entries, *expected[-2:])
        return states, states.select(-3, -1).clone()

    def _states(self, x_BTNF: Tensor, E: Tensor, h_BNC: Tensor | None) -> list[Tensor]:
        """The state `[N, B, C]` after each entry."""
        kernels = [conv.adapted(E) for conv in (self._gate, self._update)]
        spread = supports(E, self.K)
        of_gates, of_update = (self._hoisted(x_BTNF, spread, *kernel) for kernel in kernels)
        gate_kernel, update_kernel = (kernel[:, :, self.in_channels :].flatten(1, 2) for kernel, _ in kernels)
        h = None if h_BNC is None else h_BNC.transpose(0, 1)
        states = []
        for entered, update in zip(of_gates, of_update, strict=True):
            h = _step(h, entered, update, gate_kernel, update_kernel, spread)
            states.append(h)
        return states

    def _hoisted(
        self, x_BTNF: Tensor, spread: Tensor, kernel: Tensor, bias_N1O: Tensor
    ) -> tuple[Tensor, ...]:
        """What every entry contributes to a convolution, `[N, B, O]` each."""
        x_NTBF = x_BTNF.permute(2, 1, 0, 3)
        terms_NRA = node_terms(x_NTBF.flatten(1, 2), spread)
        of_x = kernel[:, :, : self.in_channels].flatten(1, 2)
        y_NTBO = torch.baddbmm(bias_N1O, terms_NRA, of_x).view(*x_NTBF.shape[:3], bias_N1O.shape[2])
        return y_NTBO.unbind(1)


def _step(
    h: Tensor | None, entered: Tensor, update: Tensor, gates: Tensor, candidate: Tensor, spread: Tensor
) -> Tensor:
    """The next state from the hoisted parts of gates and update; a zero state contributes nothing."""
    if h is None:
        r = entered.sigmoid().chunk(2, dim=-1)[1]
        c = update.tanh()
        return c - r * c
    z, r = torch.baddbmm(entered, node_terms(h, spread), gates).sigmoid().chunk(2, dim=-1)
    c = torch.baddbmm(update, node_terms(z * h, spread), candidate).tanh()
    return torch.lerp(c, h, r)
