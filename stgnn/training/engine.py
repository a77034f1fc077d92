"""The training engine: a resolved run in, result files out.

Read it top to bottom: `train_run` is a run's whole life, `fit` the loop over epochs, `train_epoch`
the loop over steps. What is trained, and how it is scored, is a `Task`'s business. One worker or many:
each runs this same code on its share of every batch, and `World` adds up what all must know; the first
one writes the files.
"""

import copy
import importlib
import logging
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stgnn.distributed import heartbeat
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.files import locked, remove_partials
from stgnn.tasks import PREDICTED, predicted
from stgnn.training.allocator import keep_freed_memory
from stgnn.training.checkpoint import (
    Checkpoint,
    Progress,
    load_checkpoint,
    restore_rng,
    rng_state,
    save_checkpoint,
)
from stgnn.training.epochs import note_epoch, require_finite, say_epoch
from stgnn.training.monitor import Memory, Monitor
from stgnn.training.optimiser import learning_rate, make_optimiser
from stgnn.training.options import choose_device
from stgnn.training.pauses import Pauses
from stgnn.training.results import write_results
from stgnn.training.stop import Stopped, StopRequest
from stgnn.training.task import Task

log = logging.getLogger(__name__)


def train_run(settings: Mapping[str, Any], store: Path, folder: Path, code: str = "") -> None:
    """Train the run that `settings` declares on `store`, in this process; leave its result files in `folder`.

    A checkpoint there that belongs to this run (same settings, store and `code` fingerprint) is
    gone on from, and the result files then equal those of a run that was never interrupted.
    Raises `Stopped` after saving when a signal asks for it, `InputError` for unusable settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock", "trains this run"):
        remove_partials(folder)
        train_worker(settings, store, folder, code, World(device=choose_device(settings["device"])))


def train_worker(settings: Mapping[str, Any], store: Path, folder: Path, code: str, world: World) -> None:
    """Be one worker of the run: `train_run` without its lock, which whoever starts the workers holds."""
    keep_freed_memory()
    record = folder / "system_stats.csv" if world.is_first else None
    with StopRequest() as stop, Monitor(record, world.device) as monitor:
        started = time.perf_counter()
        task = make_task(settings, store, folder, world)
        preprocessing = time.perf_counter() - started
        run = Run(task, folder / "checkpoint.pt", task.identity(code), stop, monitor)
        run.resume()
        run.fit()
        evaluating = time.perf_counter()
        scores = task.evaluate(task.training.evaluate)
        if task.training.save_predictions:
            task.write_predictions(folder)
        evaluation = time.perf_counter() - evaluating
        peaks = run.peaks()
    if world.is_first:
        total = preprocessing + run.progress.training_seconds + evaluation
        write_results(folder, task, run.progress, scores, peaks, preprocessing, total)
    world.wait_for_all()  # no worker is gone before the results are there


def make_task(settings: Mapping[str, Any], store: Path, folder: Path, world: World) -> Task:
    """The task of the run that `folder` is for, ready for its first step. Raises `InputError` for unusable settings."""
    module = importlib.import_module(PREDICTED[predicted(settings)].module)
    task: Task = module.prepare(settings, store, folder, world)
    return task


class Run:
    """One run under way: its weights, optimiser and progress."""

    def __init__(
        self, task: Task, checkpoint: Path, identity: dict[str, str], stop: StopRequest, monitor: Monitor
    ) -> None:
        self.task, self.model, self.training = task, task.model, task.training
        self.task.between = self._between_batches
        self.progress = Progress()
        self._world, self._checkpoint, self._identity = task.world, checkpoint, identity
        self._pauses, self._monitor = Pauses(task.world, stop), monitor
        self._best_model, self._best_state = copy.deepcopy(self.model.state_dict()), task.state()
        self._optimiser = make_optimiser(self.model, self.training)
        self._trained = task.world.wrap(self.model)

    # -- the loop ---------------------------------------------------------------------------------

    def fit(self) -> None:
        """Train to the last epoch or until validation stops improving; take the best weights, else the last."""
        if not self.task.learns:
            self._fit_directly()
        while not self.progress.finished:
            self._train_epoch()
            started = time.perf_counter()
            validation = self.task.validate()
            self.progress.epoch_seconds += time.perf_counter() - started
            self._finish_epoch(validation)
        self.model.load_state_dict(self._best_model)
        self.task.restore(self._best_state)

    def _train_epoch(self) -> None:
        tally = self._tally()
        self.model.train()
        marked = time.perf_counter()
        for batch in self._batches():
            tally += self._step(batch)
            self.progress.batch += 1
            if self._pauses.due():
                marked = self._record_tally(tally, marked)
                self._save()
        self._record_tally(tally, marked)

    def _step(self, batch: Any) -> Tensor:
        """One optimiser step; returns what it adds to the tally."""
        loss, tally = self.task.loss(batch, self._trained, self.progress.step)
        self._descend(loss)
        return tally

    def _descend(self, loss: Tensor) -> None:
        self._set_learning_rate()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._world.count_step()
        if self.training.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.training.clip_norm)
        self._optimiser.step()
        self.progress.step += 1
        heartbeat.progress(self.progress.step)

    def _batches(self) -> Iterator[Any]:
        progress, steps = self.progress, self._steps_per_epoch()
        name, hidden = f"epoch {progress.epoch + 1}", None if self._world.is_first else True
        bar = tqdm(total=steps, initial=progress.batch, desc=name, unit="step", leave=False, disable=hidden)
        with bar:
            for batch in self.task.batches(progress.epoch, progress.batch, steps):
                yield batch
                bar.update()

    def _steps_per_epoch(self) -> int:
        steps = self.task.steps_per_epoch()
        return min(steps, self.training.max_steps_per_epoch or steps)

    def _set_learning_rate(self) -> None:
        passed = self.progress.batch / self._steps_per_epoch()
        rate = learning_rate(self.training, self._world.size, self.progress.epoch, passed)
        for group in self._optimiser.param_groups:
            group["lr"] = rate

    def _tally(self) -> Tensor:
        """This worker's sums over the epoch: the training score's sum, what to divide it by, samples.

        Kept on the device: asking for the numbers at each step would make it wait.
        """
        kept = self.progress.tallies
        start = kept[self._world.rank] if kept else [0.0, 0.0, 0.0]
        return torch.tensor(start, dtype=torch.float64, device=self.task.device)

    def _record_tally(self, tally: Tensor, marked: float) -> float:
        """Bring every worker's sums and the clocks into `progress`; return the new mark."""
        progress = self.progress
        progress.tallies = self._world.gather(tally.cpu()).tolist()
        self._record_exchanged()
        now = time.perf_counter()
        progress.epoch_seconds += now - marked
        progress.step_seconds += now - marked
        return now

    def _record_exchanged(self) -> None:
        """Bring into `progress` what the workers have received from each other since this was last called."""
        rows = self._world.gather(torch.tensor(self._world.take_exchanged(), dtype=torch.float64))
        before = torch.tensor(self.progress.exchanged, dtype=torch.float64)
        self.progress.exchanged = (before + rows.sum(0)).tolist()

    def _finish_epoch(self, validation: float) -> None:
        """Record the epoch, keep the weights if they are the best yet, save, and decide whether to go on."""
        progress, training = self.progress, self.training
        self._record_exchanged()
        total, count, samples = (math.fsum(sums) for sums in zip(*progress.tallies, strict=True))
        train, validated = total / max(count, 1.0), self.task.validates()
        progress.epoch += 1
        require_finite(progress.epoch, train, validation if validated else 0.0, self.task.predicted)
        self._note_epoch(progress.epoch_seconds, train, validation, self._optimiser.param_groups[0]["lr"])
        if not validated or self.task.predicted.improves(validation, progress.best):
            progress.best, progress.best_epoch = validation, progress.epoch
            self._best_model = copy.deepcopy(self.model.state_dict())
            self._best_state = self.task.state()
        waited = progress.epoch - progress.best_epoch
        progress.training_seconds += progress.epoch_seconds
        progress.samples_seen += int(samples)
        progress.batch, progress.tallies, progress.epoch_seconds = 0, [], 0.0
        out_of_patience = training.patience is not None and waited >= training.patience
        progress.finished = progress.epoch >= training.epochs or out_of_patience
        self._pauses.look_at_epoch_end()
        self._save()

    def _note_epoch(self, seconds: float, train: float, validation: float, rate: float) -> None:
        note_epoch(self.progress, seconds, train, validation, rate, self.task.predicted)
        if self._world.is_first:
            say_epoch(self.progress, self.training.epochs, self.task.predicted)

    def _fit_directly(self) -> None:
        """Fit a model that needs no gradients."""
        if self.progress.finished:
            return
        started, progress = time.perf_counter(), self.progress
        train = self.task.fit()
        self._best_model, self._best_state = self.model.state_dict(), self.task.state()
        progress.training_seconds = time.perf_counter() - started
        progress.best = self.task.validate()
        progress.epoch = progress.best_epoch = 1
        self._note_epoch(time.perf_counter() - started, train, progress.best, 0.0)
        self._record_exchanged()
        progress.finished = True
        self._save()

    # -- checkpoints ------------------------------------------------------------------------------

    def resume(self) -> None:
        """Go on from the run's checkpoint, if there is one. Raises `InputError` where workers see different ones."""
        found = load_checkpoint(self._checkpoint, self._identity, self.task.device)
        seen = torch.tensor([-1, -1] if found is None else [found.progress.epoch, found.progress.batch])
        if len(self._world.gather(seen).unique(dim=0)) > 1:
            raise InputError(
                self._checkpoint,
                "is not the same for all workers",
                "put the results where every compute node sees them",
            )
        if found is not None:
            self._restore(found)
            self._world.take_exchanged()  # by setting up, which the first attempt has counted
        self.progress.hosts = self._world.hosts()

    def _restore(self, found: Checkpoint) -> None:
        self.progress = found.progress
        self.model.load_state_dict(found.model)
        self._best_model, self._best_state = found.best_model, found.best_state
        self._optimiser.load_state_dict(found.optimiser)
        self.task.restore(found.task)
        restore_rng(found.rng, self.task.device)
        if self._world.is_first:
            log.info("resumed at epoch %d, batch %d", self.progress.epoch + 1, self.progress.batch)

    def peaks(self) -> list[Memory]:
        """The most memory that each worker used in any attempt at this run, by rank."""
        kept = self.progress.peaks
        peak = Memory(*kept[self._world.rank]) if kept else Memory()
        peak.raise_to(self._monitor.peak_now())
        rows = self._world.gather(torch.tensor(list(peak.as_dict().values()), dtype=torch.float64))
        return [Memory(*row) for row in rows.tolist()]

    def _save(self) -> None:
        self.progress.peaks = [list(peak.as_dict().values()) for peak in self.peaks()]
        if self._world.is_first:
            save_checkpoint(
                self._checkpoint,
                Checkpoint(
                    self._identity,
                    self.progress,
                    self.model.state_dict(),
                    self._best_model,
                    self._best_state,
                    self._optimiser.state_dict(),
                    rng_state(self.task.device),
                    self.task.state(),
                ),
            )
        self._pauses.saved()
        self._leave_if_asked()

    def _between_batches(self) -> None:
        """Save or stop in the midst of an evaluation as between two steps; it changes nothing and is begun anew."""
        if not self._pauses.due():
            return
        if self.progress.finished:  # the checkpoint says all, and the model has become the best one
            self._leave_if_asked()
        else:
            self._save()

    def _leave_if_asked(self) -> None:
        if not self._pauses.stopping:
            return
        self._world.wait_for_all()  # nobody leaves before the checkpoint is there
        progress = self.progress
        where = "after training" if progress.finished else f"in epoch {progress.epoch + 1}"
        raise Stopped(f"stopped {where}; the same command goes on from here")
