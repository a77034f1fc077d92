"""The torchrun launcher: torch's elastic agent on each compute node, without its restarts.

The meeting point is a store that the first compute node opens on whatever port is free and writes down.
An attempt that lost a rank ends: torch's own restarts hang as often as they help, and the checkpoint is there.
"""

import signal
import sys
import time
from pathlib import Path

from torch._C._distributed_c10d import TCPStore
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, record
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from stgnn.distributed.job import Job, read_job
from stgnn.distributed.network import own_address
from stgnn.distributed.processes import how_it_ended
from stgnn.distributed.rank_process import find_function, note_death, run_rank
from stgnn.files import write_text
from stgnn.training.stop import SIGNALS

START_SECONDS = 300  # how long the compute nodes wait for each other


def main(path: str, node: str) -> None:
    """Run the ranks of compute node number `node`; how those that died did so goes into their beats.

    Ends with status 1, torch's report on standard error, if a rank failed.
    """
    for number in SIGNALS:  # requests to stop are for the ranks; torch would kill them
        signal.signal(number, signal.SIG_IGN)
    job = read_job(Path(path))
    store = _open_store(job) if node == "0" else None
    command = [sys.executable, "-m", "stgnn.distributed.rank_process", path]
    try:
        elastic_launch(_config(job, _endpoint(job)), command[0])(*command[1:])
    except ChildFailedError as error:
        for rank, failure in error.failures.items():
            note_death(job, rank, how_it_ended(failure.exitcode), job.nodes[int(node)])
        print(error, file=sys.stderr)  # noqa: T201  torch's report, into the node's log
        sys.exit(1)
    del store  # it must have lived until here


def _open_store(job: Job) -> TCPStore:
    store = TCPStore(job.address, 0, is_master=True, wait_for_workers=False)
    write_text(job.home / "endpoint", f"{job.address}:{store.port}")
    return store


def _endpoint(job: Job) -> str:
    file, give_up = job.home / "endpoint", time.monotonic() + START_SECONDS
    while not file.exists():
        if time.monotonic() > give_up:
            raise TimeoutError(f"compute node {job.nodes[0]} opened no meeting point in {START_SECONDS} s")
        time.sleep(0.2)
    return file.read_text(encoding="ascii")


def _config(job: Job, endpoint: str) -> LaunchConfig:
    return LaunchConfig(
        min_nodes=len(job.nodes),
        max_nodes=len(job.nodes),
        nproc_per_node=job.per_node,
        run_id=job.id,
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint,
        rdzv_configs={"is_host": False, "timeout": START_SECONDS},
        max_restarts=0,
        local_addr=own_address(job.interface, job.address),
        signals_to_handle="SIGINT",
        shutdown_timeout=1,
    )


@record
def run_recorded(job: Job) -> None:
    """The rank's work, its error left for torch's report too. torch's launcher has set the variables."""
    run_rank(lambda: find_function(job.function)(job=job.path))


if __name__ == "__main__":
    main(*sys.argv[1:])
