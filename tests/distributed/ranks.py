"""Rank functions for the launchers' tests, by how they behave. `settings["how"]` is that of `settings["culprit"]`."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from stgnn.distributed import heartbeat
from stgnn.distributed.job import Job, read_job
from stgnn.errors import InputError
from stgnn.training.stop import Stopped, StopRequest


def run(job: Path) -> None:
    """Exchange numbers, misbehave, and wait for each other."""
    declared = read_job(job)
    if not dist.is_initialized():
        dist.init_process_group("gloo")
    rank = dist.get_rank()
    total = _sum(torch.tensor(rank + 1.0))
    heartbeat.progress(1)
    names = ("TMPDIR", "LOCAL_RANK", "WORLD_SIZE", "OMP_NUM_THREADS", "GLOO_SOCKET_IFNAME")
    cores = sorted(os.sched_getaffinity(0))
    facts = {"sum": total, "cores": cores, **{name: os.environ.get(name) for name in names}}
    (Path(declared.folder) / f"facts-{rank}.json").write_text(json.dumps(facts))
    sys.stdout.write(f"rank {rank} is here\n")
    sys.stdout.flush()
    if rank == declared.settings["culprit"]:
        _misbehave(declared)
    if declared.settings["how"] == "run until stopped":
        _run_until_stopped()
    _sum(torch.zeros(()))


def _sum(value: torch.Tensor) -> float:
    dist.all_reduce(value)
    return float(value)


def _misbehave(job: Job) -> None:
    match job.settings["how"]:
        case "raise":
            raise ValueError("the sky is falling")
        case "wrong input":
            raise InputError("batching", "unknown 'psychic'", "choose another")
        case "exit":
            os._exit(3)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(3600)


def _run_until_stopped() -> None:
    with StopRequest() as stop:
        asked, step = torch.zeros(()), 1
        while not asked:
            time.sleep(0.05)
            asked = torch.tensor(float(bool(stop)))
            dist.all_reduce(asked)
            step += 1
            heartbeat.progress(step)
        raise Stopped(f"stopped at step {step}")
