"""Whether a run's dataset, model and task go together, so far as their declarations tell before anything is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stgnn.catalog import Dataset
from stgnn.classes import declares
from stgnn.errors import InputError


def check_compatible(run: Mapping[str, Any], dataset: Dataset, path: Path) -> None:
    """Raise `InputError`, naming the pipeline at `path`, where a run cannot be trained on its dataset."""
    model, task = run["model"], run["task"]
    no_dates = f"dataset '{dataset.name}' has no dates"
    if not dataset.has_static_graph:
        problem = f"datasets: the graph of '{dataset.name}' changes over time, which no forecasting model can use yet"
        raise InputError(path, problem, "choose a dataset with one graph")
    if task["calendar"] and not dataset.may_have_dates:
        problem = f"task.calendar: {task['calendar']} asked for, but {no_dates}"
        raise InputError(path, problem, "use [], or give the dataset a `start`")
    if declares(model["class"], "needs_dates") and not dataset.may_have_dates:
        problem = f"models: '{model['name']}' needs the time of each entry, but {no_dates}"
        raise InputError(path, problem, "give the dataset a `start`, or exclude the model there")
    if declares(model["class"], "needs_equal_lengths") and task["input_len"] != task["horizon"]:
        lengths = f"input_len is {task['input_len']} and horizon {task['horizon']}"
        problem = f"task: {lengths} on '{dataset.name}', but '{model['name']}' needs them equal"
        raise InputError(path, problem, "make them equal, in `task` or in an override for that model")
