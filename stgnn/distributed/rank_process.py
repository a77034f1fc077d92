"""What surrounds the rank function in every worker's process, whichever launcher started it.

The process lives no longer than its parent, writes to its own log, keeps to its cores, beats, heeds
requests to stop, and leaves word of how the rank ended.
"""

import faulthandler
import importlib
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from stgnn.distributed import heartbeat
from stgnn.distributed.job import Job, read_job
from stgnn.distributed.pinning import pin
from stgnn.distributed.processes import die_with_parent
from stgnn.errors import InputError
from stgnn.training import stop

CORES = "STGNN_CORES"  # of the ranks of this compute node, `0,1;2,3`, by local rank
NODE = "STGNN_NODE"  # number of this compute node
END_GROUP = "destroy_process_group"  # torch's function
DUMP_STACKS = signal.SIGUSR2  # where every thread is goes to the rank's log, even from inside a hanging call


def enter(job: Job, rank: int) -> None:
    """Make this process that of `rank`; before torch is imported, which starts threads.

    From the first beat on the process can be found, and a signal to stop is heeded.
    """
    die_with_parent()
    _log_to(job.file(f"rank-{rank}", "log"))
    stop.install(job.deadline)
    faulthandler.register(DUMP_STACKS)
    if shares := os.environ.get(CORES):
        pin(int(core) for core in shares.split(";")[int(os.environ["LOCAL_RANK"])].split(","))
    node = int(os.environ[NODE])
    heartbeat.beat_as(
        job.heartbeat(f"rank-{rank}", rank=rank, node=node, phase="starting", step=0, progressed=0.0)
    )


def _log_to(file: Path) -> None:
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(out)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )


def find_function(dotted: str) -> Callable[..., None]:
    """`module:name` -> the function; imports what the rank needs."""
    module, name = dotted.split(":")
    function: Callable[..., None] = getattr(importlib.import_module(module), name)
    return function


def run_rank(call: Callable[[], Any]) -> None:
    """Call the rank's work and leave word of how it ended; a failure is raised again.

    A rank that stopped when asked to has done what it should: its launcher must not end the others,
    which may still be saving.
    """
    heartbeat.tell(phase="training", progressed=time.time())
    try:
        call()
    except stop.Stopped as stopped:
        heartbeat.tell(end=_end("stopped", str(stopped)))
    except InputError as error:
        heartbeat.tell(end=_end("input", str(error)))
        raise
    except BaseException as error:
        real = _unmasked(error)
        heartbeat.tell(end=_end("error", _one_line(real), "".join(traceback.format_exception(real))))
        raise
    else:
        heartbeat.tell(end=_end("done", ""))


def _unmasked(error: BaseException) -> BaseException:
    """dask-pytorch-ddp ends a process group that was never made: what kept it from being made is the error."""
    calls = [call.name for call in traceback.extract_tb(error.__traceback__)]
    of_the_end = isinstance(error, AssertionError) and END_GROUP in calls
    return error.__context__ or error if of_the_end else error


def _one_line(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[0]


def _end(how: str, message: str, trace: str = "") -> dict[str, Any]:
    return {"how": how, "message": message, "trace": trace[-heartbeat.TRACE_CHARACTERS :], "at": time.time()}


def note_death(job: Job, rank: int, how: str, host: str) -> None:
    """Say in a dead rank's beat how it ended, unless it did so itself or the file is another attempt's by now."""
    file = job.file(f"rank-{rank}")
    beat = heartbeat.read_beat(file) or {"job": job.id, "rank": rank, "host": host}
    if beat.get("job") == job.id and "end" not in beat:
        heartbeat.write_beat(file, {**beat, "end": _end("died", how)})


def main(path: str) -> None:
    """Be the rank that RANK and LOCAL_RANK say of the job that `path` declares, by the job's launcher.

    The launchers' parts are imported late: with them comes torch.
    """
    job, rank = read_job(Path(path)), int(os.environ["RANK"])
    enter(job, rank)
    if job.launcher == "dask":
        from stgnn.distributed.dask_worker import serve

        serve(job, rank)
    else:
        from stgnn.distributed.torchrun_launcher import run_recorded

        run_recorded(job)


def _leave(status: int) -> NoReturn:
    """Leave at once: threads of a process group, or one that hangs in a collective, would hold the process."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        _leave(1)
    _leave(0)
