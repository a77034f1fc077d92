"""GMAN's fully connected layers: a product over channels, batch normalisation, an activation.

Axes: C input channels, D output channels; every other axis counts as samples.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from stgnn.errors import InputError
from stgnn.nn.attention.pointwise import over_channels

Activation = Callable[[Tensor], Tensor] | None


class Conv2D(nn.Module):
    """A convolution, a batch normalisation and an activation, with PyTorch Geometric Temporal's names and arguments.

    The kernel lies over graph nodes, then entries; one of 1 x 1 is a product over channels. `bn_decay` is the momentum
    of the normalisation.
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        kernel_size: Sequence[int],
        stride: Sequence[int] = (1, 1),
        use_bias: bool = True,
        activation: Activation = relu,
        bn_decay: float | None = None,
    ) -> None:
        super().__init__()
        self.activation = activation
        kernel, step = (cast("tuple[int, int]", tuple(each)) for each in (kernel_size, stride))
        self._conv2d = nn.Conv2d(input_dims, output_dims, kernel, step, bias=use_bias)
        self._batch_norm = nn.BatchNorm2d(output_dims, momentum=bn_decay)
        nn.init.xavier_uniform_(self._conv2d.weight)
        if self._conv2d.bias is not None:
            nn.init.zeros_(self._conv2d.bias)

    def forward(self, X: Tensor) -> Tensor:
        """`[B, T, N, C] -> [B, T, N, D]`, shorter by what kernel and stride leave out."""
        conv = self._conv2d
        if conv.kernel_size == conv.stride == (1, 1):
            return _normalised([self], _project([self], X))
        out_BDTN = self._batch_norm(conv(X.permute(0, 3, 2, 1))).transpose(2, 3)
        return _activated(self.activation, out_BDTN).permute(0, 2, 3, 1)


class FullyConnected(nn.Module):
    """Products of `units` columns from `input_dims`, each normalised over its batch and followed by its activation.

    Arguments and parameter names are those of PyTorch Geometric Temporal: lists of equal length, or one of each.
    """

    def __init__(
        self,
        input_dims: int | Sequence[int],
        units: int | Sequence[int],
        activations: Activation | Sequence[Activation],
        bn_decay: float | None,
        use_bias: bool = True,
    ) -> None:
        super().__init__()
        inputs, outputs = (each if isinstance(each, Sequence) else [each] for each in (input_dims, units))
        after = activations if isinstance(activations, Sequence) else [activations]
        if not len(inputs) == len(outputs) == len(after):
            found = f"are {len(inputs)}, {len(outputs)} and {len(after)}"
            raise InputError("input_dims, units, activations", found, "give one of each for every product")
        self._conv2ds = nn.ModuleList(
            Conv2D(inputs_, outputs_, (1, 1), (1, 1), use_bias, activation, bn_decay)
            for inputs_, outputs_, activation in zip(inputs, outputs, after, strict=True)
        )

    @property
    def units(self) -> list[Conv2D]:
        """The products in order."""
        return [cast("Conv2D", unit) for unit in self._conv2ds]

    def forward(self, X: Tensor) -> Tensor:
        """`[B, T, N, C] -> [B, T, N, D]`."""
        for unit in self.units:
            X = unit(X)
        return X

    def of_one_hot(self, column_BTI: Tensor) -> Tensor:
        """The same of rows that are one in the columns `[B, T, I]` and else zero, as `[B, T, D]`."""
        first, *others = self.units
        conv = first._conv2d
        product = conv.weight.flatten(1).t()[column_BTI].sum(2)
        biased = product if conv.bias is None else product + conv.bias
        x_BT1D = _normalised([first], biased.unsqueeze(2))
        for unit in others:
            x_BT1D = unit(x_BT1D)
        return x_BT1D.squeeze(2)


def side_by_side(layers: Sequence[FullyConnected], x: Tensor) -> tuple[Tensor, ...]:
    """The outputs of several layers of one product and the same activation, by one product."""
    units = [layer.units[0] for layer in layers]
    widths = [unit._conv2d.out_channels for unit in units]
    return torch.split(_normalised(units, _project(units, x)), widths, dim=3)


def _project(units: list[Conv2D], x: Tensor) -> Tensor:
    weights = [unit._conv2d.weight.flatten(1) for unit in units]
    biases = [unit._conv2d.bias for unit in units if unit._conv2d.bias is not None]
    if len(units) == 1:
        return over_channels(x, units[0]._conv2d)
    return nn.functional.linear(x, torch.cat(weights), torch.cat(biases) if biases else None)


def _normalised(units: list[Conv2D], x_BTND: Tensor) -> Tensor:
    x_BDTN = x_BTND.permute(0, 3, 1, 2)  # as it lies: channels last
    out_BDTN = _batch_norm([unit._batch_norm for unit in units], x_BDTN)
    return _activated(units[0].activation, out_BDTN).permute(0, 2, 3, 1)


def _activated(activation: Activation, x: Tensor) -> Tensor:
    """The activation of a tensor that may be written over."""
    if activation is relu:
        return x.relu_()
    return x if activation is None else activation(x)


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
