"""AAGCN: graph convolution over an adjacency that is learned and attends to the data, then convolution over entries.

Layers take `[B, C, T, N]` like PyTorch Geometric Temporal's; inside it is `[B, T, N, C]`.

Axes: B samples, C channels, T entries, N graph nodes, M subsets of edges, E embedding channels.
"""

from typing import cast

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.arguments import GraphArguments
from stgnn.nn.attention.entries import convolution
from stgnn.nn.attention.gates import gated
from stgnn.nn.attention.pointwise import over_channels
from stgnn.nn.narrow import linear


class GraphAAGCN:
    """The three adjacencies of AAGCN, `A` `[3, N, N]`: self loops, edges, reversed edges, columns adding up to one.

    Entry [i, j] is what j receives from i. Graph nodes without edges, wherever they stand, get zeros. The weights of a
    `Graph` count.
    """

    def __init__(self, edge_index: Graph | Tensor, num_nodes: int) -> None:
        graph = GraphArguments().graph(edge_index, None, num_nodes)
        inward = torch.from_numpy(graph.neighbours().to_dense()).t().float()
        parts = [
            torch.eye(num_nodes),
            *(nn.functional.normalize(m, p=1, dim=0) for m in (inward, inward.t())),
        ]
        self.num_nodes = num_nodes
        self.A = torch.stack(parts)


class UnitTCN(nn.Module):
    """Convolution over entries and batch normalisation; parameter names and shapes are PGT's."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 9, stride: int = 1) -> None:
        super().__init__()
        self.padding, self.stride = (kernel_size - 1) // 2, stride
        self.conv = nn.Conv2d(
            in_channels, out_channels, (kernel_size, 1), stride=(stride, 1), padding=(self.padding, 0)
        )
        self.bn = nn.BatchNorm2d(out_channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        nn.init.zeros_(cast("Tensor", self.conv.bias))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, F, T, N] -> [B, C, ceil(T / stride), N]` for an odd kernel; an even one leaves one entry fewer."""
        return self.normalised(x.permute(0, 2, 3, 1))

    def normalised(self, x_BTNF: Tensor) -> Tensor:
        """The same from `[B, T, N, F]`: `[B, C, T, N]`, channels last in memory, which the caller may write over."""
        return normalised(self._convolved(x_BTNF), self.bn)

    def _convolved(self, x_BTNF: Tensor) -> Tensor:
        if self.conv.kernel_size == (1, 1):
            return over_channels(x_BTNF[:, :: self.stride], self.conv)
        if self.stride == 1 and self.conv.kernel_size[0] % 2 and x_BTNF.device.type == "cpu":
            kernel_KFO = self.conv.weight.squeeze(3).permute(2, 1, 0)
            return convolution(x_BTNF, kernel_KFO, cast("Tensor", self.conv.bias))
        x_BFTN = x_BTNF.contiguous().permute(0, 3, 1, 2)
        weight = self.conv.weight.contiguous(memory_format=torch.channels_last)
        stride, padding = (self.stride, 1), (self.padding, 0)
        return nn.functional.conv2d(x_BFTN, weight, self.conv.bias, stride, padding).permute(0, 2, 3, 1)


