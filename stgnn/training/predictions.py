"""Forecasts of a run's test windows as a Zarr store, on request.

Axes: S test windows, H horizon, N graph nodes, F features.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from torch import Tensor

from stgnn.training.setup import Setup


def write_predictions(path: Path, setup: Setup, forecasts: Iterator[tuple[Tensor, Tensor]]) -> None:
    """Write forecasts [S, H, N, F] in the task's units, batch by batch, whole or not at all.

    Each worker writes its own windows, in chunks of their own. `time` is when each window's first
    forecast entry is; `xarray.open_zarr` reads the store.
    """
    world = setup.world
    partial = path.with_name(f".{path.name}.partial")
    if world.is_first:
        shutil.rmtree(partial, ignore_errors=True)
        _create(partial, setup)
    world.wait_for_all()
    _write(partial, setup, forecasts)
    world.wait_for_all()
    if world.is_first:
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)


def _create(folder: Path, setup: Setup) -> None:
    store, windows = setup.store, setup.windows
    features = [store.feature[place] for place in setup.features.targets]
    sizes = (store.shape[1], len(features))
    group = zarr.open_group(folder, mode="w")
    batches = setup.loaders["test"].evaluation_ranges()
    group.create_array(
        "forecast",
        shape=(len(windows.test), windows.horizon, *sizes),
        chunks=(len(batches[0]), windows.horizon, *sizes),
        dtype="float32",
        dimension_names=("time", "step", "node", "feature"),
        attributes={"units": setup.units},
    )
    first = np.arange(windows.test.start, windows.test.stop) + windows.input_len
    coordinates = {
        "time": ("time", store.time[first]),
        "step": ("step", np.arange(1, windows.horizon + 1)),
        "node": ("node", np.array(store.node, dtype=object)),
        "feature": ("feature", np.array(features, dtype=object)),
    }
    xr.Dataset(coords=coordinates).to_zarr(folder, mode="a", zarr_format=3, consolidated=False)


def _write(folder: Path, setup: Setup, forecasts: Iterator[tuple[Tensor, Tensor]]) -> None:
    array = zarr.open_array(folder / "forecast", mode="r+")
    first = setup.windows.test.start
    for (_, forecast_BHNF), starts in zip(forecasts, setup.loaders["test"].evaluation_ranges(), strict=True):
        array[starts.start - first : starts.stop - first] = forecast_BHNF.float().cpu().numpy()
