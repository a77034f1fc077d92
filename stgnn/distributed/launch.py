"""The driver: starts a run's ranks wherever they belong, and sees to it that they end, all of them.

Exit by return: done. `Stopped`: asked to, resumable. `InputError`: what the user can mend, found by any
process of the job. `TrainingFailed`: anything else, the first cause on top.
"""

import os
import time
import uuid
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stgnn.distributed.allocation import Allocation, batch_script_job, find_allocation
from stgnn.distributed.job import TRAIN_RANK, Job
from stgnn.distributed.network import interface_in_use, loopback_name
from stgnn.distributed.scratch import temporary_files_in
from stgnn.distributed.supervise import Supervisor
from stgnn.distributed.watch import Limits
from stgnn.errors import InputError
from stgnn.files import locked, remove_partials
from stgnn.training import stop


@dataclass(frozen=True)
class Surroundings:
    """How and where a job runs; changes no number of its results.

    `runtime` in minutes is what the batch system allows the job; `threads` are each worker's.
    """

    runtime: float | None = None
    interface: str | None = None
    scratch: str | None = None
    threads: int | None = None


def launch(
    settings: Mapping[str, Any],
    store: Path,
    folder: Path,
    code: str = "",
    around: Surroundings | None = None,
    function: str = TRAIN_RANK,
    limits: Limits | None = None,
) -> None:
    """Train the run that `settings` declares, with the workers and the launcher that it names.

    `function` is what each rank runs, as "module:name", where it is not this process that trains.

    Raises:
        Stopped: asked to by SIGTERM, SIGUSR1 or the end of `runtime`; the same command goes on.
        InputError: wrong settings or a wrong place for them.
        TrainingFailed: a rank failed, died or hung; its text says which and how.
    """
    around, started = around or Surroundings(), time.time()
    deadline = None if around.runtime is None else started + 60 * around.runtime - margin(around.runtime)
    launcher = launcher_of(settings)
    if launcher == "none":
        _train_here(settings, store, folder, code, around, deadline)
        return
    allocation = find_allocation()
    job = _job(settings, store, folder, code, around, deadline, function, launcher, allocation)
    limits = limits or Limits()
    with locked(folder / ".lock", "trains this run"):
        remove_partials(folder)
        job.write()
        with stop.StopRequest() as asked, Supervisor(job, allocation, limits, asked) as supervisor:
            supervisor.start()
            supervisor.watch()


def job_step(settings: Mapping[str, Any]) -> list[str]:
    """The words before the command of a run of one worker that make it a step of the Slurm job around it, if any.

    Slurm announces the end of a job, a preemption or `scancel --signal` to its steps only, and the one process of such
    a run would be in none. Several workers are in the step of their agents.
    """
    job = batch_script_job() if launcher_of(settings) == "none" else None
    return [] if job is None else job.on_every_node([])


def margin(runtime: float) -> float:
    """How many seconds before the end of `runtime` minutes a job stops of its own accord.

    Time for a step, a checkpoint and the way out; the batch system's clock also began earlier than ours.
    """
    return min(max(60.0, 0.05 * 60 * runtime), 300.0, 0.5 * 60 * runtime)


def launcher_of(settings: Mapping[str, Any]) -> str:
    """`none`, `dask` or `torchrun`; of `auto` what the number of workers asks for.

    Raises:
        InputError: several workers without a launcher.
    """
    launcher, workers = str(settings.get("launcher", "auto")), settings["workers"]
    if launcher == "auto":
        return "none" if workers == 1 else "dask"
    if launcher == "none" and workers > 1:
        raise InputError(
            "launcher", f"none starts one worker, the run has {workers}", "choose dask or torchrun"
        )
    return launcher


def _train_here(
    settings: Mapping[str, Any],
    store: Path,
    folder: Path,
    code: str,
    around: Surroundings,
    deadline: float | None,
) -> None:
    """One worker needs no other process. torch reads its threads from the environment when it is imported: now."""
    if around.threads is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(around.threads))
    from stgnn.training.engine import train_run

    if deadline is not None:
        stop.install(deadline)
    with nullcontext() if around.scratch is None else temporary_files_in(around.scratch):
        train_run(settings, store, folder, code)


def _job(
    settings: Mapping[str, Any],
    store: Path,
    folder: Path,
    code: str,
    around: Surroundings,
    deadline: float | None,
    function: str,
    launcher: str,
    allocation: Allocation,
) -> Job:
    allocation.check_workers(settings["workers"])
    interface = interface_in_use(around.interface)
    if interface is None and allocation.is_one_machine:
        interface = loopback_name()
    return Job(
        id=uuid.uuid4().hex[:12],
        settings=dict(settings),
        store=str(store.absolute()),
        folder=str(folder.absolute()),
        code=code,
        deadline=deadline,
        function=function,
        launcher=launcher,
        workers=settings["workers"],
        nodes=allocation.nodes,
        address=allocation.address(interface),
        interface=interface,
        scratch=around.scratch,
        threads=around.threads,
    )
