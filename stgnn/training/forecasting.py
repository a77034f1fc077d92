"""The task of forecasting a signal's next entries: steps over batches of windows, errors of each split.

Axes: B batch, H horizon, N graph nodes, F features.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stgnn.data.placements import WindowBatch
from stgnn.distributed.world import World
from stgnn.models.base import FittedForecaster, FittedOnRows, FittedOnWindows
from stgnn.training.forecast import Forecasts
from stgnn.training.metrics import LOSSES
from stgnn.training.predictions import write_predictions
from stgnn.training.setup import Setup
from stgnn.training.setup import prepare as set_up
from stgnn.training.task import Task


def prepare(settings: Mapping[str, Any], store: Path, folder: Path, world: World) -> "Forecasting":
    """The task that a resolved run on a signal store declares."""
    return Forecasting(set_up(settings, store, world))


class Forecasting(Task):
    """Windows of past entries in, the entries that follow out, scored where they are not missing."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.settings, setup.training, setup.world, setup.model, setup.store.digest)
        self.setup = setup
        self.forecasts = Forecasts(setup, between=lambda: self.between())
        self._loss = LOSSES[setup.training.loss]

    @property
    def learns(self) -> bool:
        """Whether the forecaster has weights to train."""
        return not isinstance(self.model, FittedForecaster)

    def fit(self) -> float:
        """Fit a model that needs no gradients, in one pass over the training rows; return the training MAE."""
        setup, model = self.setup, self.model
        if isinstance(model, FittedOnWindows):
            model.fit(self.forecasts.scaled("train"), self.world.add_up)
        else:
            assert isinstance(model, FittedOnRows)
            rows = setup.windows.train_entries
            model.fit(setup.target_rows, setup.store.calendar, rows, setup.scaler, setup.store.null_value)
        return self.forecasts.evaluate("train").mae()

    def steps_per_epoch(self) -> int:
        """Batches of all training windows."""
        return len(self.setup.loaders["train"])

    def batches(self, epoch: int, first: int, steps: int) -> Iterator[WindowBatch]:
        """This worker's shares of the epoch's batches."""
        return self.setup.loaders["train"].epoch(epoch, first, steps)

    def loss(self, batch: WindowBatch, trained: nn.Module, step: int) -> tuple[Tensor, Tensor]:
        """The loss of a batch, that of the whole batch over all workers; sum of absolute errors, entries, windows."""
        y, valid = self.forecasts.target(batch)
        count = valid.sum()
        # The sum over the workers is under way while the model computes.
        everywhere = self.world.start_adding(count.double())
        prediction = self.forecasts.forecast(batch, trained, step)
        mean_count = (everywhere.result() / self.world.size).to(self.setup.dtype)
        loss = self._loss(prediction, y, valid, mean_count)
        error = torch.where(valid, (prediction.detach() - y).abs(), 0.0).sum(dtype=torch.float64)
        windows = torch.full_like(error, 0 if batch.padding else len(batch))
        return loss, torch.stack([error, count.double(), windows])

    def validates(self) -> bool:
        """Whether the split leaves windows to validate on."""
        return len(self.setup.windows.validation) > 0

    def validate(self) -> float:
        """The MAE of the validation windows."""
        return self.forecasts.evaluate("validation").mae()

    def evaluate(self, splits: Iterable[str]) -> dict[str, Any]:
        """MAE, MSE, RMSE and MAPE of each split, pooled and by forecast step."""
        return {split: self.forecasts.evaluate(split).summary() for split in splits}

    def write_predictions(self, folder: Path) -> None:
        """Write the forecasts of the test windows."""
        write_predictions(folder / "predictions.zarr", self.setup, self.forecasts.of("test"))

    @property
    def facts(self) -> dict[str, Any]:
        """Which raw value is a missing one, and the units of the errors."""
        null = self.setup.store.null_value
        return {
            "null_value": "nan" if null is not None and math.isnan(null) else null,
            "units": self.setup.units,
        }

    @property
    def sizes(self) -> dict[str, float]:
        """MB (float32) of the signal, and of all its windows were they copied out of it. Sizes of the input."""
        store, windows = self.setup.store, self.setup.windows
        counts = (len(part) for part in (windows.train, windows.validation, windows.test))
        signal, entries = store.nbytes / 2**20, sum(counts) * windows.length
        graphs = 1 if store.edge_ptr is None else store.shape[0]
        return {
            "signal_mb": signal,
            "windows_mb": signal * entries / store.shape[0],
            "graph_nodes": store.shape[1],
            "edges_per_node": len(store.edge_weight) / graphs / store.shape[1],
            "node_inputs": windows.input_len * self.setup.model_input.num_channels,
        }
