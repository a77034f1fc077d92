"""`dask-ddp`: windows that Dask's workers hold together come whole, and only those that lie elsewhere travel."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from distributed import Client, LocalCluster, wait

from stgnn.data import dask_windows
from stgnn.data.dask_windows import DaskPlacement
from stgnn.data.windows import split_windows
from stgnn.distributed.world import World
from stgnn.store import SignalStore

WORKERS = 3
MET = threading.Barrier(WORKERS)


class ThreadWorld(World):
    """A worker of a world whose workers are threads of this process."""

    def wait_for_all(self) -> None:
        MET.wait(60)


def fetch(rank: int, store: SignalStore) -> tuple[bool, float]:
    """Fetch batches as training and evaluation do: are they the store's windows? How many bytes are said to move?"""
    world = ThreadWorld(rank, WORKERS)
    windows = split_windows(store.shape[0], 4, 3)
    placement = DaskPlacement(store, windows, world)
    rng, equal = np.random.default_rng(rank), True
    shuffled = [torch.from_numpy(np.sort(rng.choice(windows.test.stop, 16, False))) for _ in range(8)]
    for batch in placement.batches([*shuffled, torch.arange(20, 40), torch.tensor([0])]):
        for start, x, y in zip(batch.start.tolist(), batch.x_BLNF, batch.y_BHNF, strict=True):
            equal &= torch.equal(torch.cat([x, y]), torch.from_numpy(store.rows(start, start + 7)))
    MET.wait(60)  # nobody leaves while others fetch
    return equal, world.bytes_moved


def test_batches_are_whole_and_counted_bytes_are_those_that_dask_transfers(
    make_store: Callable[..., SignalStore], monkeypatch: Any
) -> None:
    store = make_store(np.random.default_rng(0).normal(size=(420, 3, 1)).astype(np.float32))
    monkeypatch.setattr(dask_windows, "CHUNK_BYTES", 7 * 3 * 4 * 50)  # several chunks a worker
    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        workers = list(cluster.workers.values())
        futures = [
            client.submit(fetch, rank, store, workers=[worker.address], pure=False)
            for rank, worker in enumerate(workers)
        ]
        wait(futures)
        transferred = sum(worker.transfer_outgoing_bytes_total for worker in workers)
        found = client.gather(futures)  # travels too, and is no window
    asked = WORKERS * (8 * 16 + 20 + 1) * 7 * 3 * 4
    counted = sum(moved for _, moved in found)
    assert all(equal for equal, _ in found)
    assert counted == transferred and 0 < counted < asked
