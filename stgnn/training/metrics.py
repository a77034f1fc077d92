"""Losses and exact metrics: sums over valid entries that merge over batches and workers.

A metric is a few sums and a final division, never a mean of batch means, so the size of the last
batch and the number of workers do not matter. Which entries count comes from the raw values.

Axes: B batch, H horizon, N graph nodes, F features.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stgnn.distributed.world import World


def valid_entries(y_BHNF: Tensor, null_value: float | None) -> Tensor:
    """Mark the targets that are really there, judged on raw float32 values: boolean [B, H, N, F].

    In another type a null value such as -9999.9 would no longer equal what the store holds for it.
    """
    valid = ~torch.isnan(y_BHNF)
    if null_value is not None and not math.isnan(null_value):
        valid &= y_BHNF != null_value
    return valid


def masked_mae(prediction: Tensor, y: Tensor, valid: Tensor, count: Tensor) -> Tensor:
    """Sum of absolute errors over valid entries, raw units, divided by `count`; 0 where there are none.

    `count` is how many entries are valid; of several workers, the mean of their counts: averaged over the
    workers, losses and gradients are then those of the whole batch, however its entries are spread.
    """
    return _masked_sum((prediction - y).abs(), valid) / count.clamp(min=1)


def masked_mse(prediction: Tensor, y: Tensor, valid: Tensor, count: Tensor) -> Tensor:
    """Sum of squared errors over valid entries, raw units squared, divided by `count`; see `masked_mae`."""
    return _masked_sum((prediction - y).square(), valid) / count.clamp(min=1)


LOSSES = {"masked-mae": masked_mae, "masked-mse": masked_mse}


def _masked_sum(error: Tensor, valid: Tensor) -> Tensor:
    # where, not times: a NaN target times zero is still NaN
    return torch.where(valid, error, 0.0).sum()


@dataclass
class ErrorSums:
    """Sums of errors by forecast step, float64 [H], on the device where the errors are made."""

    count: Tensor
    absolute: Tensor
    squared: Tensor
    relative_count: Tensor  # valid targets other than 0, which relative errors need
    relative: Tensor

    @classmethod
    def zeros(cls, horizon: int, device: torch.device | str = "cpu") -> "ErrorSums":
        """Sums over nothing."""
        return cls(*(torch.zeros(horizon, dtype=torch.float64, device=device) for _ in range(5)))

    def add(self, prediction: Tensor, y: Tensor, valid: Tensor) -> None:
        """Add a batch of forecasts and targets, [B, H, N, F], both in raw units."""
        error = torch.where(valid, prediction - y, 0.0).abs()
        divisible = valid & (y != 0)
        share = torch.where(divisible, error / torch.where(divisible, y, 1.0).abs(), 0.0)
        for total, part in (
            (self.count, valid),
            (self.absolute, error),
            (self.squared, error.double().square()),
            (self.relative_count, divisible),
            (self.relative, share),
        ):
            total += part.sum(dim=(0, 2, 3), dtype=torch.float64)

    def over(self, world: World) -> "ErrorSums":
        """The sums over all workers."""
        return ErrorSums(*world.add_up(torch.stack(list(vars(self).values()))))

    def mae(self) -> float:
        """Pooled mean absolute error; NaN where nothing was valid."""
        return float(self.absolute.sum() / self.count.sum())

    def summary(self) -> dict[str, Any]:
        """MAE, MSE, RMSE and MAPE (percent), pooled and by forecast step; None where nothing was valid."""
        steps = [self._metrics(self._at(step)) | {"step": step + 1} for step in range(len(self.count))]
        return self._metrics(self._pooled()) | {"horizon": steps}

    def _at(self, step: int) -> dict[str, float]:
        return {name: float(values[step]) for name, values in vars(self).items()}

    def _pooled(self) -> dict[str, float]:
        return {name: float(values.sum()) for name, values in vars(self).items()}

    @staticmethod
    def _metrics(sums: dict[str, float]) -> dict[str, Any]:
        count, divisible = sums["count"], sums["relative_count"]
        return {
            "count": int(count),
            "mae": sums["absolute"] / count if count else None,
            "mse": sums["squared"] / count if count else None,
            "rmse": (sums["squared"] / count) ** 0.5 if count else None,
            "mape": 100 * sums["relative"] / divisible if divisible else None,
        }
