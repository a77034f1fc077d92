"""The training engine: a resolved run in, result files out.

Read it top to bottom: `train_run` is a run's whole life, `fit` the loop over epochs, `train_epoch`
the loop over steps, `evaluate` a pass over one split.

Axes: B batch, H horizon, N graph nodes, F features.
"""

import copy
import logging
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stgnn.data.placements import WindowBatch
from stgnn.errors import InputError
from stgnn.files import locked
from stgnn.models.base import FittedForecaster
from stgnn.training.checkpoint import (
    Checkpoint,
    Progress,
    load_checkpoint,
    restore_rng,
    rng_state,
    save_checkpoint,
)
from stgnn.training.metrics import LOSSES, ErrorSums, valid_entries
from stgnn.training.monitor import Memory, Monitor
from stgnn.training.predictions import write_predictions
from stgnn.training.results import write_results
from stgnn.training.setup import Setup, choose_device, prepare
from stgnn.training.stop import Stopped, StopRequest

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 600.0  # at most this much work is lost to a kill without warning


def train_run(settings: Mapping[str, Any], store: Path, folder: Path, code: str = "") -> None:
    """Train the run that `settings` declares on `store`; leave its result files in `folder`.

    A checkpoint there that belongs to this run (same settings, store and `code` fingerprint) is
    gone on from, and the result files then equal those of a run that was never interrupted.
    Raises `Stopped` after saving when a signal asks for it, `InputError` for unusable settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        locked(folder / ".lock", "trains this run"),
        StopRequest() as stop,
        Monitor(folder / "system_stats.csv", choose_device(settings["device"])) as monitor,
    ):
        started = time.perf_counter()
        setup = prepare(settings, store)
        preprocessing = time.perf_counter() - started
        run = Run(setup, folder / "checkpoint.pt", setup.identity(code), stop, monitor)
        run.resume()
        run.fit()
        evaluating = time.perf_counter()
        scores = {split: run.evaluate(split).summary() for split in setup.training.evaluate}
        if setup.training.save_predictions:
            write_predictions(folder / "predictions.zarr", setup, run.forecasts("test"))
        evaluation = time.perf_counter() - evaluating
        peak = run.peak()
    total = preprocessing + run.progress.training_seconds + evaluation
    write_results(folder, setup, run.progress, scores, peak, preprocessing, total)


class Run:
    """One run under way: its weights, optimiser and progress."""

    def __init__(
        self, setup: Setup, checkpoint: Path, identity: dict[str, str], stop: StopRequest, monitor: Monitor
    ) -> None:
        self.setup, self.model, self.training = setup, setup.model, setup.training
        self.progress = Progress()
        self._checkpoint, self._identity, self._stop, self._monitor = checkpoint, identity, stop, monitor
        self._best_model = copy.deepcopy(self.model.state_dict())
        self._optimiser = make_optimiser(self.model, setup)
        self._loss = LOSSES[self.training.loss]
        self._saved_at = time.perf_counter()

    # -- the loop ---------------------------------------------------------------------------------

    def fit(self) -> None:
        """Train until the last epoch or until validation stops improving, then load the best weights."""
        if isinstance(self.model, FittedForecaster):
            self._fit_directly(self.model)
        while not self.progress.finished:
            self._train_epoch()
            started = time.perf_counter()
            validation_mae = self.evaluate("validation").mae()
            self.progress.epoch_seconds += time.perf_counter() - started
            self._finish_epoch(validation_mae)
        self.model.load_state_dict(self._best_model)

    def _train_epoch(self) -> None:
        progress, device = self.progress, self.setup.device
        error = torch.full((), progress.epoch_error, dtype=torch.float64, device=device)
        count = torch.full((), progress.epoch_count, dtype=torch.float64, device=device)
        self._set_learning_rate()
        self.model.train()
        marked = time.perf_counter()
        for batch in self._batches():
            prediction, y, valid = self._forecast(batch, training=True)
            self._step(self._loss(prediction, y, valid))
            # Kept on the device: asking for the numbers at each step would make it wait.
            error += torch.where(valid, (prediction.detach() - y).abs(), 0.0).sum(dtype=torch.float64)
            count += valid.sum()
            progress.batch += 1
            progress.windows_seen += len(batch)
            if self._stop or self._checkpoint_due():
                marked = self._tally(error, count, marked)
                self._save()
        self._tally(error, count, marked)

    def _tally(self, error: Tensor, count: Tensor, marked: float) -> float:
        """Bring the epoch's sums and clocks into `progress`; return the new mark."""
        progress, now = self.progress, time.perf_counter()
        progress.epoch_error, progress.epoch_count = float(error), float(count)
        progress.epoch_seconds += now - marked
        progress.step_seconds += now - marked
        return now

    def _batches(self) -> Iterator[WindowBatch]:
        progress, loader = self.progress, self.setup.loaders["train"]
        limit = min(len(loader), self.training.max_steps_per_epoch or len(loader))
        name = f"epoch {progress.epoch + 1}"
        with tqdm(
            total=limit, initial=progress.batch, desc=name, unit="step", leave=False, disable=None
        ) as bar:
            for batch in loader.epoch(progress.epoch, progress.batch, limit):
                yield batch
                bar.update()

    def _step(self, loss: Tensor) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.training.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.training.clip_norm)
        self._optimiser.step()
        self.progress.step += 1

    def _set_learning_rate(self) -> None:
        training = self.training
        passed = bisect_right(training.milestones, self.progress.epoch)
        for group in self._optimiser.param_groups:
            group["lr"] = training.learning_rate * training.gamma**passed

    def _finish_epoch(self, validation_mae: float) -> None:
        """Record the epoch, keep the weights if they are the best yet, save, and decide whether to go on."""
        progress, training = self.progress, self.training
        train_mae = progress.epoch_error / max(progress.epoch_count, 1.0)
        if not math.isfinite(train_mae):
            raise InputError(
                "training",
                f"the loss became {train_mae} in epoch {progress.epoch + 1}",
                "lower learning_rate",
            )
        if not math.isfinite(validation_mae):
            raise InputError(
                "training",
                f"the validation MAE is {validation_mae} in epoch {progress.epoch + 1}",
                "check that the validation split has values that are not missing",
            )
        progress.epoch += 1
        rate = self._optimiser.param_groups[0]["lr"]
        self._record(progress.epoch_seconds, train_mae, validation_mae, rate)
        if validation_mae < progress.best_mae:
            progress.best_mae, progress.best_epoch = validation_mae, progress.epoch
            self._best_model = copy.deepcopy(self.model.state_dict())
        waited = progress.epoch - progress.best_epoch
        progress.training_seconds += progress.epoch_seconds
        progress.batch, progress.epoch_error, progress.epoch_count, progress.epoch_seconds = 0, 0.0, 0.0, 0.0
        out_of_patience = training.patience is not None and waited >= training.patience
        progress.finished = progress.epoch >= training.epochs or out_of_patience
        self._save()

    def _record(self, seconds: float, train_mae: float, validation_mae: float, rate: float) -> None:
        progress = self.progress
        progress.history.append(
            {
                "epoch": progress.epoch,
                "runtime": seconds,
                "t_mae": train_mae,
                "v_mae": validation_mae,
                "learning_rate": rate,
            }
        )
        log.info(
            "epoch %d/%d  train MAE %.4f  validation MAE %.4f  %.1f s",
            progress.epoch,
            self.training.epochs,
            train_mae,
            validation_mae,
            seconds,
        )

    def _fit_directly(self, model: FittedForecaster) -> None:
        """Fit a model that needs no gradients, in one pass over the training rows."""
        if self.progress.finished:
            return
        started, setup = time.perf_counter(), self.setup
        rows = range(setup.windows.train.start, setup.windows.train.stop + setup.windows.input_len - 1)
        model.fit(setup.store.rows, setup.store.calendar, rows, setup.scaler, setup.store.null_value)
        self._best_model = model.state_dict()
        progress = self.progress
        progress.training_seconds = time.perf_counter() - started
        progress.epoch = progress.best_epoch = 1
        train_mae, progress.best_mae = self.evaluate("train").mae(), self.evaluate("validation").mae()
        self._record(progress.training_seconds, train_mae, progress.best_mae, 0.0)
        progress.finished = True
        self._save()

    # -- forecasts --------------------------------------------------------------------------------

    def _forecast(self, batch: WindowBatch, training: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Forecast a batch: prediction and target [B, H, N, F] in raw units, and which targets count."""
        setup = self.setup
        valid = valid_entries(batch.y_BHNF, setup.store.null_value)
        y = batch.y_BHNF.to(setup.dtype)
        # As in the input, a missing value that is NaN stands for the mean where a decoder is fed with it.
        target = torch.nan_to_num(setup.scaler.scale(y), nan=0.0) if training else None
        y = torch.nan_to_num(y, nan=0.0)
        bf16 = self.training.precision == "bfloat16"
        with torch.autocast(setup.device.type, torch.bfloat16, enabled=bf16):
            forecast = self.model(
                setup.model_input(batch),
                calendar_BHK=batch.y_calendar_BHK,
                target_BHNF=target,
                step=self.progress.step,
            )
        return setup.scaler.unscale(forecast.to(setup.dtype)), y, valid

    def forecasts(self, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        """The starts [B] and forecasts [B, H, N, F] of a split's windows, raw units, in time order."""
        self.model.eval()
        with torch.inference_mode():
            loader = self.setup.loaders[split]
            for batch in loader.in_time_order():
                yield batch.start, self._forecast(batch)[0]

    def evaluate(self, split: str) -> ErrorSums:
        """Exact error sums of the model as it is over every window of a split."""
        setup = self.setup
        sums = ErrorSums.zeros(setup.windows.horizon, setup.device)
        self.model.eval()
        loader = setup.loaders[split]
        with torch.inference_mode():
            for batch in loader.in_time_order():
                sums.add(*self._forecast(batch))
        return sums

    # -- checkpoints ------------------------------------------------------------------------------

    def resume(self) -> None:
        """Go on from the run's checkpoint, if there is one."""
        found = load_checkpoint(self._checkpoint, self._identity, self.setup.device)
        if found is None:
            return
        self.progress = found.progress
        self.model.load_state_dict(found.model)
        self._best_model = found.best_model
        self._optimiser.load_state_dict(found.optimiser)
        restore_rng(found.rng, self.setup.device)
        log.info("resumed at epoch %d, batch %d", self.progress.epoch + 1, self.progress.batch)

    def peak(self) -> Memory:
        """The most memory that any attempt at this run used."""
        peak = Memory(**self.progress.peak)
        peak.raise_to(self._monitor.peak_now())
        return peak

    def _save(self) -> None:
        self.progress.peak = self.peak().as_dict()
        save_checkpoint(
            self._checkpoint,
            Checkpoint(
                self._identity,
                self.progress,
                self.model.state_dict(),
                self._best_model,
                self._optimiser.state_dict(),
                rng_state(self.setup.device),
            ),
        )
        self._saved_at = time.perf_counter()
        if self._stop and not self.progress.finished:
            raise Stopped(f"stopped in epoch {self.progress.epoch + 1}; the same command goes on from here")

    def _checkpoint_due(self) -> bool:
        return time.perf_counter() - self._saved_at > CHECKPOINT_SECONDS


def make_optimiser(model: nn.Module, setup: Setup) -> torch.optim.Optimizer:
    """The optimiser that the settings name, over the model's parameters (none for a fitted baseline)."""
    training = setup.training
    parameters = list(model.parameters()) or [nn.Parameter(torch.zeros(0))]
    return OPTIMISERS[training.optimiser](
        parameters, lr=training.learning_rate, eps=training.epsilon, weight_decay=training.weight_decay
    )


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
