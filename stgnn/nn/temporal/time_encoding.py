r"""The encoding of a span of time by cosines of learned frequencies.

    phi(d)_m = cos(w_m d + b_m),      w_m = 10^(-9 (m - 1) / (M - 1)) and b = 0 at first

Xu, Ruan, Korpeoglu, Kumar, Achan, "Inductive representation learning on temporal graphs", ICLR 2020, section 3.1;
the start from one turn in six seconds to one in two centuries is that of Rossi et al., "Temporal graph networks for
deep learning on dynamic graphs", 2020.

Axes: M time channels, ``...`` any leading axes.
"""

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

DECADES = 9.0
TURN = 2.0 * math.pi
ROWS = 1024  # of angles at a time


class TimeEncoding(nn.Module):
    """`[...] -> [..., M]` from spans in the stream's unit (int64) to values in [-1, 1].

    Spans are whole numbers and differences of whole numbers: only here they become floating point.

    Args:
        channels: M.
        unit: seconds of one unit of the spans.
    """

    def __init__(self, channels: int, unit: float = 1.0) -> None:
        super().__init__()
        self.unit = unit
        self.frequency_M = nn.Parameter(10.0 ** -torch.linspace(0.0, DECADES, channels))
        self.phase_M = nn.Parameter(torch.zeros(channels))

    def seconds(self, span: Tensor) -> Tensor:
        """The spans as floating point seconds."""
        return span.to(self.frequency_M.dtype) * self.unit

    def forward(self, span: Tensor) -> Tensor:
        """phi of the spans."""
        apply = cast("Callable[..., Tensor]", _Cosine.apply)
        return apply(span, self.unit, self.frequency_M, self.phase_M)

    def of_zero(self) -> Tensor:
        """phi of no time at all, `[M]`."""
        return self.phase_M.cos()


class _Cosine(torch.autograd.Function):
    """cos(w d + b), and both gradients by one product."""

    @staticmethod
    def forward(ctx: Any, span: Tensor, unit: float, frequency_M: Tensor, phase_M: Tensor) -> Tensor:
        angle = _angle(span, unit, frequency_M, phase_M)
        ctx.save_for_backward(span.to(frequency_M.dtype) * unit, angle)
        return angle.cos()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_phi: Tensor) -> tuple[None, None, Tensor, Tensor]:
        seconds, angle = ctx.saved_tensors
        d_angle = angle.sin().mul_(d_phi).reshape(-1, angle.shape[-1])
        flat = seconds.flatten()
        d_frequency, d_phase = (torch.stack([flat, torch.ones_like(flat)]) @ d_angle).neg_().unbind()
        return None, None, d_frequency, d_phase


def _angle(span: Tensor, unit: float, frequency_M: Tensor, phase_M: Tensor) -> Tensor:
    """w d + b without its whole turns, `[..., M]`.

    Turns are counted in float64: float32 errs by a 24th of a turn after a month and by a third after five years. What
    is left is small, and its cosine takes a fifth of the time. A block of rows stays in the cache meanwhile.
    """
    turn_M, start_M = frequency_M.double() * (unit / TURN), phase_M.double() / TURN
    angle = frequency_M.new_empty(*span.shape, len(frequency_M))
    rows = ROWS if span.device.type == "cpu" else max(span.numel(), 1)
    blocks = angle.view(-1, len(frequency_M)).split(rows)
    for block, some in zip(blocks, span.flatten().split(rows), strict=True):
        turns = torch.addcmul(start_M, some.double().unsqueeze(-1), turn_M).frac_()
        torch.mul(turns.to(angle.dtype), TURN, out=block)
    return angle
