r"""The encoding of a span of time by cosines of learned frequencies.

    phi(d)_m = cos(w_m d + b_m),      w_m = 10^(-9 (m - 1) / (M - 1)) and b = 0 at first

Xu, Ruan, Korpeoglu, Kumar, Achan, "Inductive representation learning on temporal graphs", ICLR 2020, eq. 5; the start
from one turn in six seconds to one in two centuries is that of Rossi et al., "Temporal graph networks for deep
learning on dynamic graphs", 2020.

Axes: M time channels, ``...`` any leading axes.
"""

import torch
from torch import Tensor, nn

DECADES = 9.0


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
        return torch.addcmul(self.phase_M, self.seconds(span).unsqueeze(-1), self.frequency_M).cos_()

    def of_zero(self) -> Tensor:
        """phi of no time at all, `[M]`."""
        return self.phase_M.cos()
