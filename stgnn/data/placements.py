"""Where a run's windows come from: `materialised`, `index` and `device-index`.

All three hand out the same numbers for the same starts, so a run differs in memory and speed only.

Axes: B windows of a batch, W = L + H entries of a window (L input, H horizon), N graph nodes,
F features, S windows of the signal, K calendar features.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import psutil
import torch
from torch import Tensor

from stgnn.data.edges import EntryEdges, WindowEdges
from stgnn.data.windows import Windows
from stgnn.distributed import heartbeat
from stgnn.prefetch import Prefetcher
from stgnn.store.signal_store import SignalStore

RING = 3  # buffers: one with the consumer, one ready, one being filled


@dataclass(frozen=True)
class WindowBatch:
    """A batch of windows in raw units, on the run's device.

    Valid until the next batch is asked for: the buffers behind it are used again. Clone to keep.
    """

    start: Tensor  # [B] int64
    x_BLNF: Tensor
    y_BHNF: Tensor
    x_calendar_BLK: Tensor | None  # time of day in [0, 1), day of week 0..6; None without dates
    y_calendar_BHK: Tensor | None
    padding: bool = False  # a stand-in for a worker without windows: takes part, counts for nothing
    edges: EntryEdges | None = None  # where the graph changes with time

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def x_edges(self) -> WindowEdges | None:
        """The edges of the past, entry by entry, gathered when first asked for; None on a static graph."""
        return None if self.edges is None else self.edges.of(self.start, self.x_BLNF.shape[1])

    @cached_property
    def last_edges(self) -> WindowEdges | None:
        """The edges of the last past entry alone; None on a static graph."""
        return None if self.edges is None else self.edges.of(self.start + self.x_BLNF.shape[1] - 1, 1)

    @cached_property
    def y_edges(self) -> WindowEdges | None:
        """The edges of the future, which a forecast may not use unless they are planned; None on a static graph."""
        first = self.start + self.x_BLNF.shape[1]
        return None if self.edges is None else self.edges.of(first, self.y_BHNF.shape[1])


class Placement(Protocol):
    """Makes batches of windows from batches of window starts."""

    @property
    def order_device(self) -> torch.device:
        """Where the starts must live: where the windows are gathered."""
        ...

    def batches(self, starts: Iterable[Tensor]) -> Iterator[WindowBatch]:
        """Yield one `WindowBatch` for every tensor [B] of starts, in order."""
        ...


class _Companions:
    """What comes with the values of a signal's entries, kept on the run's device: calendar features and edges."""

    def __init__(self, store: SignalStore, windows: Windows, device: torch.device) -> None:
        self._windows = windows
        self._offset = torch.arange(windows.length, device=device)
        self._calendar_TK = None if store.calendar is None else torch.from_numpy(store.calendar).to(device)
        self._edges = None if store.edge_ptr is None else EntryEdges(store, device)

    def batch(self, start_B: Tensor, window_BWNF: Tensor) -> WindowBatch:
        """Cut windows into past and future and add the calendar and the edges of both."""
        cut = self._windows.input_len
        calendar = None if self._calendar_TK is None else self._calendar_TK[start_B[:, None] + self._offset]
        return WindowBatch(
            start=start_B,
            x_BLNF=window_BWNF[:, :cut],
            y_BHNF=window_BWNF[:, cut:],
            x_calendar_BLK=None if calendar is None else calendar[:, :cut],
            y_calendar_BHK=None if calendar is None else calendar[:, cut:],
            edges=self._edges,
        )


class HostPlacement:
    """Windows gathered on the host by one prefetch thread, then copied to the device if it is another."""

    def __init__(self, store: SignalStore, windows: Windows, device: torch.device | str = "cpu") -> None:
        self.store, self.windows, self.device = store, windows, torch.device(device)
        self._companions = _Companions(store, windows, self.device)
        self.order_device = torch.device("cpu")

    def fill(self, starts: np.ndarray, out_BWNF: np.ndarray) -> None:
        """Write the windows that begin at `starts` into `out`."""
        raise NotImplementedError

    def batches(self, starts: Iterable[Tensor]) -> Iterator[WindowBatch]:
        """Yield one batch for every tensor of starts, the next one being filled meanwhile."""
        starts = list(starts)
        largest = max((len(batch) for batch in starts), default=0)
        shape = (largest, self.windows.length, *self.store.shape[1:])
        pinned = self.device.type == "cuda"
        buffers = [_Buffer(torch.empty(shape, pin_memory=pinned), self.device) for _ in range(RING)]
        for start_B, loaded in Prefetcher(self._load, buffers).run(starts):
            yield self._companions.batch(start_B, loaded.take())

    def _load(self, start_B: Tensor, buffer: "_Buffer") -> "tuple[Tensor, _Loaded]":
        buffer.wait_until_copied()
        window = buffer.host[: len(start_B)]
        self.fill(start_B.numpy(), window.numpy())
        return start_B.to(self.device, non_blocking=True), buffer.send(window)


class _Buffer:
    """One host buffer and, on CUDA, the stream that empties it."""

    def __init__(self, host: Tensor, device: torch.device) -> None:
        self.host, self._device = host, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._copied: torch.cuda.Event | None = None

    def wait_until_copied(self) -> None:
        """Block until the device has taken what the buffer held last."""
        if self._copied is not None:
            self._copied.synchronize()

    def send(self, window: Tensor) -> "_Loaded":
        """Start copying to the device; on the host nothing is copied."""
        if self._stream is None:
            return _Loaded(window.to(self._device), None)
        with torch.cuda.stream(self._stream):
            moved = window.to(self._device, non_blocking=True)
            self._copied = self._stream.record_event()
        return _Loaded(moved, self._copied)


@dataclass(frozen=True)
class _Loaded:
    """Windows on the device, and the event after which they are whole."""

    window: Tensor
    event: "torch.cuda.Event | None"

    def take(self) -> Tensor:
        """The windows, safe to use on the current stream."""
        if self.event is not None:
            stream = torch.cuda.current_stream(self.window.device)
            stream.wait_event(self.event)
            self.window.record_stream(stream)
        return self.window


class IndexPlacement(HostPlacement):
    """`index`: windows gathered from the mapped store. Private memory does not grow with the signal."""

    def __init__(self, store: SignalStore, windows: Windows, device: torch.device | str = "cpu") -> None:
        super().__init__(store, windows, device)
        self._fits = store.nbytes < psutil.virtual_memory().available // 2
        if self._fits:
            store.signal.prefault()

    def fill(self, starts: np.ndarray, out_BWNF: np.ndarray) -> None:
        """Gather from the mapped store; read from disk ahead where the store outgrows memory."""
        if not self._fits:
            self.store.signal.will_need(starts, self.windows.length)
        self.store.gather(starts, self.windows.length, out_BWNF)


class MaterialisedPlacement(HostPlacement):
    """`materialised`: every window of the signal stacked into arrays x and y, the classic preprocessing.

    The baseline that index-batching is compared with. Holds (L + H) times the signal.
    """

    def __init__(self, store: SignalStore, windows: Windows, device: torch.device | str = "cpu") -> None:
        super().__init__(store, windows, device)
        count = windows.test.stop
        self._x_SLNF = _stack(store, range(count), windows.input_len)
        self._y_SHNF = _stack(store, range(windows.input_len, windows.input_len + count), windows.horizon)

    def fill(self, starts: np.ndarray, out_BWNF: np.ndarray) -> None:
        """Pick rows of the stacked arrays."""
        cut = self.windows.input_len
        out_BWNF[:, :cut] = self._x_SLNF[starts]
        out_BWNF[:, cut:] = self._y_SHNF[starts]


def _stack(store: SignalStore, starts: range, length: int) -> np.ndarray:
    """Copy the windows `[s, s + length)` for every s: [S, length, N, F]."""
    stacked = np.empty((len(starts), length, *store.shape[1:]), dtype=np.float32)
    for begin in range(0, len(starts), 1024):
        part = stacked[begin : begin + 1024]
        store.gather(np.arange(starts.start + begin, starts.start + begin + len(part)), length, part)
    return stacked


class DevicePlacement:
    """`device-index`: the whole signal lives on the device and windows are gathered there.

    After start-up nothing is copied from the host. PGT-I calls this GPU-index-batching.
    """

    def __init__(self, store: SignalStore, windows: Windows, device: torch.device | str = "cpu") -> None:
        self.order_device = self.device = torch.device(device)
        num_entries, num_nodes, num_features = store.shape
        self._signal = torch.empty((num_entries, num_nodes * num_features), device=self.device)
        for begin in range(0, num_entries, store.block_rows):  # block by block: no second copy on the host
            rows = store.rows(begin, min(begin + store.block_rows, num_entries))
            self._signal[begin : begin + len(rows)] = torch.from_numpy(rows.reshape(len(rows), -1))
            heartbeat.progress()
        self._shape = (windows.length, num_nodes, num_features)
        self._offset = torch.arange(windows.length, device=self.device)
        self._companions = _Companions(store, windows, self.device)

    def batches(self, starts: Iterable[Tensor]) -> Iterator[WindowBatch]:
        """Yield one batch for every tensor of starts, gathered on the device."""
        for start_B in starts:
            index = (start_B[:, None] + self._offset).flatten()
            window = torch.index_select(self._signal, 0, index).view(len(start_B), *self._shape)
            yield self._companions.batch(start_B, window)


PLACEMENTS: dict[str, type[HostPlacement] | type[DevicePlacement]] = {
    "materialised": MaterialisedPlacement,
    "index": IndexPlacement,
    "distributed-index": IndexPlacement,  # every worker maps the whole store; a compute node caches its pages once
    "device-index": DevicePlacement,
}
