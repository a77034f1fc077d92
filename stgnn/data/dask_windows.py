"""`dask-ddp`: materialised windows spread over the workers' memory by Dask, fetched batch by batch.

The baseline that PGT-I compares with (section 5.3): every batch is asked for when it is needed, and most
of it lies with other workers. A whole batch is one request.

Axes: S windows of the signal, B windows of a batch, W entries of a window, N graph nodes, F features.
"""

import dask
import dask.array as da
import distributed
import numpy as np
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
        self._array = self._client.get_dataset(NAME)
        self._is_near = self._near()

    def fill(self, starts: np.ndarray, out_BWNF: np.ndarray) -> None:
        """Ask for a batch and wait for it."""
        with dask.config.set({"array.slicing.split-large-chunks": False}):
            out_BWNF[:] = self._client.compute(self._array[starts], sync=True)
        far = int((~self._is_near[starts]).sum())
        self._world.bytes_moved += far * out_BWNF[0].nbytes if far else 0

    def _near(self) -> NDArray[np.bool_]:
        """Which windows this worker holds itself: [S]."""
        futures = distributed.futures_of(self._array)
        holders = self._client.who_has(futures)
        near = np.zeros(self._array.shape[0], dtype=bool)
        begin = 0
        for block, count in zip(self._array.__dask_keys__(), self._array.chunks[0], strict=True):
            near[begin : begin + count] = self._address in holders[_first_key(block)]
            begin += count
        return near


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


def _first_key(block: object) -> object:
    while isinstance(block, list):
        block = block[0]
    return block
