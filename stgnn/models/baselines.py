"""The baselines that no table may lack: last value, train mean, historical average.

Fitted without gradients, from one streamed pass over the training rows. The linear map lives in `linear`, where it is
trained like any other model, and in `least_squares`.

Axes: B batch, T past entries, H future entries, N graph nodes, C input channels, F features,
S time slots (of a day, or of a week), K the two calendar columns (time of day, day of week).
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import NOTHING, FittedOnRows, Known, Scales, TaskShape

DAYS = 7
FINEST_SLOTS_PER_DAY = 1440  # one a minute: bounds the memory when times are irregular
BLOCK_VALUES = 1 << 21  # values read at a time: 8 MB of float32

Rows = Callable[[int, int], NDArray[np.float32]]


class LastValue(FittedOnRows):
    """Repeats the window's last entry over the whole horizon ("static" in DCRNN's evaluation).

    A missing last entry is repeated like any other.
    """

    needs_past_target = True
    uses_graph = False

    def fit(
        self,
        store_rows: Rows,
        calendar: NDArray[np.float32] | None,
        train_rows: range,
        scaler: Scales,
        null_value: float | None,
    ) -> None:
        """Do nothing: the forecast depends on the window alone."""

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the last entry's features, H times; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        last_B1NF = x_BTNC[:, -1:, :, : self.shape.num_outputs]
        return last_B1NF.repeat(1, self.shape.horizon, 1, 1)


class TrainMean(FittedOnRows):
    """Forecasts the mean of each graph node and feature over the training rows, nulls excluded."""

    uses_graph = False

    mean_NF: Tensor  # scaled

    def __init__(self, shape: TaskShape, graph: Graph) -> None:
        super().__init__(shape, graph)
        self.register_buffer("mean_NF", torch.empty(0))

    def fit(
        self,
        store_rows: Rows,
        calendar: NDArray[np.float32] | None,
        train_rows: range,
        scaler: Scales,
        null_value: float | None,
    ) -> None:
        """Average the training rows in float64; a node without a value gets the mean over all nodes."""
        sizes = (1, self.shape.num_nodes, self.shape.num_outputs)
        one_slot_T = torch.zeros(len(train_rows), dtype=torch.int64)
        sum_SNF, count_SNF = _sum_by_slot(store_rows, train_rows, one_slot_T, sizes, null_value)
        mean_NF = _node_mean(sum_SNF[0], count_SNF[0])
        self.mean_NF = scaler.scale(mean_NF.to(self.mean_NF.device)).to(self.mean_NF.dtype)

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the fitted mean for every window and step; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        _expect_fitted(self.mean_NF)
        return self.mean_NF.to(x_BTNC.dtype).repeat(len(x_BTNC), self.shape.horizon, 1, 1)


class HistoricalAverage(FittedOnRows):
    """Forecasts the training rows' mean at the same time of the same day of the week.

    The HA of DCRNN's tables (Li et al., ICLR 2018): per graph node, nulls excluded, and the same for
    every lead time. A slot of the week that training rows never show falls back to that time of any
    day, then to the graph node's mean. The slots are as fine as the calendar, a minute at most.
    """

    needs_dates = True
    uses_graph = False

    mean_SNF: Tensor  # scaled; slot of the week = day of week * slots per day + slot of the day

    def __init__(self, shape: TaskShape, graph: Graph) -> None:
        super().__init__(shape, graph)
        self.register_buffer("mean_SNF", torch.empty(0))

    def fit(
        self,
        store_rows: Rows,
        calendar: NDArray[np.float32] | None,
        train_rows: range,
        scaler: Scales,
        null_value: float | None,
    ) -> None:
        """Average the training rows by slot of the week in float64; memory is O(slots x nodes).

        Raises:
            InputError: the dataset has no dates.
        """
        if calendar is None:
            raise _no_dates()
        calendar_TK = torch.tensor(calendar[train_rows.start : train_rows.stop])
        slots_per_day = _slots_per_day(calendar_TK[:, 0])
        slot_T = _slot_of_week(calendar_TK, slots_per_day)
        sizes = (DAYS * slots_per_day, self.shape.num_nodes, self.shape.num_outputs)
        mean_SNF = _fill_slots(*_sum_by_slot(store_rows, train_rows, slot_T, sizes, null_value))
        self.mean_SNF = scaler.scale(mean_SNF.to(self.mean_SNF.device)).to(self.mean_SNF.dtype)

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the mean of each future entry's slot of the week; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        _expect_fitted(self.mean_SNF)
        if known.calendar_BHK is None:
            raise _no_dates()
        slot_BH = _slot_of_week(known.calendar_BHK, len(self.mean_SNF) // DAYS)
        return self.mean_SNF[slot_BH].to(x_BTNC.dtype)


def _sum_by_slot(
    store_rows: Rows, rows: range, slot_T: Tensor, sizes: tuple[int, int, int], null_value: float | None
) -> tuple[Tensor, Tensor]:
    """Return the float64 sums and the counts, `sizes = (S, N, F)`, of the values that are not null."""
    sum_SNF = torch.zeros(sizes, dtype=torch.float64)
    count_SNF = torch.zeros(sizes, dtype=torch.int32)
    rows_per_block = max(1, BLOCK_VALUES // (sizes[1] * sizes[2]))
    for start in range(rows.start, rows.stop, rows_per_block):
        stop = min(start + rows_per_block, rows.stop)
        value_TNF = torch.from_numpy(store_rows(start, stop).astype(np.float64))
        present_TNF = value_TNF.isfinite()
        if null_value is not None:
            # The store is float32, so a null like 0.1 has float32's digits there.
            present_TNF &= value_TNF != float(np.float32(null_value))
        index_T = slot_T[start - rows.start : stop - rows.start]
        sum_SNF.index_add_(0, index_T, torch.where(present_TNF, value_TNF, 0.0))
        count_SNF.index_add_(0, index_T, present_TNF.int())
    return sum_SNF, count_SNF


def _fill_slots(sum_SNF: Tensor, count_SNF: Tensor) -> Tensor:
    """Return the mean of each slot of the week, empty ones filled from the day, then the node."""
    by_day = (DAYS, -1, *sum_SNF.shape[1:])
    sum_of_day, count_of_day = sum_SNF.view(by_day).sum(0), count_SNF.view(by_day).sum(0)
    node_mean_NF = _node_mean(sum_of_day.sum(0), count_of_day.sum(0))
    day_mean = torch.where(count_of_day > 0, sum_of_day / count_of_day, node_mean_NF)
    # In place: for the largest networks one more [S, N, F] in float64 would be gigabytes.
    mean_SNF = sum_SNF.div_(count_SNF)
    return torch.where(count_SNF > 0, mean_SNF, day_mean.repeat(DAYS, 1, 1))


def _node_mean(sum_NF: Tensor, count_NF: Tensor) -> Tensor:
    if (count_NF.sum(0) == 0).any():
        raise InputError(
            "training rows", "a feature has no value that is not null", "widen the training split"
        )
    return torch.where(count_NF > 0, sum_NF / count_NF, sum_NF.sum(0) / count_NF.sum(0))


def _slots_per_day(time_of_day_T: Tensor) -> int:
    """Return how many times of day the calendar tells apart: one over its smallest gap."""
    gaps = time_of_day_T.double().unique().diff()
    gaps = gaps[gaps > 0.5 / FINEST_SLOTS_PER_DAY]
    return min(FINEST_SLOTS_PER_DAY, round(1 / gaps.min().item())) if len(gaps) else 1


def _slot_of_week(calendar_K: Tensor, slots_per_day: int) -> Tensor:
    """Return the slot of the week of each `[..., K]` calendar entry."""
    # float32 keeps k/1440 to 6e-8 of a day, so the nearest slot is the right one.
    slot_of_day = (calendar_K[..., 0] * slots_per_day).round().long() % slots_per_day
    return calendar_K[..., 1].long() * slots_per_day + slot_of_day


def _expect_fitted(buffer: Tensor) -> None:
    if buffer.numel() == 0:
        raise RuntimeError("fit the baseline, or load a fitted state, before forecasting")


def _no_dates() -> InputError:
    return InputError(
        "historical-average",
        "needs the time of day and the day of week, and the dataset has no dates",
        "give the dataset a `start:` date, or leave this model out of the study",
    )
