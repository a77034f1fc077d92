"""What the catalogue says of a signal: its attributes, its entries' times where the files carry no dates.

Axes: T entries.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import check_increasing

if TYPE_CHECKING:
    from stgnn.catalog import Dataset


def described(dataset: Dataset, **attributes: Any) -> dict[str, Any]:
    """Return what a store says of its signal: the catalogue's words, then the reader's `attributes`."""
    return {
        "dataset": dataset.name,
        "title": dataset.title,
        "reader": dataset.reader,
        "files": [file.name for file in dataset.files],
        "units": dataset.units,
        "frequency": dataset.frequency,
    } | attributes


def times_without_dates(dataset: Dataset, length: int) -> NDArray[Any]:
    """Return `[T]` times from the catalogue's start and frequency, or entry numbers where it has no start."""
    if dataset.start is None:
        return np.arange(length, dtype=np.int64)
    try:
        start = np.datetime64(dataset.start, "ns")
    except ValueError as error:
        raise InputError(
            f"dataset {dataset.name}", f"`start: {dataset.start}` is no date", "say e.g. 2012-03-01"
        ) from error
    return np.asarray(start + np.arange(length) * step_of(dataset))


def step_of(dataset: Dataset) -> np.timedelta64:
    """Return the time between entries that the catalogue declares; `InputError` where it declares none."""
    if dataset.frequency is None:
        raise InputError(
            f"dataset {dataset.name}", "`frequency` is missing", "say the time between entries, e.g. 5min"
        )
    try:
        step = pd.to_timedelta(dataset.frequency)
    except ValueError as error:
        raise InputError(
            f"dataset {dataset.name}",
            f"`frequency: {dataset.frequency}` is no length of time",
            "say e.g. 5min, 1h, 7D",
        ) from error
    return np.timedelta64(step.value, "ns")


def check_times(dataset: Dataset, path: Path, key: str, time_T: NDArray[Any]) -> int:
    """Check times read from a file: increasing, and a declared frequency apart; return the number of gaps.

    A gap is a pair of neighbours further apart than the frequency (the hour that summer time skips); the field
    keeps such entries side by side, and so do we, but the store says how many there are.
    """
    check_increasing(path, key, time_T)
    if dataset.frequency is None or len(time_T) < 2 or not np.issubdtype(time_T.dtype, np.datetime64):
        return 0
    steps = np.diff(time_T)
    usual = np.sort(steps)[len(steps) // 2]
    if usual != step_of(dataset):
        raise InputError(
            path,
            f"{key}: entries are {pd.Timedelta(usual)} apart, but the catalogue says {dataset.frequency}",
            f"correct `frequency` of dataset {dataset.name}",
        )
    return int(np.count_nonzero(steps != usual))
