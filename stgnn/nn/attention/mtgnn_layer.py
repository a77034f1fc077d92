"""A layer of MTGNN: gated dilated inception over entries, mix-hop propagation over graph nodes, normalisation.

PyTorch Geometric Temporal's layers take `[B, C, N, T]`; inside, channels lie last.

Axes: B samples, N graph nodes, T entries, C channels, O output channels, S skip channels, X entries and channels.
"""

from typing import cast

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.nn.attention.graph_learning import MixProp, both_ways, normalised
from stgnn.nn.attention.pointwise import over_channels


class DilatedInception(nn.Module):
    """Dilated inception (Wu et al., KDD 2020, eq. 11): convolutions of several widths side by side, cut to one length.

    Parameter names and shapes are those of PyTorch Geometric Temporal (PGT). All widths run as one convolution of the
    greatest, padded with zeros at the start; the widest kernel may stand anywhere in `kernel_set`, in PGT only last.
    """

    def __init__(self, c_in: int, c_out: int, kernel_set: list[int], dilation_factor: int) -> None:
        super().__init__()
        if c_out % len(kernel_set):
            found = f"is {c_out}, which {len(kernel_set)} kernels cannot share evenly"
            raise InputError("c_out", found, "give a multiple of their number")
        share = c_out // len(kernel_set)
        self._time_conv = nn.ModuleList(
            nn.Conv2d(c_in, share, (1, width), dilation=(1, dilation_factor)) for width in kernel_set
        )
        self.kernel_set, self.dilation_factor = list(kernel_set), dilation_factor

    def forward(self, X_in: Tensor) -> Tensor:
        """`[B, c_in, N, T] -> [B, c_out, N, T - dilation_factor (widest - 1)]`."""
        weight, bias = self.kernel()
        return nn.functional.conv2d(X_in, weight, bias, dilation=(1, self.dilation_factor))

    def kernel(self) -> tuple[Tensor, Tensor]:
        """The weight `[c_out, c_in, 1, widest]` and the bias of the one convolution."""
        convs = [cast("nn.Conv2d", conv) for conv in self._time_conv]
        widest = max(self.kernel_set)
        padded = [nn.functional.pad(conv.weight, (widest - conv.weight.shape[3], 0)) for conv in convs]
        return torch.cat(padded), torch.cat([cast("Tensor", conv.bias) for conv in convs])


class LayerNormalization(nn.Module):
    """Layer normalisation over channels, graph nodes and entries, with a weight and a bias for each of them."""

    def __init__(
        self, normalized_shape: tuple[int, int, int], eps: float = 1e-5, elementwise_affine: bool = True
    ) -> None:
        super().__init__()
        shape = tuple(normalized_shape)
        self._weight = nn.Parameter(torch.ones(shape)) if elementwise_affine else None
        self._bias = nn.Parameter(torch.zeros(shape)) if elementwise_affine else None
        self.eps = eps

    def forward(self, X: Tensor, idx: Tensor) -> Tensor:
        """`[B, C, n, T]` of the graph nodes `idx` `[n]`, normalised."""
        weight, bias = (None if each is None else each[:, idx] for each in (self._weight, self._bias))
        return nn.functional.layer_norm(X, X.shape[1:], weight, bias, self.eps)

    def channels_last(self, x_BNTC: Tensor, idx: Tensor | None) -> Tensor:
        """The same of `[B, n, T, C]`; `idx` None means all graph nodes."""
        weight, bias = _channels_last(self._weight, idx), _channels_last(self._bias, idx)
        return nn.functional.layer_norm(x_BNTC, x_BNTC.shape[1:], weight, bias, self.eps)


def _channels_last(parameter_CNT: Tensor | None, idx: Tensor | None) -> Tensor | None:
    if parameter_CNT is None:
        return None
    chosen = parameter_CNT if idx is None else parameter_CNT[:, idx]
    return chosen.permute(1, 2, 0).contiguous()


