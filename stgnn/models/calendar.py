"""The calendar as models take it that know the time itself.

Axes: B batch, L entries, K the two calendar columns (time of day in [0, 1), day of week 0..6).
"""

from torch import Tensor

from stgnn.errors import InputError

ROUNDING = 1e-3  # of a step: k / 288 in float32, times 288, may fall short of k


def require_calendar(calendar_BLK: Tensor | None) -> Tensor:
    """Return the calendar, or raise `InputError` where the dataset has none."""
    if calendar_BLK is None:
        raise InputError(
            "model", "needs the time of each entry, but the dataset has no dates", "choose another"
        )
    return calendar_BLK


def step_of_day(calendar_BLK: Tensor, steps_per_day: int) -> Tensor:
    """Return which of `steps_per_day` equal parts of the day each entry lies in, `[B, L]` int64."""
    return (calendar_BLK[..., 0].double() * steps_per_day + ROUNDING).long().clamp(max=steps_per_day - 1)
