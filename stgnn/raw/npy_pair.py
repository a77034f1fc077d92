"""Reader of the `.npy` pairs of PyTorch Geometric Temporal: node values and an adjacency matrix, plain or zipped.

Axes: T entries, N graph nodes, F features, R rows of a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.archive import the_member
from stgnn.raw.checks import check_values, find_file, the_file
from stgnn.raw.describe import check_times, described, times_without_dates
from stgnn.raw.network import edges_among, sensor_list
from stgnn.raw.network_files import matrix_network
from stgnn.raw.npy_array import NpyArray, npy_array
from stgnn.raw.signal import Signal

if TYPE_CHECKING:
    from stgnn.catalog import Dataset


@dataclass(frozen=True)
class FeatureArray:
    """A stored array `[T, N, F]` or `[T, N]` of which some features are wanted."""

    array: NpyArray
    features: tuple[str, ...]  # names of all F

    def column(self, feature: str) -> int:
        """Return a feature's place in the array."""
        if feature not in self.features:
            raise InputError(
                self.array.path,
                f"no feature {feature!r} among {', '.join(self.features)}",
                "correct the options",
            )
        return self.features.index(feature)

    def blocks(self, wanted: Sequence[str]) -> Iterator[NDArray[np.float32]]:
        """Yield float32 blocks `[R, N, len(wanted)]` in time order."""
        columns = [self.column(feature) for feature in wanted]
        for block in self.array.blocks():
            x_RNF = block.reshape(*block.shape[:2], -1)
            yield x_RNF if len(columns) == x_RNF.shape[2] else np.ascontiguousarray(x_RNF[..., columns])


def read_npy_pair(dataset: Dataset, folder: Path) -> Signal:
    """Read node values `[T, N, F]` and an adjacency matrix `[N, N]` from two .npy files or one zip archive.

    Options: `features` names the F features; `values` and `adjacency` are (endings of) the archive's member names;
    `clock` names the feature that is the time of day in [0, 1): it is not stored, but gives the entries their times
    from the catalogue's `start` on, so that an hour that the data skip shifts nothing.
    """
    archive = find_file(dataset, folder, "archive")
    values, adjacency = _pair(dataset, folder, archive)
    if adjacency.shape[1:] != adjacency.shape[:1] or adjacency.shape[:1] != values.shape[1:2]:
        raise InputError(
            adjacency.path,
            f"{adjacency.name} has shape {adjacency.shape} and {values.name} {values.shape}",
            "expected (nodes, nodes) and (entries, nodes, features)",
        )
    listed = sensor_list(dataset, folder)
    node = listed or tuple(map(str, range(values.shape[1])))
    edge_index, edge_weight = edges_among(dataset, matrix_network(adjacency), node, listed)
    return feature_signal(dataset, values, node, edge_index, edge_weight)


def feature_signal(
    dataset: Dataset,
    values: NpyArray,
    node: tuple[str, ...],
    edge_index: NDArray[np.int64],
    edge_weight: NDArray[np.float32],
) -> Signal:
    """Return the signal of a stored array `[T, N, F]`, streamed; the graph is the caller's."""
    source = _checked(dataset, values, len(node))
    clock = dataset.options.get("clock")
    feature = tuple(name for name in source.features if name != clock)
    time = (
        times_without_dates(dataset, values.shape[0])
        if clock is None
        else _clock_times(dataset, source, clock)
    )
    gaps = check_times(dataset, values.path, values.name, time)

    def blocks() -> Iterator[NDArray[np.float32]]:
        first = 0
        for x_RNF in source.blocks(feature):
            check_values(values.path, values.name, x_RNF, first, node, dataset.null_value)
            first += len(x_RNF)
            yield x_RNF

    return Signal(
        blocks=blocks,
        time=time,
        node=node,
        feature=feature,
        edge_index=edge_index,
        edge_weight=edge_weight,
        null_value=dataset.null_value,
        attributes=described(dataset, gaps=gaps),
    )


def _pair(dataset: Dataset, folder: Path, archive: Path | None) -> tuple[NpyArray, NpyArray]:
    if archive is None:
        return npy_array(the_file(dataset, folder, "values")), npy_array(
            the_file(dataset, folder, "adjacency")
        )
    members = {"values": "node_values.npy", "adjacency": "adj_mat.npy"}
    values, adjacency = (
        npy_array(archive, the_member(archive, dataset.options.get(option, usual), option))
        for option, usual in members.items()
    )
    return values, adjacency


def _checked(dataset: Dataset, values: NpyArray, num_nodes: int) -> FeatureArray:
    default = (dataset.options.get("feature", "value"),)
    features = tuple(dataset.options.get("features", default))
    shape = values.shape if len(values.shape) == 3 else (*values.shape, 1)
    if len(shape) != 3 or shape[0] == 0 or shape[1:] != (num_nodes, len(features)) or values.fortran:
        order = " stored column by column" if values.fortran else ""
        raise InputError(
            values.path,
            f"{values.name}: shape {values.shape}{order}",
            f"expected (entries, {num_nodes} nodes, {len(features)} features: {', '.join(features)}), row by row",
        )
    return FeatureArray(values, features)


def _clock_times(dataset: Dataset, source: FeatureArray, clock: str) -> NDArray[Any]:
    """Return `[T]` times from the time of day that the array holds; a fall in it is a new day."""
    path, key = source.array.path, f"{source.array.name}, feature {clock!r}"
    if dataset.start is None:
        raise InputError(
            f"dataset {dataset.name}", "option `clock` needs `start`", "say the date of the first entry"
        )
    pieces = []
    for x_RN1 in source.blocks([clock]):
        if not (x_RN1 == x_RN1[:, :1]).all():
            raise InputError(path, f"{key}: graph nodes differ in their time of day", "expected one an entry")
        pieces.append(x_RN1[:, 0, 0].astype(np.float64))
    clock_T = np.concatenate(pieces)
    wrong = np.flatnonzero(~((clock_T >= 0) & (clock_T < 1)))
    if wrong.size:
        raise InputError(
            path, f"{key}: entry {wrong[0]} is {clock_T[wrong[0]]}", "expected a time of day in [0, 1)"
        )
    day_T = np.concatenate([[0], np.cumsum(np.diff(clock_T) < 0)])
    start = np.datetime64(dataset.start, "s")
    second_T = day_T * 86_400 + np.rint(clock_T * 86_400).astype(np.int64)
    time_T = start.astype("datetime64[D]").astype("datetime64[s]") + second_T
    if time_T[0] != start:
        raise InputError(
            path, f"{key}: the first entry is at {time_T[0]}, but `start` says {start}", "correct `start`"
        )
    return np.asarray(time_T, dtype="datetime64[ns]")
