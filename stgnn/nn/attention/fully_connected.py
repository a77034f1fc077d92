"""GMAN's fully connected layers: a product over channels, batch normalisation, relu.

Axes: C input channels, D output channels; every other axis counts as samples.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from stgnn.nn.attention.pointwise import over_channels


class _Unit(nn.Module):
    """One product with its normalisation, with the names and shapes of PGT's 1 x 1 convolution."""

    def __init__(self, channels: int, outputs: int, bn_decay: float | None, bias: bool) -> None:
        super().__init__()
        self._conv2d = nn.Conv2d(channels, outputs, (1, 1), bias=bias)
        self._batch_norm = nn.BatchNorm2d(outputs, momentum=bn_decay)
        nn.init.xavier_uniform_(self._conv2d.weight)
        if self._conv2d.bias is not None:
            nn.init.zeros_(self._conv2d.bias)


class FullyConnected(nn.Module):
    """Products between the `widths`, each normalised over its batch, with relu between them and (`relu`) at the end.

    `bn_decay` is the momentum of the normalisations. Parameter names are those of PyTorch Geometric Temporal.
    """

    def __init__(
        self, widths: Sequence[int], bn_decay: float | None, relu: bool = True, use_bias: bool = True
    ) -> None:
        super().__init__()
        self._conv2ds = nn.ModuleList(_Unit(*size, bn_decay, use_bias) for size in pairwise(widths))
        self.relu = relu

    @property
    def units(self) -> list[_Unit]:
        """The products in order."""
        return [cast("_Unit", unit) for unit in self._conv2ds]

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T, N, C] -> [B, T, N, D]`."""
        first, *others = self.units
        return self._finish(_project([first], x), first, others)

    def of_one_hot(self, column_BTI: Tensor) -> Tensor:
        """The same of rows that are one in the columns `[B, T, I]` and else zero, as `[B, T, D]`."""
        first, *others = self.units
        conv = first._conv2d
        product = conv.weight.flatten(1).t()[column_BTI].sum(2)
        biased = product if conv.bias is None else product + conv.bias
        return self._finish(biased.unsqueeze(2), first, others).squeeze(2)

    def _finish(self, product: Tensor, first: _Unit, others: list[_Unit]) -> Tensor:
        x = _normalised([first], product, relu=self.relu or bool(others))
        for unit in others:
            x = _normalised([unit], _project([unit], x), relu=self.relu or unit is not others[-1])
        return x


def side_by_side(layers: Sequence[FullyConnected], x: Tensor) -> tuple[Tensor, ...]:
    """The outputs of several layers of one product and relu, by one product."""
    units = [layer.units[0] for layer in layers]
    widths = [unit._conv2d.out_channels for unit in units]
    return torch.split(_normalised(units, _project(units, x), relu=True), widths, dim=3)


def _project(units: list[_Unit], x: Tensor) -> Tensor:
    weights = [unit._conv2d.weight.flatten(1) for unit in units]
    biases = [unit._conv2d.bias for unit in units if unit._conv2d.bias is not None]
    if len(units) == 1:
        return over_channels(x, units[0]._conv2d)
    return nn.functional.linear(x, torch.cat(weights), torch.cat(biases) if biases else None)


def _normalised(units: list[_Unit], x_BTND: Tensor, relu: bool) -> Tensor:
    x_BDTN = x_BTND.permute(0, 3, 1, 2)  # as it lies: channels last
    out_BDTN = _batch_norm([unit._batch_norm for unit in units], x_BDTN)
    return (out_BDTN.relu_() if relu else out_BDTN).permute(0, 2, 3, 1)


def _batch_norm(norms: list[nn.BatchNorm2d], x_BDTN: Tensor) -> Tensor:
    """Of the channels of several normalisations side by side; running statistics go back to each."""
    if len(norms) == 1:
        return cast("Tensor", norms[0](x_BDTN))
    for norm in norms if norms[0].training else ():
        cast("Tensor", norm.num_batches_tracked).add_(1)
    mean = torch.cat([cast("Tensor", norm.running_mean) for norm in norms])
    variance = torch.cat([cast("Tensor", norm.running_var) for norm in norms])
    weight, bias = torch.cat([norm.weight for norm in norms]), torch.cat([norm.bias for norm in norms])
    momentum = norms[0].momentum
    if momentum is None:  # then PyTorch keeps the plain mean over all batches
        momentum = 1 / max(1, int(cast("Tensor", norms[0].num_batches_tracked)))
    training, eps = norms[0].training, norms[0].eps
    out_BDTN = nn.functional.batch_norm(x_BDTN, mean, variance, weight, bias, training, momentum, eps)
    if training:
        parts = zip(
            norms, mean.split(norms[0].num_features), variance.split(norms[0].num_features), strict=True
        )
        for norm, its_mean, its_variance in parts:
            cast("Tensor", norm.running_mean).copy_(its_mean)
            cast("Tensor", norm.running_var).copy_(its_variance)
    return out_BDTN