class UnitGCN(nn.Module):
    r"""Adaptive graph convolution (Shi et al., CVPR 2019, "Two-Stream Adaptive GCN", eq. 3; 2020, "MS-AAGCN").

    .. math::
        Y &= \mathrm{relu}(\mathrm{BN}(\sum_m W_m X (P_m + \alpha C_m)) + R(X)) \\
        C_m &= \tanh(\theta_m(X)^\top \phi_m(X) / ET)

    P starts as `A` `[M, N, N]` and is learned; without `adaptive` it is `A` and alpha is 0. With `attention` the result
    is Y (1 + s_N) (1 + s_T) (1 + s_C), gates over graph nodes, entries and channels. Values and parameter names are
    those of PyTorch Geometric Temporal, initial values the authors'.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        A: Tensor,
        coff_embedding: int = 4,
        num_subset: int = 3,
        adaptive: bool = True,
        attention: bool = True,
    ) -> None:
        super().__init__()
        if A.dim() != 3 or len(A) != num_subset:
            raise InputError(
                "A", f"has shape {tuple(A.shape)}", f"give [{num_subset}, graph nodes, graph nodes]"
            )
        self.in_channels, self.adaptive, self.attention = in_channels, adaptive, attention
        self.register_buffer("A", A.clone(), persistent=False)
        self.conv_d = _convolutions(in_channels, out_channels, num_subset)
        if adaptive:
            self.PA = nn.Parameter(A.clone())
            self.alpha = nn.Parameter(torch.zeros(1))
            self.conv_a = _convolutions(in_channels, out_channels // coff_embedding, num_subset)
            self.conv_b = _convolutions(in_channels, out_channels // coff_embedding, num_subset)
        self.down = nn.Sequential()
        if in_channels != out_channels:
            self.down = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), nn.BatchNorm2d(out_channels))
        self.bn = nn.BatchNorm2d(out_channels)
        if attention:
            width = A.shape[1] - 1 + A.shape[1] % 2
            self.conv_ta = nn.Conv1d(out_channels, 1, 9, padding=4)
            self.conv_sa = nn.Conv1d(out_channels, 1, width, padding=(width - 1) // 2)
            self.fc1c = nn.Linear(out_channels, out_channels // 2)
            self.fc2c = nn.Linear(out_channels // 2, out_channels)
            self._draw_gates()
        self._draw()

    def _draw_gates(self) -> None:
        nn.init.xavier_normal_(self.conv_sa.weight)
        nn.init.kaiming_normal_(self.fc1c.weight)
        for parameter in (self.conv_ta.weight, self.fc2c.weight, self.conv_ta.bias, self.conv_sa.bias):
            nn.init.zeros_(cast("Tensor", parameter))
        nn.init.zeros_(self.fc1c.bias)
        nn.init.zeros_(self.fc2c.bias)

    def _draw(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                nn.init.zeros_(cast("Tensor", module.bias))
        nn.init.constant_(self.bn.weight, 1e-6)
        for conv in self.conv_d:
            weight = cast("nn.Conv2d", conv).weight
            nn.init.normal_(weight, 0, (2.0 / (weight.numel() * len(self.conv_d))) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, F, T, N] -> [B, C, T, N]`."""
        return self.channels_last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def channels_last(self, x_BTNF: Tensor) -> Tensor:
        """The same of `[B, T, N, F]`."""
        x_BNTF = x_BTNF.transpose(1, 2).contiguous()
        x_BNX = x_BNTF.flatten(2)
        received = [matrix.transpose(-1, -2) @ x_BNX for matrix in self._adjacencies(x_BNTF)]
        terms_BTNC = torch.cat([term.view(x_BNTF.shape).transpose(1, 2) for term in received], dim=3)
        convs = [cast("nn.Conv2d", conv) for conv in self.conv_d]
        weight = torch.cat([conv.weight.flatten(1) for conv in convs], dim=1)
        bias = sum((cast("Tensor", conv.bias) for conv in convs), start=torch.zeros_like(weight[:, 0]))
        out_BCTN = normalised(linear(terms_BTNC, weight, bias), self.bn)
        out_BCTN.add_(self._residual(x_BTNF))
        if self.attention:
            return self._gated(out_BCTN.relu_().permute(0, 2, 3, 1))
        return out_BCTN.relu_().permute(0, 2, 3, 1).clone()

    def _residual(self, x_BTNF: Tensor) -> Tensor:
        """`[B, C, T, N]`."""
        if not len(self.down):
            return x_BTNF.permute(0, 3, 1, 2)
        conv, norm = self.down
        return normalised(over_channels(x_BTNF, cast("nn.Conv2d", conv)), cast("nn.BatchNorm2d", norm))

    def _gated(self, y_BTNC: Tensor) -> Tensor:
        """Each gate is made from the mean of what those before leave; the means are products of y with the gates."""
        _, entries, nodes, _ = y_BTNC.shape
        nodes_B1N = 1 + torch.sigmoid(_convolved(y_BTNC.mean(1), self.conv_sa))
        mean_BTC = (nodes_B1N.unsqueeze(1) @ y_BTNC).squeeze(2) / nodes
        entries_B1T = 1 + torch.sigmoid(_convolved(mean_BTC, self.conv_ta))
        mean_BC = (entries_B1T @ mean_BTC).squeeze(1) / entries
        channels_BC = 1 + torch.sigmoid(self.fc2c(self.fc1c(mean_BC).relu()))
        gate_BTN = entries_B1T.transpose(1, 2) * nodes_B1N
        return gated(y_BTNC.flatten(1, 2), gate_BTN.flatten(1), channels_BC).view(y_BTNC.shape)

    def _adjacencies(self, x_BNTC: Tensor) -> list[Tensor]:
        """One for each subset, `[N, N]` or, where they depend on the sample, `[B, N, N]`."""
        if not self.adaptive:
            return list(cast("Tensor", self.A))
        matrices = []
        for learned_NN, to_sender, to_receiver in zip(self.PA, self.conv_a, self.conv_b, strict=True):
            sender_BNX, receiver_BNX = _embedded(x_BNTC, to_sender), _embedded(x_BNTC, to_receiver)
            score_BNN = (sender_BNX @ receiver_BNX.transpose(1, 2)) / sender_BNX.shape[2]
            matrices.append(learned_NN + self.alpha * torch.tanh(score_BNN))
        return matrices


