"""A rank's process under the Dask launcher: a Dask worker of one thread, in which the rank's function runs.

The main thread keeps the worker's event loop and, since Python gives signals to no other, the handlers.
There is no nanny: a rank that dies ends the job, and the next attempt resumes from the checkpoint.
"""

import asyncio
import logging
import tempfile
import time
from functools import partial
from pathlib import Path

import dask
from distributed import Worker

from stgnn.distributed.job import Job, read_job
from stgnn.distributed.network import own_address
from stgnn.distributed.rank_process import find_function, run_rank

START_SECONDS = 300  # how long a worker waits for the scheduler, and that for the workers

# The driver alone judges who is dead; and Dask's profiler would look into the training thread 100 times a second.
SETTINGS = {
    "distributed.scheduler.worker-ttl": None,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.limit": "1h",
}


def quieten() -> None:
    """What goes wrong is raised, or seen by the driver; the rest of Dask's talk would drown it."""
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def serve(job: Job, rank: int) -> None:
    """Be the Dask worker of `rank` until the scheduler leaves."""
    quieten()
    with dask.config.set(SETTINGS):
        asyncio.run(_serve(job, rank))


async def _serve(job: Job, rank: int) -> None:
    await _wait_for(job.home / "scheduler.json")
    async with Worker(
        scheduler_file=str(job.home / "scheduler.json"),
        name=rank,
        nthreads=1,
        memory_limit=0,
        dashboard=False,
        local_directory=tempfile.gettempdir(),
        host=own_address(job.interface, job.address),
        death_timeout=START_SECONDS,
    ) as worker:
        await worker.finished()


async def _wait_for(file: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while not file.exists():
        if time.monotonic() > give_up:
            raise TimeoutError(f"no Dask scheduler in {START_SECONDS} s ({file})")
        await asyncio.sleep(0.2)


def train(path: str, rank: int, world_size: int, backend: str, address: str, port: int) -> None:
    """The task of `rank`: its function, with torch's process group around it made by dask-pytorch-ddp."""
    from dask_pytorch_ddp.dispatch import (
        dispatch_with_ddp,
    )  # torch: not for the process that sends this function

    job = read_job(Path(path))
    run_rank(
        partial(
            dispatch_with_ddp,
            pytorch_function=find_function(job.function),
            master_addr=address,
            master_port=port,
            rank=rank,
            world_size=world_size,
            backend=backend,
            job=Path(path),
        )
    )


def backend_for(path: str) -> str:
    """The backend of torch's process group on this worker: nccl on CUDA, else gloo. Imports all the rank needs."""
    import torch

    job = read_job(Path(path))
    find_function(job.function)
    on_cuda = torch.cuda.is_available() and job.settings.get("device", "auto") != "cpu"
    return "nccl" if on_cuda else "gloo"
