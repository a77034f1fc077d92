"""Forecasts of a run's test windows as a Zarr store, on request.

Axes: S test windows, H horizon, N graph nodes, F features.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from torch import Tensor

from stgnn.training.setup import Setup


def write_predictions(path: Path, setup: Setup, forecasts: Iterator[tuple[Tensor, Tensor]]) -> None:
    """Write forecasts [S, H, N, F] in raw units, batch by batch, whole or not at all.

    `time` is when each window's first forecast entry is; `xarray.open_zarr` reads the store.
    """
    partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    try:
        partial.chmod(0o755)
        _write(partial, setup, forecasts)
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(folder: Path, setup: Setup, forecasts: Iterator[tuple[Tensor, Tensor]]) -> None:
    store, windows = setup.store, setup.windows
    group = zarr.open_group(folder, mode="w")
    array = group.create_array(
        "forecast",
        shape=(len(windows.test), windows.horizon, *store.shape[1:]),
        chunks=(setup.training.batch_size, windows.horizon, *store.shape[1:]),
        dtype="float32",
        dimension_names=("time", "step", "node", "feature"),
        attributes={"units": str(store.attributes.get("units", ""))},
    )
    done = 0
    for start_B, forecast_BHNF in forecasts:
        array[done : done + len(start_B)] = forecast_BHNF.float().cpu().numpy()
        done += len(start_B)
    first = np.arange(windows.test.start, windows.test.stop) + windows.input_len
    coordinates = {
        "time": ("time", store.time[first]),
        "step": ("step", np.arange(1, windows.horizon + 1)),
        "node": ("node", np.array(store.node, dtype=object)),
        "feature": ("feature", np.array(store.feature, dtype=object)),
    }
    xr.Dataset(coords=coordinates).to_zarr(folder, mode="a", zarr_format=3, consolidated=False)
