"""Whether a run's settings go together, so far as they and the dataset's declaration tell before anything is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stgnn.catalog import Dataset, require_whole
from stgnn.classes import declares, worked_out
from stgnn.errors import InputError
from stgnn.runs import USUAL_REGIME
from stgnn.tasks import stream_protocol

EVENT_TASK = ("predict", "negatives", "encoder")
LOSSES = {"masked-mae": False, "masked-mse": False, "bce": True}  # for events?
FOR_ONE_WORKER = ("materialised", "index")


def check_compatible(run: Mapping[str, Any], dataset: Dataset, path: Path) -> None:
    """Raise `InputError`, naming the pipeline at `path`, where a run cannot be trained as it is declared."""
    _check_kind(run, dataset, path)
    _check_model(run["model"], path)
    if dataset.kind == "events":
        check_event_run(run, path)
        return
    require_whole(run["task"]["split"], path, "task.split")
    _check_dataset(run, dataset, path)
    _check_lengths(run, path)
    _check_scaling(run, path)
    _check_validation(run, path)
    _check_workers(run, path)
    if run["regime"] != USUAL_REGIME:
        _check_regime(run, path)


def _check_kind(run: Mapping[str, Any], dataset: Dataset, path: Path) -> None:
    """Raise `InputError` where model, batching or task are not for this kind of data: a signal or an event stream."""
    model, events = run["model"], dataset.kind == "events"
    data = f"'{dataset.name}' is {'an event stream' if events else 'a signal'}"
    if declares(model["class"], "on_events") != events:
        kind = "signals" if events else "event streams"
        raise InputError(path, f"models: '{model['name']}' is for {kind}, but {data}", "exclude it there")
    if (stream_protocol(run["batching"]) is not None) != events:
        todo = "use strict-time-b200 or the like" if events else "use index or the like"
        raise InputError(path, f"batching: '{run['batching']}', but {data}", f"{todo}, or exclude it there")
    for key in run["task"]:
        if (key in EVENT_TASK) != events:
            raise InputError(path, f"task.{key}: says nothing, since {data}", "remove it")
    losses = [loss for loss, of_events in LOSSES.items() if of_events == events]
    if run["training"]["loss"] not in losses:
        problem = f"training.loss: '{run['training']['loss']}', but {data}"
        raise InputError(path, problem, f"use {' or '.join(losses)}")


def _check_model(model: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` where a model's settings contradict each other."""
    found = worked_out(model["class"], "contradiction", model["settings"])
    if isinstance(found, tuple) and len(found) == 3:
        setting, problem, todo = found
        raise InputError(path, f"{model['name']}.{setting}: {problem}", todo)