class AAGCN(nn.Module):
    """Adaptive graph convolution, convolution over nine entries, a residual (Shi et al., CVPR 2019, fig. 4).

    On the graph that it is made with (edge_index or a `Graph`). Values and parameter names are those of PyTorch
    Geometric Temporal, where training also writes into the graph that was given.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        edge_index: Graph | Tensor,
        num_nodes: int,
        stride: int = 1,
        residual: bool = True,
        adaptive: bool = True,
        attention: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.num_nodes = in_channels, num_nodes
        matrices = GraphAAGCN(edge_index, num_nodes).A
        self.gcn1 = UnitGCN(in_channels, out_channels, matrices, adaptive=adaptive, attention=attention)
        self.tcn1 = UnitTCN(out_channels, out_channels, stride=stride)
        same = in_channels == out_channels and stride == 1
        self.has_residual = residual
        self.residual = (
            UnitTCN(in_channels, out_channels, kernel_size=1, stride=stride)
            if residual and not same
            else None
        )

    @property
    def A(self) -> Tensor:
        """The adjacencies of `GraphAAGCN` that the layer was made with."""
        return cast("Tensor", self.gcn1.A)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, F, T, N] -> [B, C, ceil(T / stride), N]`; raises `InputError` for another shape."""
        if x.dim() != 4 or (x.shape[1], x.shape[3]) != (self.in_channels, self.num_nodes):
            found = f"has shape {tuple(x.shape)}"
            raise InputError("x", found, f"give [samples, {self.in_channels}, entries, {self.num_nodes}]")
        x_BTNC = x.permute(0, 2, 3, 1).contiguous()
        out_BCTN = self.tcn1.normalised(self.gcn1.channels_last(x_BTNC))
        if self.residual is not None:
            out_BCTN.add_(self.residual.normalised(x_BTNC))
        elif self.has_residual:
            out_BCTN.add_(x_BTNC.permute(0, 3, 1, 2))
        return out_BCTN.relu_().clone()  # relu keeps its result, and this is the caller's to change


def normalised(x_BTNC: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Batch normalisation, `[B, C, T, N]`; to write over it is free, over a view of it costs two copies."""
    return cast("Tensor", norm(x_BTNC.permute(0, 3, 1, 2)))


def _convolutions(in_channels: int, out_channels: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(in_channels, out_channels, 1) for _ in range(count))


def _convolved(x_BLC: Tensor, conv: nn.Conv1d) -> Tensor:
    """A padded convolution along L to one channel, `[B, 1, L]`, as products with its band matrix.

    PyTorch's own takes a third of the whole layer's backward pass where the kernel is as wide as the graph.
    """
    length, width = x_BLC.shape[1], conv.weight.shape[2]
    left = length - 1 - (width - 1) // 2
    padded_CW = nn.functional.pad(conv.weight.squeeze(0), (left, 2 * length - 1 - width - left))
    band_CLL = padded_CW.unfold(1, length, 1)  # [c, i, j] = w[c, i + j]: columns in reverse
    out_BL = torch.bmm(x_BLC.permute(2, 0, 1), band_CLL).sum(0).flip(1)
    return (out_BL + cast("Tensor", conv.bias)).unsqueeze(1)


def _embedded(x_BNTC: Tensor, conv: nn.Module) -> Tensor:
    """All entries and embedding channels of a graph node in one row."""
    return over_channels(x_BNTC, cast("nn.Conv2d", conv)).flatten(2)
