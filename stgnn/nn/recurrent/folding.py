"""How a batch of sequences lies in a recurrence: time first, few channels of several samples side by side in a row.

Axes: B samples (any leading dimensions), T entries, N graph nodes, F input features, C hidden channels, G blocks of g
samples each, X = g*F input columns, V = g*C state columns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stgnn.errors import InputError

# States of fewer channels share rows of about FULL_ROW columns, several samples side by side: one product over
# 2,716 rows of 64 where it would be 86,912 of 2.
FEW_CHANNELS = 8
FULL_ROW = 32


@dataclass(frozen=True)
class Folding:
    """Brings inputs and states of leading dimensions `lead` and states of `channels` into the recurrence and back."""

    lead: tuple[int, ...]
    batch: int  # the product of lead
    nodes: int
    channels: int
    group: int  # g

    @classmethod
    def of(cls, x_BTNF: Tensor, channels: int, inputs: int) -> "Folding":
        """That of an input with leading dimensions; `inputs` is how wide it enters the recurrence."""
        lead, nodes = x_BTNF.shape[:-3], x_BTNF.shape[-2]
        batch = lead.numel()
        return cls(tuple(lead), batch, nodes, channels, _samples_in_a_row(batch, max(inputs, channels)))

    def input(self, x_BTNF: Tensor) -> Tensor:
        """`[B, T, N, F] -> [T, G, N, X]`."""
        _, entries, nodes, inputs = x_BTNF.shape
        x_GgTNF = self._grouped(x_BTNF)
        return x_GgTNF.permute(2, 0, 3, 1, 4).reshape(entries, -1, nodes, self.group * inputs)

    def state(self, name: str, h: Tensor | None, dtype: torch.dtype) -> Tensor | None:
        """`[..., N, C] -> [G, N, V]`; `InputError` if the shape does not fit the input's."""
        expected = (*self.lead, self.nodes, self.channels)
        if h is None:
            return None
        if h.shape != expected:
            found = f"has shape {tuple(h.shape)}, expected {expected}"
            raise InputError(name, found, f"X and {name} agree but for the channels")
        h_GgNC = self._grouped(h.reshape(-1, *expected[-2:]).to(dtype))
        return h_GgNC.transpose(1, 2).reshape(-1, self.nodes, self.group * self.channels)

    def states(self, h_TGNV: Tensor, dtype: torch.dtype) -> Tensor:
        """`[T, G, N, V] -> [..., T, N, C]`."""
        h_GgTNC = h_TGNV.unflatten(3, (self.group, self.channels)).permute(1, 3, 0, 2, 4)
        return self._ungrouped(h_GgTNC).to(dtype).reshape(*self.lead, len(h_TGNV), self.nodes, self.channels)

    def last(self, h_GNV: Tensor, dtype: torch.dtype) -> Tensor:
        """`[G, N, V] -> [..., N, C]`."""
        h_GgNC = h_GNV.unflatten(2, (self.group, self.channels)).transpose(1, 2)
        return self._ungrouped(h_GgNC).to(dtype).reshape(*self.lead, self.nodes, self.channels)

    def _grouped(self, x_B: Tensor) -> Tensor:
        """[B, ...] -> [G, g, ...], filled up with zero samples."""
        missing = -self.batch % self.group
        if missing:
            x_B = torch.cat([x_B, x_B.new_zeros(missing, *x_B.shape[1:])])
        return x_B.view(len(x_B) // self.group, self.group, *x_B.shape[1:])

    def _ungrouped(self, x_Gg: Tensor) -> Tensor:
        x_B = x_Gg.flatten(0, 1)
        return x_B if len(x_B) == self.batch else x_B[: self.batch]  # a slice costs a full-size gradient


def _samples_in_a_row(batch: int, channels: int) -> int:
    if channels > FEW_CHANNELS:
        return 1
    rows = -(-batch * channels // FULL_ROW)
    return max(1, -(-batch // max(1, rows)))
