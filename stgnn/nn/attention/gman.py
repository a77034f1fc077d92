"""GMAN: spatial and temporal attention, fused by a gate, in an encoder and a decoder.

Axes: B samples, T entries, N graph nodes, D = K * d channels of K heads of width d, P predicted entries.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from stgnn.errors import InputError
from stgnn.nn.attention.fully_connected import Conv2D, FullyConnected, side_by_side

__all__ = [
    "GMAN",
    "Conv2D",
    "FullyConnected",
    "GatedFusion",
    "SpatialAttention",
    "SpatioTemporalAttention",
    "SpatioTemporalEmbedding",
    "TemporalAttention",
    "TransformAttention",
]


class SpatioTemporalEmbedding(nn.Module):
    """The embedding of a graph node and a time (Zheng et al., AAAI 2020, "GMAN", section 4.1): their sum.

    Parameter names are those of PyTorch Geometric Temporal (PGT); a time's one-hot vectors are never made.
    """

    def __init__(self, D: int, bn_decay: float, steps_per_day: int, use_bias: bool = True) -> None:
        super().__init__()
        self.steps_per_day = steps_per_day
        two = ([D, D], [relu, None], bn_decay, use_bias)
        self._fully_connected_se = FullyConnected([D, D], *two)
        self._fully_connected_te = FullyConnected([steps_per_day + 7, D], *two)

    def forward(self, SE: Tensor, TE: Tensor, T: int) -> Tensor:
        """`[B, T, N, D]` from SE `[N, D]` and TE `[B, T, 2]`, whose columns are day of week and step of day.

        `T`, the number of steps of a day, must be `steps_per_day`.
        """
        if self.steps_per_day != T:
            raise InputError("T", f"is {T}", f"the layer was made for {self.steps_per_day} steps a day")
        if TE.dim() != 3 or TE.shape[2] != 2:
            raise InputError("TE", f"has shape {tuple(TE.shape)}", "give [samples, entries, 2]")
        day_BT, step_BT = TE.long().unbind(2)
        columns_BT2 = torch.stack([day_BT.remainder(7), 7 + step_BT.remainder(T)], dim=2)
        spatial_11ND = self._fully_connected_se(SE[None, None])
        temporal_BTD = self._fully_connected_te.of_one_hot(columns_BT2)
        return temporal_BTD.unsqueeze(2) + cast("Tensor", spatial_11ND)


class _Attention(nn.Module):
    """The fully connected layers around an attention: to queries, keys and values, and from its result."""

    def __init__(self, channels: int, D: int, bn_decay: float) -> None:
        super().__init__()
        self._fully_connected_q = FullyConnected(channels, D, relu, bn_decay)
        self._fully_connected_k = FullyConnected(channels, D, relu, bn_decay)
        self._fully_connected_v = FullyConnected(channels, D, relu, bn_decay)
        self._fully_connected = FullyConnected(D, D, relu, bn_decay)

    @property
    def projections(self) -> list[FullyConnected]:
        """To queries, keys and values."""
        return [self._fully_connected_q, self._fully_connected_k, self._fully_connected_v]


class SpatialAttention(_Attention):
    r"""Each graph node attends to all others at the same entry (Zheng et al., AAAI 2020, eq. 3-6).

    Keys, queries and values are fully connected from [X, STE]. Parameter names are PGT's, which takes K for the width
    of a head and d for their number: the two agree where K = d.
    """

    def __init__(self, K: int, d: int, bn_decay: float) -> None:
        super().__init__(2 * K * d, K * d, bn_decay)
        self.heads, self.width = K, d

    def forward(self, X: Tensor, STE: Tensor) -> Tensor:
        """`[B, T, N, D] -> [B, T, N, D]`."""
        return self.attend(*side_by_side(self.projections, torch.cat([X, STE], dim=3)))

    def attend(self, q_BTND: Tensor, k_BTND: Tensor, v_BTND: Tensor) -> Tensor:
        """What follows the projections."""
        heads = (self.heads, self.width)
        q, k, v = (x.flatten(0, 1).unflatten(2, heads).transpose(1, 2) for x in (q_BTND, k_BTND, v_BTND))
        out_GKNd = nn.functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self._fully_connected(out_GKNd.transpose(1, 2).reshape(q_BTND.shape))
        return out


class TemporalAttention(_Attention):
    r"""Each graph node attends to its own entries, with `mask` to no later ones (Zheng et al., AAAI 2020, eq. 7-8).

    Parameter names are PGT's; heads as in `SpatialAttention`.
    """

    def __init__(self, K: int, d: int, bn_decay: float, mask: bool) -> None:
        super().__init__(2 * K * d, K * d, bn_decay)
        self.width, self.mask = d, mask

    def forward(self, X: Tensor, STE: Tensor) -> Tensor:
        """`[B, T, N, D] -> [B, T, N, D]`."""
        return self.attend(*side_by_side(self.projections, torch.cat([X, STE], dim=3)))

    def attend(self, q_BTND: Tensor, k_BTND: Tensor, v_BTND: Tensor) -> Tensor:
        """What follows the projections."""
        out: Tensor = self._fully_connected(over_entries(q_BTND, k_BTND, v_BTND, self.width, self.mask))
        return out


class GatedFusion(nn.Module):
    r"""Spatial and temporal attention, mixed by a gate (Zheng et al., AAAI 2020, eq. 9-10).

    .. math:: H = \mathrm{FC}(z \odot H_S + (1 - z) \odot H_T) \qquad z = \sigma(H_S W_1 + H_T W_2 + b)

    Parameter names are PGT's, with its batch normalisations.
    """

    def __init__(self, D: int, bn_decay: float) -> None:
        super().__init__()
        self._fully_connected_xs = FullyConnected(D, D, None, bn_decay, use_bias=False)
        self._fully_connected_xt = FullyConnected(D, D, None, bn_decay)
        self._fully_connected_h = FullyConnected([D, D], [D, D], [relu, None], bn_decay)

    def forward(self, HS: Tensor, HT: Tensor) -> Tensor:
        """`[B, T, N, D]` from two of these."""
        z = (self._fully_connected_xs(HS) + self._fully_connected_xt(HT)).sigmoid()
        fused: Tensor = self._fully_connected_h(torch.lerp(HT, HS, z))
        return fused


class SpatioTemporalAttention(nn.Module):
    """Spatial and temporal attention side by side, gated fusion, a residual (Zheng et al., AAAI 2020, fig. 2)."""

    def __init__(self, K: int, d: int, bn_decay: float, mask: bool) -> None:
        super().__init__()
        self._spatial_attention = SpatialAttention(K, d, bn_decay)
        self._temporal_attention = TemporalAttention(K, d, bn_decay, mask)
        self._gated_fusion = GatedFusion(K * d, bn_decay)

    def forward(self, X: Tensor, STE: Tensor) -> Tensor:
        """`[B, T, N, D] -> [B, T, N, D]`; all six projections of [X, STE] are one product."""
        spatial, temporal = self._spatial_attention, self._temporal_attention
        projections = [*spatial.projections, *temporal.projections]
        projected = side_by_side(projections, torch.cat([X, STE], dim=3))
        fused: Tensor = self._gated_fusion(spatial.attend(*projected[:3]), temporal.attend(*projected[3:]))
        return X + fused


class TransformAttention(_Attention):
    """From the past to the future: queries are the embeddings of what is to be predicted (eq. 11-12).

    Parameter names are PGT's; heads as in `SpatialAttention`.
    """

    def __init__(self, K: int, d: int, bn_decay: float) -> None:
        super().__init__(K * d, K * d, bn_decay)
        self.width = d

    def forward(self, X: Tensor, STE_his: Tensor, STE_pred: Tensor) -> Tensor:
        """`[B, P, N, D]` from X and STE_his `[B, T, N, D]` and STE_pred `[B, P, N, D]`."""
        q_BPND, k_BTND = self._fully_connected_q(STE_pred), self._fully_connected_k(STE_his)
        attended = over_entries(q_BPND, k_BTND, self._fully_connected_v(X), self.width, mask=False)
        out: Tensor = self._fully_connected(attended)
        return out


class GMAN(nn.Module):
    """Graph multi-attention network (Zheng et al., AAAI 2020): `L` blocks, a transform attention, `L` blocks.

    `K` heads of width `d`. `bn_decay` is the momentum of PyTorch's batch normalisation (1 - decay in the authors'
    code), `use_bias` concerns the embedding, `mask` the temporal attention. Parameters have the names of PyTorch
    Geometric Temporal (PGT), whose network swaps the number of heads with their width and fails on `mask` unless they
    are equal; where they are, values are PGT's.
    """

    def __init__(
        self,
        L: int,
        K: int,
        d: int,
        num_his: int,
        bn_decay: float,
        steps_per_day: int,
        use_bias: bool,
        mask: bool,
    ) -> None:
        super().__init__()
        D = K * d
        self.num_his, self.steps_per_day = num_his, steps_per_day
        self._st_embedding = SpatioTemporalEmbedding(D, bn_decay, steps_per_day, use_bias)
        self._st_att_block1 = nn.ModuleList(SpatioTemporalAttention(K, d, bn_decay, mask) for _ in range(L))
        self._st_att_block2 = nn.ModuleList(SpatioTemporalAttention(K, d, bn_decay, mask) for _ in range(L))
        self._transform_attention = TransformAttention(K, d, bn_decay)
        self._fully_connected_1 = FullyConnected([1, D], [D, D], [relu, None], bn_decay)
        self._fully_connected_2 = FullyConnected([D, D], [D, 1], [relu, None], bn_decay)

    def forward(self, X: Tensor, SE: Tensor, TE: Tensor) -> Tensor:
        """`[B, P, N]` from X `[B, num_his, N]`, spatial embeddings SE `[N, D]` and times TE `[B, num_his + P, 2]`.

        A time is (day of week, step of day). Raises `InputError` for shapes that do not fit.
        """
        if X.dim() != 3 or X.shape[1] != self.num_his or X.shape[2] != len(SE):
            found = f"has shape {tuple(X.shape)}"
            raise InputError("X", found, f"give [samples, {self.num_his} entries, {len(SE)} graph nodes]")
        if TE.dim() != 3 or len(TE) != len(X) or TE.shape[1] <= self.num_his:
            wanted = f"give [{len(X)} samples, {self.num_his} entries and those to predict, 2]"
            raise InputError("TE", f"has shape {tuple(TE.shape)}", wanted)
        embedding = self._st_embedding(SE, TE, self.steps_per_day)
        past, future = embedding[:, : self.num_his], embedding[:, self.num_his :]
        hidden = self._fully_connected_1(X.unsqueeze(3))
        for block in self._st_att_block1:
            hidden = block(hidden, past)
        hidden = self._transform_attention(hidden, past, future)
        for block in self._st_att_block2:
            hidden = block(hidden, future)
        out: Tensor = self._fully_connected_2(hidden)
        return out.squeeze(3)


def over_entries(q_BPND: Tensor, k_BTND: Tensor, v_BTND: Tensor, width: int, mask: bool) -> Tensor:
    """Attention over entries within graph nodes and heads, `[B, P, N, D]`.

    By plain products: problems of 12 x 12 are too small for fused attention, which takes 1.6 times as long.
    """
    q, k, v = (x.unflatten(3, (-1, width)).permute(0, 2, 3, 1, 4) for x in (q_BPND, k_BTND, v_BTND))
    scores_BNKPT = (q * width**-0.5) @ k.transpose(3, 4)
    if mask:
        later = torch.ones(scores_BNKPT.shape[3:], dtype=torch.bool, device=scores_BNKPT.device).triu(1)
        scores_BNKPT = scores_BNKPT.masked_fill(later, -math.inf)
    out_BNKPd = torch.matmul(scores_BNKPT.softmax(4), v)
    return out_BNKPd.permute(0, 3, 1, 2, 4).flatten(3)
