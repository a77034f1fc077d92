"""Reader of preprocessed streams as the TGN authors', DGB and DyGLib have them: ml_X.csv, ml_X.npy, ml_X_node.npy.

Rossi et al.: Temporal Graph Networks for Deep Learning on Dynamic Graphs. 2020, arXiv:2006.10637.

Axes: E events, R events of a block, F edge features, I ids, V node features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import find_file, the_file
from stgnn.raw.edge_list import edge_list
from stgnn.raw.events import EventBlock, Events
from stgnn.raw.npy_array import NpyArray, npy_array
from stgnn.raw.text_chunks import TextFile

if TYPE_CHECKING:
    from stgnn.catalog import Dataset

COLUMNS = ("-", "src", "dst", "time", "label", "row")


def read_ml_pair(dataset: Dataset, folder: Path) -> Events:
    """Read rows `,u,i,ts,label,idx`, edge features `[E + 1, F]` and, if declared, node features `[I, V]`.

    Ids are kept as they are there: from 1, destinations numbered on after sources, so that they are one id space
    (option `bipartite: true` where they are not). `idx` counts events from 1 and is the row of an event's features;
    row 0 of both arrays is padding. Options: see `stgnn.raw.edge_list.edge_list`.
    """
    csv = the_file(dataset, folder, "events")
    edge = _matrix(the_file(dataset, folder, "edge_features"))
    node_path = find_file(dataset, folder, "node_features")
    node_IV = None if node_path is None else _whole(_matrix(node_path))
    ids = None if node_IV is None else len(node_IV)
    events = edge_list(dataset, TextFile(csv), COLUMNS, bipartite=False, header=True, ids=ids)
    if not edge.shape[1]:
        return replace(events, node_feature=node_IV)
    return replace(
        events,
        blocks=lambda: _joined(csv, events.blocks(), edge),
        feature=tuple(f"feature_{place}" for place in range(edge.shape[1])),
        node_feature=node_IV,
    )


def _matrix(path: Path) -> NpyArray:
    array = npy_array(path)
    if len(array.shape) != 2 or array.fortran:
        order = " stored column by column" if array.fortran else ""
        raise InputError(path, f"array: shape {array.shape}{order}", "expected (rows, features), row by row")
    return array


def _whole(array: NpyArray) -> NDArray[np.float32]:
    if not array.shape[0] * array.shape[1]:
        raise InputError(array.path, f"array: shape {array.shape} holds no values", "leave the file out")
    return np.concatenate(list(_checked(array)))


def _checked(array: NpyArray) -> Iterator[NDArray[np.float32]]:
    """Yield the array's rows; `InputError` where one holds a value that is not finite."""
    first = 0
    for block in array.blocks():
        wrong = np.argwhere(~np.isfinite(block))
        if wrong.size:
            row, column = wrong[0]
            problem = f"array: row {first + row}, column {column} is {block[row, column]}"
            raise InputError(array.path, problem, "expected finite numbers (float32)")
        first += len(block)
        yield block


def _joined(csv: Path, blocks: Iterator[EventBlock], edge: NpyArray) -> Iterator[EventBlock]:
    """Yield blocks with their features: event e has row e + 1."""
    rows = _Rows(edge)
    if rows.take(1).any():
        raise InputError(edge.path, "array: row 0 is not zero", "expected padding before event 1's row")
    for block in blocks:
        feature_RF = rows.take(len(block))
        if len(feature_RF) < len(block):
            problem = f"array: {edge.shape[0]} rows, but {csv.name} has more than {edge.shape[0] - 1} events"
            raise InputError(edge.path, problem, "expected one more row than events")
        yield replace(block, feature=feature_RF)
    if rest := len(rows.take(1)):
        problem = f"array: {edge.shape[0]} rows, but {csv.name} has fewer than {edge.shape[0] - rest} events"
        raise InputError(edge.path, problem, "expected one more row than events")


class _Rows:
    """The rows of an array, taken from its start as many at a time as are asked for."""

    def __init__(self, array: NpyArray) -> None:
        self._blocks = _checked(array)
        self._left: NDArray[np.float32] = np.empty((0, array.shape[1]), np.float32)

    def take(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` rows, fewer at the end."""
        taken = [self._left[:count]]
        missing, self._left = count - len(taken[0]), self._left[count:]
        while missing > 0 and (block := next(self._blocks, None)) is not None:
            taken.append(block[:missing])
            missing, self._left = missing - len(taken[-1]), block[len(taken[-1]) :]
        return np.concatenate(taken)