def check_event_run(run: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` where a run on an event stream asks for what there is not."""
    training, protocol = run["training"], stream_protocol(run["batching"])
    if protocol is None or training["batch_size"] != protocol.batch_size:
        problem = f"training.batch_size: {training['batch_size']}, but batching: '{run['batching']}'"
        raise InputError(path, problem, "make them agree")
    if LOSSES.get(training["loss"]) is not True:
        raise InputError(path, f"training.loss: '{training['loss']}' is for signals", "use bce")
    if run["workers"] > 1 or run["launcher"] != "none":
        raise InputError(path, "workers: an event stream is gone through in order, by one worker", "use [1]")
    if run["regime"] != USUAL_REGIME:
        raise InputError(path, f"regimes: '{run['regime']}' is for signals", f"use {USUAL_REGIME}")
    fixed = {"shuffle": False, "batch_scope": "worker", "learning_rate_scaling": "none", "warmup_epochs": 0}
    for key, only in fixed.items():
        if training[key] != only:
            problem = f"training.{key}: an event stream is gone through in order, by one worker"
            raise InputError(path, problem, f"remove it ({str(only).lower()})")
    if training["max_steps_per_epoch"] is not None:
        problem = "training.max_steps_per_epoch: an event stream is gone through to its end, or memory misses events"
        raise InputError(path, problem, "remove it (null)")
    if training["precision"] == "bfloat16":
        raise InputError(path, "training.precision: bfloat16 is for signals", "use float32 or float64")
    if training["save_predictions"] and "test" not in training["evaluate"]:
        problem = "training.save_predictions: predictions are those of the test events, which are not scored"
        raise InputError(path, problem, "add test to training.evaluate")
    if "train" in training["evaluate"]:
        raise InputError(
            path, "training.evaluate: no negatives are stored for the training events", "remove train"
        )


def _check_dataset(run: Mapping[str, Any], dataset: Dataset, path: Path) -> None:
    """Raise `InputError` where model or task need what the dataset does not have."""
    model, task = run["model"], run["task"]
    no_dates = f"dataset '{dataset.name}' has no dates"
    if task["calendar"] and not dataset.may_have_dates:
        asked = f"{task['calendar']} asked for by the study or '{model['name']}' itself"
        where = f"match: {{dataset: {dataset.name}, model: {model['name']}}}"
        todo = f"give it a `start`, or override: {where}, set: {{task: {{calendar: []}}}}"
        raise InputError(path, f"task.calendar: {asked}, but {no_dates}", todo)
    if declares(model["class"], "needs_dates") and not dataset.may_have_dates:
        problem = f"models: '{model['name']}' needs the time of each entry, but {no_dates}"
        raise InputError(path, problem, "give the dataset a `start`, or exclude the model there")
    if declares(model["class"], "needs_past_target") and not _sees_target(task):
        problem = f"task.inputs: '{model['name']}' needs the past of what it forecasts on '{dataset.name}'"
        raise InputError(path, problem, "list it too, or set inputs: null for that model")


def _check_lengths(run: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` where a model cannot work on windows of these lengths."""
    model, input_len, horizon = run["model"], run["task"]["input_len"], run["task"]["horizon"]
    if declares(model["class"], "needs_equal_lengths") and input_len != horizon:
        lengths = f"input_len is {input_len} and horizon {horizon}"
        problem = f"task: {lengths} on '{run['dataset']}', but '{model['name']}' needs them equal"
        raise InputError(path, problem, "make them equal, in `task` or in an override for that model")
    least = worked_out(model["class"], "least_input_len", model["settings"])
    if least is not None and input_len < least:
        problem = (
            f"task.input_len: {input_len} on '{run['dataset']}', but '{model['name']}' needs at least {least}"
        )
        raise InputError(
            path, problem, "set a longer one, smaller settings of the model, or exclude it there"
        )


def _sees_target(task: Mapping[str, Any]) -> bool:
    inputs, target = task["inputs"], task["target"]
    return inputs is None or (target is not None and set(target) <= set(inputs))


def _check_scaling(run: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` where a setting speaks of statistics that are not taken, or that no worker could take."""
    task = run["task"]
    if task["scaling"] == "none" and task["units"] == "scaled":
        problem = "task.units: 'scaled' are those of task.scaling, which is none"
        raise InputError(path, problem, "use raw, or scaling: feature or node")
    if task["scaling"] == "none" and task["nulls"] == "exclude":
        problem = (
            "task.nulls: 'exclude' says what statistics leave out, but task.scaling is none and takes none"
        )
        raise InputError(path, problem, "remove it, or use scaling: feature or node")
    if task["scaling"] == "node" and run["batching"] == "partitioned-index":
        problem = "task.scaling: 'node' reads all training entries, but with 'partitioned-index' a worker has its part"
        raise InputError(path, problem, "use scaling: feature, or batching: distributed-index")


def _check_validation(run: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` where what is to be validated against is not there."""
    if run["task"]["split"][1] == 0 and run["training"]["patience"] is not None:
        problem = "training.patience: waits for a better validation MAE, but task.split leaves no validation"
        raise InputError(path, problem, "set patience: null, or give validation a share")


def _check_workers(run: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` for a batching or launcher that cannot serve so many workers."""
    batching, workers, launcher = run["batching"], run["workers"], run["launcher"]
    if workers > 1 and batching in FOR_ONE_WORKER:
        other = "distributed-index"
        raise InputError(
            path, f"batching: '{batching}' is for one worker, not {workers}", f"use '{other}' or exclude it"
        )
    if workers > 1 and launcher == "none":
        raise InputError(path, f"launcher: 'none' starts one worker, not {workers}", "use 'auto'")
    if batching == "dask-ddp" and launcher != "dask":
        raise InputError(
            path, f"launcher: '{launcher}', but 'dask-ddp' lives in Dask workers", "use 'dask' or 'auto'"
        )
    training = run["training"]
    if training["warmup_epochs"] and training["learning_rate_scaling"] == "none":
        problem = (
            "training.warmup_epochs: leads up to a scaled learning rate, but learning_rate_scaling is none"
        )
        raise InputError(path, problem, "choose linear or sqrt, or remove it")


def _check_regime(run: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` where a step over one window, or over all of an epoch, leaves no sense to another setting."""
    regime = f"regime '{run['regime']}'"
    if run["batching"] == "partitioned-index":
        problem = f"regimes: {regime} fixes the order of windows, and so does 'partitioned-index'"
        raise InputError(path, problem, "use 'distributed-index' or exclude it")
    if run["regime"] == "incremental" and run["workers"] > 1:
        raise InputError(
            path, f"regimes: {regime} has one window a step, too few for {run['workers']} workers", ""
        )
    if run["training"]["learning_rate_scaling"] != "none":
        problem = f"training.learning_rate_scaling: {regime} has steps of its own size"
        raise InputError(path, problem, "use 'none'")
