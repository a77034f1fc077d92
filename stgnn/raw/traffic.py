"""Reader of sensor networks: values in a frame of sensors, HDF5, with a graph among the sensors.

Axes: T entries, N graph nodes, R rows of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stgnn.raw.checks import check_values, the_file
from stgnn.raw.describe import check_times, described, times_without_dates
from stgnn.raw.hdf5 import read_frame
from stgnn.raw.network import read_network, sensor_list
from stgnn.raw.signal import Signal

if TYPE_CHECKING:
    from stgnn.catalog import Dataset


def read_traffic_hdf5(dataset: Dataset, folder: Path) -> Signal:
    """Read METR-LA's and PeMS' layout: a pandas `fixed` HDF5 frame `[T, N]` and the network's adjacency pickle.

    Options: `key` of the frame where a file holds several, `feature` (its name, `speed`), `subset`, and those of
    `stgnn.raw.network` where the graph comes from distances or locations instead.
    """
    frame = read_frame(the_file(dataset, folder, "values"), dataset.options.get("key"))
    return frame_signal(dataset, folder, frame.path, frame.key, frame.ids, frame.time, frame.blocks, "speed")


def frame_signal(
    dataset: Dataset,
    folder: Path,
    path: Path,
    key: str,
    node: tuple[str, ...],
    time: NDArray[Any],
    rows: Callable[[], Iterator[NDArray[np.float32]]],
    feature: str,
) -> Signal:
    """Return the signal of a table of sensors' values, `rows()` streaming its blocks `[R, N]`, and of their graph.

    Columns that a `sensors` file does not list are left out. Entries that the table only numbers get their times from
    the catalogue's `start`, if it has one.
    """
    listed = sensor_list(dataset, folder)
    columns = [column for column, name in enumerate(node) if listed is None or name in listed]
    node = tuple(node[column] for column in columns)
    edge_index, edge_weight = read_network(dataset, folder, node, listed)
    gaps = check_times(dataset, path, key, time)
    if dataset.start is not None and not np.issubdtype(time.dtype, np.datetime64):
        time = times_without_dates(dataset, len(time))

    def blocks() -> Iterator[NDArray[np.float32]]:
        first = 0
        for x_RN in rows():
            x_RNF = (x_RN if len(columns) == x_RN.shape[1] else x_RN[:, columns])[..., None]
            check_values(path, key, x_RNF, first, node, dataset.null_value)
            first += len(x_RNF)
            yield x_RNF

    return Signal(
        blocks=blocks,
        time=time,
        node=node,
        feature=(dataset.options.get("feature", feature),),
        edge_index=edge_index,
        edge_weight=edge_weight,
        null_value=dataset.null_value,
        attributes=described(dataset, gaps=gaps),
    )
