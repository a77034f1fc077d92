"""Reader of one's own data: a wide CSV, a pandas HDF5 frame or a .npy array, with a graph among the sensors.

Axes: T entries, N graph nodes, F features.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stgnn.errors import InputError
from stgnn.raw.checks import the_file
from stgnn.raw.csv_table import read_csv_table
from stgnn.raw.hdf5 import read_frame
from stgnn.raw.network import read_network, sensor_list
from stgnn.raw.npy_array import npy_array
from stgnn.raw.npy_pair import feature_signal
from stgnn.raw.signal import Signal
from stgnn.raw.traffic import frame_signal

if TYPE_CHECKING:
    from stgnn.catalog import Dataset


def read_table(dataset: Dataset, folder: Path) -> Signal:
    """Read values `[T, N]` from .csv, .h5/.hdf5 or .npy (also `[T, N, F]`), told apart by the file's suffix.

    CSV: a header, then one row an entry: a time (option `time` names its column, by default the first) and one
    number a sensor. HDF5: pandas' `fixed` layout (option `key`). .npy: no ids and no times, so it needs a file with
    role sensors and the catalogue's `start` and `frequency` (options `features`, `clock` as for `npy-pair`). The graph
    comes from a file with role adjacency, distances or locations: see `stgnn.raw.network`.
    """
    path = the_file(dataset, folder, "values")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        table = read_csv_table(path, dataset.options.get("time"))
        return frame_signal(dataset, folder, path, "table", table.ids, table.time, table.blocks, "value")
    if suffix in (".h5", ".hdf5", ".hdf"):
        frame = read_frame(path, dataset.options.get("key"))
        return frame_signal(dataset, folder, path, frame.key, frame.ids, frame.time, frame.blocks, "value")
    if suffix == ".npy":
        return _array_signal(dataset, folder, path)
    raise InputError(path, f"values in a {suffix!r} file", "expected .csv, .h5, .hdf5 or .npy")


def _array_signal(dataset: Dataset, folder: Path, path: Path) -> Signal:
    values = npy_array(path)
    node = sensor_list(dataset, folder)
    if node is None:
        raise InputError(
            f"dataset {dataset.name}",
            "a .npy file names no sensors",
            "add a file with role sensors: one id a line",
        )
    edge_index, edge_weight = read_network(dataset, folder, node, node)
    return feature_signal(dataset, values, node, edge_index, edge_weight)