class MTGNNLayer(nn.Module):
    """One layer of MTGNN: gated dilated inception, a skip connection, mix-hop propagation both ways, a residual.

    Parameter names and shapes are PGT's, without those that the layer has no use for (`_residual_conv` beside a graph).
    """

    def __init__(
        self,
        dilation_exponential: int,
        rf_size_i: int,
        kernel_size: int,
        j: int,
        residual_channels: int,
        conv_channels: int,
        skip_channels: int,
        kernel_set: list[int],
        new_dilation: int,
        layer_norm_affline: bool,
        gcn_true: bool,
        seq_length: int,
        receptive_field: int,
        dropout: float,
        gcn_depth: int,
        num_nodes: int,
        propalpha: float,
    ) -> None:
        super().__init__()
        self.dropout, self.gcn_true = dropout, gcn_true
        seen = rf_size_i + reach(dilation_exponential, kernel_size, j)
        left = max(seq_length, receptive_field) - seen + 1
        inception = (residual_channels, conv_channels, kernel_set, new_dilation)
        self._filter_conv, self._gate_conv = DilatedInception(*inception), DilatedInception(*inception)
        self._skip_conv = nn.Conv2d(conv_channels, skip_channels, (1, left))
        if gcn_true:
            mixing = (conv_channels, residual_channels, gcn_depth, dropout, propalpha)
            self._mixprop_conv1, self._mixprop_conv2 = MixProp(*mixing), MixProp(*mixing)
        else:
            self._residual_conv = nn.Conv2d(conv_channels, residual_channels, (1, 1))
        shape = (residual_channels, num_nodes, left)
        self._normalization = LayerNormalization(shape, elementwise_affine=layer_norm_affline)

    def forward(
        self, X: Tensor, X_skip: Tensor, A_tilde: Tensor | None, idx: Tensor | None, training: bool
    ) -> tuple[Tensor, Tensor]:
        """X `[B, C, N, T]` with T less the reach of the convolution, and X_skip `[B, S, N, 1]` with its share added."""
        spreads = None if A_tilde is None else (normalised(A_tilde), normalised(A_tilde.t()))
        x_BNTC, skip_BNS = self.channels_last(X.permute(0, 2, 3, 1), spreads, idx, training)
        return x_BNTC.permute(0, 3, 1, 2), X_skip + skip_BNS.transpose(1, 2).unsqueeze(3)

    def channels_last(
        self, x_BNTC: Tensor, spreads: tuple[Tensor, Tensor] | None, idx: Tensor | None, training: bool
    ) -> tuple[Tensor, Tensor]:
        """The new x and the share of the skip connection `[B, N, S]`."""
        gated_BNTC = nn.functional.dropout(self._gated(x_BNTC), self.dropout, training)
        skip_BNS = over_entries(gated_BNTC, self._skip_conv)
        if self.gcn_true:
            if spreads is None:
                raise InputError("A_tilde", "is missing", "give an adjacency, or build_adj=True to learn one")
            mixed_BNTC = both_ways(self._mixprop_conv1, self._mixprop_conv2, gated_BNTC, spreads)
        else:
            mixed_BNTC = over_channels(gated_BNTC, self._residual_conv)
        residual_BNTC = x_BNTC[:, :, -mixed_BNTC.shape[2] :]
        return self._normalization.channels_last(mixed_BNTC + residual_BNTC, idx), skip_BNS

    def _gated(self, x_BNTC: Tensor) -> Tensor:
        """tanh(filter) * sigmoid(gate), both by one convolution."""
        (weight, bias), (gate_weight, gate_bias) = self._filter_conv.kernel(), self._gate_conv.kernel()
        weight = torch.cat([weight, gate_weight]).contiguous(memory_format=torch.channels_last)
        both_BCNT = nn.functional.conv2d(
            x_BNTC.permute(0, 3, 1, 2),
            weight,
            torch.cat([bias, gate_bias]),
            dilation=(1, self._filter_conv.dilation_factor),
        )
        filtered_BNTC, gate_BNTC = both_BCNT.permute(0, 2, 3, 1).chunk(2, dim=3)
        return torch.tanh(filtered_BNTC) * torch.sigmoid(gate_BNTC)


def over_entries(x_BNTC: Tensor, conv: nn.Conv2d) -> Tensor:
    """A convolution as wide as the window is long: one product over entries and channels, `[B, N, O]`."""
    weight_OX = conv.weight.squeeze(2).transpose(1, 2).flatten(1)
    return nn.functional.linear(x_BNTC.flatten(2), weight_OX, conv.bias)


def reach(dilation_exponential: int, kernel_size: int, layers: int) -> int:
    """How many entries beyond its own an output of `layers` layers sees."""
    return sum((kernel_size - 1) * dilation_exponential**j for j in range(layers))
