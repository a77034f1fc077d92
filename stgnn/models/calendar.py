"""The calendar as models take it that know the time itself.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input channels, L entries, K the two
calendar columns (time of day in [0, 1), day of week 0..6).
"""

import torch
from torch import Tensor

from stgnn.models.base import TaskShape

ROUNDING = 1e-3  # of a step: k / 288 in float32, times 288, may fall short of k


def place_in_window(shape: TaskShape, x_BTNC: Tensor) -> Tensor:
    """Return what takes a calendar's place where there are no dates, `[B, L, K]` for the L = T + H entries.

    An entry's place among them, the first past one's 0, as a share of L for the time of day; day 0.
    """
    length = shape.input_len + shape.horizon
    place_L = torch.arange(length, device=x_BTNC.device) / length
    return torch.stack([place_L, torch.zeros_like(place_L)], dim=1).expand(len(x_BTNC), -1, -1)


def step_of_day(calendar_BLK: Tensor, steps_per_day: int) -> Tensor:
    """Return which of `steps_per_day` equal parts of the day each entry lies in, `[B, L]` int64."""
    return (calendar_BLK[..., 0].double() * steps_per_day + ROUNDING).long().clamp(max=steps_per_day - 1)
