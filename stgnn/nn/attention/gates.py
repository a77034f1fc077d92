"""A signal times a gate over entries and graph nodes and one over channels, one sample at a time.

Autograd over the plain product keeps the signal half multiplied, and passes over it eight times where twice will do.

Axes: B samples, R rows (entries, graph nodes), C channels.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stgnn.nn import buffers


def gated(y_BRC: Tensor, rows_BR: Tensor, channels_BC: Tensor) -> Tensor:
    """y[b, r, c] rows[b, r] channels[b, c]."""
    if y_BRC.device.type != "cpu":
        return y_BRC * rows_BR.unsqueeze(2) * channels_BC.unsqueeze(1)
    apply = cast("Callable[..., Tensor]", _Gated.apply)
    return apply(y_BRC.contiguous(), rows_BR.to(y_BRC.dtype), channels_BC.to(y_BRC.dtype))


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, rows: Tensor, channels: Tensor) -> Tensor:
        ctx.save_for_backward(y, rows, channels)
        out = buffers.empty(y.shape, y.dtype, y.device)
        for b in range(len(y)):
            torch.mul(y[b], rows[b].unsqueeze(1), out=out[b]).mul_(channels[b])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, rows, channels = ctx.saved_tensors
        d_y = buffers.empty(y.shape, y.dtype, y.device)
        d_rows, d_channels = torch.empty_like(rows), torch.empty_like(channels)
        for b in range(len(y)):
            of_both = d_out[b] * y[b]
            torch.mv(of_both, channels[b], out=d_rows[b])
            torch.mv(of_both.t(), rows[b], out=d_channels[b])
            torch.mul(d_out[b], rows[b].unsqueeze(1), out=d_y[b]).mul_(channels[b])
        return d_y, d_rows, d_channels
