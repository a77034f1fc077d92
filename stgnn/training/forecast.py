"""Forecasts of a model and how far off they are, in the task's units, one worker's share at a time.

Axes: B batch, H horizon, N graph nodes, F features.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from stgnn.data.edges import WindowEdges
from stgnn.data.placements import WindowBatch
from stgnn.distributed import heartbeat
from stgnn.models.base import Known, ScaledWindows
from stgnn.training.metrics import ErrorSums, valid_entries
from stgnn.training.setup import Setup


class Forecasts:
    """What the run's model, as it is at the moment, forecasts.

    `between` is called after each batch of a split, by all workers equally often, and may end it all by an error.
    """

    def __init__(self, setup: Setup, between: Callable[[], None]) -> None:
        self._setup, self._between = setup, between

    def target(self, batch: WindowBatch) -> tuple[Tensor, Tensor]:
        """The true future [B, H, N, F] with 0 for NaN, and which of its entries count."""
        y_BHNF, valid = self._truth(batch, self._setup.errors_are_scaled)
        return y_BHNF, torch.zeros_like(valid) if batch.padding else valid

    def _truth(self, batch: WindowBatch, scaled: bool) -> tuple[Tensor, Tensor]:
        setup = self._setup
        raw_BHNF = setup.target(batch.y_BHNF)
        y_BHNF = raw_BHNF.to(setup.dtype)
        y_BHNF = torch.nan_to_num(setup.scaler.scale(y_BHNF) if scaled else y_BHNF, nan=0.0)
        return y_BHNF, valid_entries(raw_BHNF, setup.store.null_value)

    def forecast(self, batch: WindowBatch, model: nn.Module | None = None, step: int = 0) -> Tensor:
        """Forecast a batch: [B, H, N, F]. With a `model` (the run's own, wrapped) it is for training, at `step`."""
        setup, target_BHNF = self._setup, None
        if model is not None:
            # As in the input, a missing value that is NaN stands for the mean where a decoder is fed with it.
            target_BHNF, _ = self._truth(batch, scaled=True)
        bf16 = setup.training.precision == "bfloat16"
        with torch.autocast(setup.device.type, torch.bfloat16, enabled=bf16):
            calendars = batch.x_calendar_BLK, batch.y_calendar_BHK
            known = Known(*calendars, self._edges(batch), target_BHNF, step)
            forecast = (model or setup.model)(setup.model_input(batch), known)
        forecast = forecast.to(setup.dtype)
        return forecast if setup.errors_are_scaled else setup.scaler.unscale(forecast)

    def _edges(self, batch: WindowBatch) -> WindowEdges | None:
        """Those that the model asks for, where the graph changes with time."""
        if self._setup.model.reads_past_edges:
            return batch.x_edges
        return batch.last_edges if self._setup.model.reads_edges else None

    def of(self, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        """The starts [B] and forecasts [B, H, N, F] of this worker's windows of a split, in time order."""
        self._setup.model.eval()
        with torch.inference_mode():
            for batch in self._batches(split):
                yield batch.start, self.forecast(batch)

    def scaled(self, split: str) -> Iterator[ScaledWindows]:
        """This worker's windows of a split, each once, as a model is fitted on them."""
        for batch in self._batches(split):
            yield self._setup.model_input(batch), *self._truth(batch, scaled=True)

    def evaluate(self, split: str) -> ErrorSums:
        """Exact error sums over every window of a split, of all workers: each window once, none padded."""
        setup = self._setup
        sums = ErrorSums.zeros(setup.windows.horizon, setup.device)
        setup.model.eval()
        with torch.inference_mode():
            for batch in self._batches(split):
                sums.add(self.forecast(batch), *self.target(batch))
        return sums.over(setup.world)

    def _batches(self, split: str) -> Iterator[WindowBatch]:
        """This worker's batches of a split in time order; who has fewer than others waits with them at the end."""
        loader = self._setup.loaders[split]
        for batch in loader.in_time_order():
            yield batch
            heartbeat.progress()
            self._between()
        for _ in range(loader.evaluation_rounds() - len(loader.evaluation_ranges())):
            self._between()
