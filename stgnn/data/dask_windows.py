"""`dask-ddp`: materialised windows spread over the workers' memory by Dask, fetched batch by batch.

The baseline that PGT-I compares with (section 5.3): every batch is asked for when it is needed, and most
of it lies with other workers. A batch is one request for each chunk that has windows of it.

Axes: S windows of the signal, B windows of a batch, W entries of a window, N graph nodes, F features.
"""

from contextvars import copy_context
from typing import Any

import dask.array as da
import distributed
import numpy as np
from dask import core
from distributed import Future
from numpy.typing import NDArray

from stgnn.data.placements import HostPlacement
from stgnn.data.windows import Windows
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.store.signal_store import SignalStore, open_store

CHUNK_BYTES = 64 << 20  # of windows in one Dask chunk: few tasks a request, even shares between workers
NAME = "windows"


class DaskPlacement(HostPlacement):
    """Windows fetched on demand from a Dask array [S, W, N, F] that the workers hold together.

    Only inside a task of a Dask worker, where `launcher: dask` runs a rank.
    """

    def __init__(self, store: SignalStore, windows: Windows, world: World) -> None:
        super().__init__(store, windows, world.device)
        self._world = world
        try:
            self._address = distributed.get_worker().address
        except ValueError:
            raise InputError("batching", "dask-ddp needs Dask workers", "set launcher: dask") from None
        self._client = distributed.get_client()
        distributed.secede()  # training must not take the one thread that serves the others' requests
        world.wait_for_all()
        if world.is_first:
            array = window_array(store, windows, world.size).persist()
            distributed.wait(array)
            self._client.publish_dataset(array, name=NAME)
        world.wait_for_all()
        array = self._client.get_dataset(NAME)
        self._first = np.cumsum([0, *array.chunks[0]])
        self._chunks = _futures_in_order(array)
        holders = self._client.who_has(self._chunks)
        self._holders = [holders[chunk.key][0] for chunk in self._chunks]
        self._task = copy_context()  # the prefetch thread is in none, and would fetch from its own worker too

    def fill(self, starts: np.ndarray, out_BWNF: np.ndarray) -> None:
        """Ask for a batch and wait for it: whoever holds a chunk picks the windows, and only they come here."""
        chunk_B = np.searchsorted(self._first, starts, side="right") - 1
        chunks = np.unique(chunk_B)
        asked = [self._picked(chunk, starts[chunk_B == chunk]) for chunk in chunks]
        for chunk, picked in zip(chunks, self._task.run(self._client.gather, asked), strict=True):
            out_BWNF[chunk_B == chunk] = picked
            self._world.bytes_moved += picked.nbytes if self._holders[chunk] != self._address else 0

    def _picked(self, chunk: int, starts: np.ndarray) -> "Future[Any]":
        """Windows of a chunk, picked where it lies: left to choose, Dask would sooner move the batch twice."""
        return self._client.submit(
            _pick,
            self._chunks[chunk],
            starts - self._first[chunk],
            workers=[self._holders[chunk]],
            allow_other_workers=False,
            pure=False,
        )


def _pick(windows_SWNF: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    return windows_SWNF[rows]


def window_array(store: SignalStore, windows: Windows, workers: int) -> da.Array:
    """Every window of the signal as a Dask array [S, W, N, F], in chunks of consecutive windows."""
    count, shape = windows.test.stop, (windows.length, *store.shape[1:])
    most = max(1, CHUNK_BYTES // (4 * int(np.prod(shape))))
    rows = max(1, min(most, -(-count // workers)))
    starts = da.arange(count, chunks=rows)
    array: da.Array = da.map_blocks(
        _windows_from,
        starts,
        path=str(store.path.resolve()),
        length=windows.length,
        dtype=np.float32,
        new_axis=[1, 2, 3],
        chunks=(starts.chunks[0], *((size,) for size in shape)),
        meta=np.empty((0, 0, 0, 0), dtype=np.float32),
    )
    return array


def _windows_from(starts: NDArray[np.int64], path: str, length: int) -> NDArray[np.float32]:
    """A chunk of windows, read by the worker that will hold it."""
    store = open_store(path)
    return store.gather(starts, length, np.empty((len(starts), length, *store.shape[1:]), dtype=np.float32))


def _futures_in_order(array: da.Array) -> "list[Future[Any]]":
    """The chunks of a persisted array [S, W, N, F] in the order of their windows."""
    futures = {future.key: future for future in distributed.futures_of(array)}
    return [futures[key] for key in core.flatten(array.__dask_keys__())]
