"""The Dask launcher: a scheduler, and the rank function sent to one Dask worker a rank.

One process of the driver's holds both the scheduler and the client. The ranks themselves are started by
dask-pytorch-ddp's `dispatch_with_ddp`, without its `run`, which fixes a port, lets Dask answer a second
submission from the first one's results and knows of no failure.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import dask
from distributed import Client, Scheduler, as_completed

from stgnn.distributed import dask_worker, heartbeat
from stgnn.distributed.dask_worker import SETTINGS, START_SECONDS
from stgnn.distributed.job import Job, read_job
from stgnn.distributed.network import free_port
from stgnn.distributed.rank_process import run_rank
from stgnn.training.stop import SIGNALS


def main(path: str) -> None:
    """Serve the job that `path` declares until its ranks are done; a failure is in `dask.beat`."""
    dask_worker.quieten()
    for number in SIGNALS:  # a batch system signals all processes; this one leaves when the ranks have
        signal.signal(number, signal.SIG_IGN)
    job = read_job(Path(path))
    heartbeat.beat_as(job.heartbeat("dask"))
    with dask.config.set(SETTINGS):
        run_rank(lambda: asyncio.run(_serve(job)))


async def _serve(job: Job) -> None:
    listing = str(job.home / "scheduler.json")
    async with (
        Scheduler(host=job.address, port=0, dashboard=False, scheduler_file=listing) as scheduler,
        Client(scheduler.address, asynchronous=True) as client,
    ):
        await client.wait_for_workers(job.workers, timeout=START_SECONDS)
        # Workers are named by their rank. Asked of the scheduler itself: what it tells clients may be cut short.
        workers = {int(each.name): address for address, each in scheduler.workers.items()}
        if sorted(workers) != list(range(job.workers)):
            raise RuntimeError(f"expected the Dask workers of {job.workers} ranks, found {sorted(workers)}")
        await _train(client, job, workers)


async def _train(client: Client, job: Job, workers: Mapping[int, str]) -> None:
    # torch is imported here and now, not in a task, where it would hold the worker's event loop up.
    backends = await client.run(dask_worker.backend_for, str(job.path))
    if len(set(backends.values())) > 1:
        raise RuntimeError(f"the workers would not understand each other: {backends}")
    port = await client.submit(free_port, workers=[workers[0]], pure=False)
    address = workers[0].split("://")[1].rsplit(":", 1)[0]
    futures = [
        client.submit(
            dask_worker.train,
            path=str(job.path),
            rank=rank,
            world_size=job.workers,
            backend=backends[worker],
            address=address,
            port=port,
            key=f"{job.id}-rank-{rank}",
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        for rank, worker in sorted(workers.items())
    ]
    async for future in as_completed(futures):
        await future  # raises what the rank raised; the driver ends the others, which would wait for it


if __name__ == "__main__":
    main(*sys.argv[1:])
