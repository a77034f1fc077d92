"""Snapshots straight from a store: each item is read when its snapshot is asked for, so the signal may outgrow memory.

Axes: T entries, N graph nodes, F features, L input entries, H target entries, E edges.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stgnn.data.scaler import Scaler
from stgnn.data.snapshots.dynamic_graph import DynamicGraphTemporalSignal
from stgnn.data.snapshots.graph import GraphSignal
from stgnn.data.snapshots.static_graph import StaticGraphTemporalSignal
from stgnn.errors import InputError
from stgnn.settings import require_known
from stgnn.store.calendar import CALENDAR_FEATURES
from stgnn.store.signal_store import SignalStore

GRAPHS = ("oldest", "newest")


@dataclass(frozen=True)
class Entries:
    """The entries of a store as snapshots show them: calendar features appended, then scaled.

    The scaler's mean and std broadcast to `[N, F]`, calendar features included; its type is that of the arithmetic.
    """

    store: SignalStore
    calendar: tuple[str, ...] = ()
    scaler: Scaler | None = None

    @property
    def feature(self) -> tuple[str, ...]:
        """The names of the features."""
        return (*self.store.feature, *self.calendar)

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the entries `[start, stop)`: [stop - start, N, F]."""
        rows = self.store.rows(start, stop)
        if self.calendar:
            tiled = np.broadcast_to(self._dates(start, stop), (*rows.shape[:2], len(self.calendar)))
            rows = np.concatenate([rows, tiled], axis=-1)
        if self.scaler is None:
            return rows
        scaled: NDArray[np.float32] = self.scaler.scale(torch.from_numpy(rows)).numpy().astype(np.float32)
        return scaled

    def _dates(self, start: int, stop: int) -> NDArray[np.float32]:
        if self.store.calendar is None:
            problem = f"{list(self.calendar)} asked for, but {self.store.path.stem} has no dates"
            raise InputError("calendar", problem, "use ()")
        columns = [CALENDAR_FEATURES.index(name) for name in self.calendar]
        return self.store.calendar[start:stop, None, columns]


class StoredRows(Sequence[NDArray[Any]]):
    """Item t is made of the entries `[t + first, t + first + length)`, read when it is asked for."""

    def __init__(
        self,
        rows: Callable[[int, int], NDArray[Any]],
        count: int,
        length: int,
        first: int = 0,
        arrange: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    ) -> None:
        self._rows, self._count, self._length, self._first = rows, count, length, first
        self._arrange = arrange

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        start = range(self._count)[number] + self._first
        rows = self._rows(start, start + self._length)
        return rows if self._arrange is None else self._arrange(rows)


class StoredEdges(Sequence[NDArray[Any]]):
    """Item t is what the edges of entry `t + first` have of `values` [..., E]: a view."""

    def __init__(self, values: NDArray[Any], edge_ptr: NDArray[np.int64], count: int, first: int = 0) -> None:
        self._values, self._edge_ptr, self._count, self._first = values, edge_ptr, count, first

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        entry = range(self._count)[number] + self._first
        return self._values[..., self._edge_ptr[entry] : self._edge_ptr[entry + 1]]


def stored_signal(
    entries: Entries | SignalStore,
    input_len: int,
    horizon: int | None = None,
    targets: Sequence[str] | None = None,
    graph: str = "oldest",
) -> GraphSignal:
    """Return the windows of a store as snapshots: number i is the window that begins at entry i.

    x is [N, F, L], or [N, L] of one feature; y is [N, F, H], or [N, H] of one feature. Without `horizon` the target is
    the one next entry and y has no axis for it: [N, F] or [N]. `targets` names the features of y (None: all).
    On a store of a dynamic graph the snapshot has the edges of the `oldest` (first) or `newest` (last) input entry.

    Raises `InputError` if the store is too short for one window.
    """
    if isinstance(entries, SignalStore):
        entries = Entries(entries)
    steps = 1 if horizon is None else horizon
    count = entries.store.shape[0] - input_len - steps + 1
    if input_len < 1 or steps < 1 or count < 1:
        problem = f"{entries.store.shape[0]} entries hold no window of {input_len} + {steps}"
        raise InputError(entries.store.path, problem, "use shorter windows")
    if graph not in GRAPHS:
        raise InputError("graph", f"is {graph!r}", f"use one of {GRAPHS}")
    for name in targets or ():
        require_known(name, entries.feature, entries.store.path, "targets")
    columns = [entries.feature.index(name) for name in targets or entries.feature]
    x = StoredRows(entries.rows, count, input_len, 0, window_last)
    of_y = partial(_target, columns=columns, keep_steps=horizon is not None)
    y = StoredRows(entries.rows, count, steps, input_len, of_y)
    return on_graph(entries.store, x, y, 0 if graph == "oldest" else input_len - 1)


def on_graph(store: SignalStore, x: Sequence[Any], y: Sequence[Any], first: int = 0) -> GraphSignal:
    """Return features and targets as a signal on the store's graph, where it is dynamic from entry `first` on."""
    if store.edge_ptr is None:
        return StaticGraphTemporalSignal(store.edge_index, store.edge_weight, x, y)
    index = StoredEdges(store.edge_index, store.edge_ptr, len(x), first)
    weight = StoredEdges(store.edge_weight, store.edge_ptr, len(x), first)
    return DynamicGraphTemporalSignal(index, weight, x, y)


def window_last(rows_LNF: NDArray[Any]) -> NDArray[Any]:
    """Return a window as PyTorch Geometric Temporal has it: [N, F, L], or [N, L] of one feature."""
    x_NFL = rows_LNF.transpose(1, 2, 0)
    return x_NFL[:, 0] if x_NFL.shape[1] == 1 else x_NFL


def _target(rows_HNF: NDArray[Any], columns: list[int], keep_steps: bool) -> NDArray[Any]:
    chosen = window_last(rows_HNF if len(columns) == rows_HNF.shape[2] else rows_HNF[..., columns])
    return chosen if keep_steps else chosen[..., 0]
