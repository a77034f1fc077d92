"""Products over few input channels, whose weight gradient MKL is ten times faster at as x^T d than as d^T x.

Measured on an AMD EPYC, one thread, 79,488 rows of 2 channels to 64: 4.8 against 49.7 ms; from 16 channels on it is the
other way round.

Axes: F input channels, O output channels, R rows.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from stgnn.graph.operators import NARROW


def linear(x: Tensor, weight_OF: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear`, `[..., F] -> [..., O]`."""
    plain = x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or x.dtype != weight_OF.dtype
    if plain or x.shape[-1] >= NARROW:
        return functional.linear(x, weight_OF, bias_O)
    apply = cast("Callable[..., Tensor]", _Linear.apply)
    return apply(x, weight_OF, bias_O)


def weight_gradient(d_RO: Tensor, x_RF: Tensor) -> Tensor:
    """d^T x, `[O, F]`."""
    return (x_RF.t() @ d_RO).t() if x_RF.shape[1] < NARROW else d_RO.t() @ x_RF


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        out = x.new_empty(*x.shape[:-1], len(weight))  # `functional.linear` would return a view
        rows_RF, out_RO = x.reshape(-1, x.shape[-1]), out.view(-1, len(weight))
        if bias is None:
            torch.mm(rows_RF, weight.t(), out=out_RO)
        else:
            torch.addmm(bias, rows_RF, weight.t(), out=out_RO)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        d_RO = d_out.reshape(-1, len(weight))
        d_x = (d_RO @ weight).view(x.shape) if ctx.needs_input_grad[0] else None
        d_weight = weight_gradient(d_RO, x.reshape(-1, x.shape[-1])) if ctx.needs_input_grad[1] else None
        return d_x, d_weight, d_RO.sum(0) if ctx.needs_input_grad[2] else None
