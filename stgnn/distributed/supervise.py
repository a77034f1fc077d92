"""The driver's watch over a job: starts agents and launcher, hears of every failure, and ends all in order."""

import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from types import TracebackType
from typing import Self

from stgnn.distributed.allocation import Allocation
from stgnn.distributed.causes import (
    DASK,
    REAL,
    SYMPTOM,
    Cause,
    full_disk,
    report,
    stack_of_rank,
    told_causes,
)
from stgnn.distributed.job import END, GO_ON, STOP, Beats, Job
from stgnn.distributed.processes import end_all, start
from stgnn.distributed.untold import Untold
from stgnn.distributed.watch import Limits
from stgnn.errors import InputError
from stgnn.training.stop import Stopped, StopRequest

log = logging.getLogger(__name__)
TICK_SECONDS = 0.25
LOOKS_A_SECOND = 100  # at most so many beats are read, each from the shared file system
SHOWN_STACKS = 4
GOOD_ENDS = ("done", "stopped")


class TrainingFailed(Exception):
    """A rank failed, died or hung; the text says which and how, the likeliest cause first."""


class Supervisor:
    """A job under way."""

    def __init__(self, job: Job, allocation: Allocation, limits: Limits, asked: StopRequest) -> None:
        self._job, self._allocation, self._limits, self._asked = job, allocation, limits, asked
        self._children: dict[str, Popen[bytes]] = {}
        self._heartbeat = job.heartbeat("driver", seconds=1.0, order=GO_ON)
        self._beats = Beats(job)
        self._untold = Untold(job, limits)
        self._shown = 0
        self._failed_at: float | None = None
        self._stopping_since: float | None = None

    # -- begin and end --------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._heartbeat.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """However the watch ended: nothing is left running."""
        self._end()

    def start(self) -> None:
        """Start an agent on every compute node, and what the launcher needs beside them."""
        job, allocation = self._job, self._allocation
        python = [sys.executable, "-m"]
        agent = [*python, "stgnn.distributed.agent", str(job.path), allocation.kind]
        command = allocation.on_every_node(agent)
        # srun and mpiexec pass a SIGTERM on to their agents, which they could not do if they were killed.
        on_orphan = signal.SIGKILL if command == agent else signal.SIGTERM
        log.info("%d workers on %d compute node(s), by %s", job.workers, len(job.nodes), job.launcher)
        starter = "the agent" if command == agent else Path(command[0]).name
        self._children[starter] = start(command, self._agents_log, on_orphan=on_orphan)
        if job.launcher == "dask":
            scheduler = [*python, "stgnn.distributed.dask_launcher", str(job.path)]
            self._children[DASK] = start(scheduler, job.file("dask", "log"), self._quiet())

    @property
    def _agents_log(self) -> Path:
        return self._job.home / "agents.log"

    def _quiet(self) -> dict[str, str]:
        return {**os.environ, "OMP_NUM_THREADS": "1"}  # computes nothing

    def _end(self, dump: bool = False) -> None:
        if not self._all_ended():
            if scheduler := self._children.get(DASK):
                end_all([scheduler])  # the workers it has not told to leave are the agents' to end
            self._heartbeat.tell(order=END, dump=dump)
            self._wait_for_children(self._limits.close)
            end_all(list(self._children.values()))
        self._heartbeat.stop()
        if self._failed_at is None:  # else rank 0 says only what the report says better
            self._show_first_rank()

    def _wait_for_children(self, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        while not self._all_ended() and time.monotonic() < give_up:
            time.sleep(TICK_SECONDS)

    # -- the watch ------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Return when all ranks are done.

        Raises:
            Stopped: they stopped when asked to.
            InputError, TrainingFailed: they did not get that far.
        """
        looked, pause = 0.0, max(2 * TICK_SECONDS, self._job.workers / LOOKS_A_SECOND)
        while True:
            time.sleep(TICK_SECONDS)
            if time.monotonic() - looked < pause:
                continue
            looked = time.monotonic()
            self._beats.read()
            if self._are_over():
                return
            self._fail_if_due()
            if self._failed_at is None:
                self._show_first_rank()
                self._heed_stop()

    def _are_over(self) -> bool:
        ends = [beat.get("end", {}) for beat in self._beats.ranks]
        if any(end.get("how") not in GOOD_ENDS for end in ends):
            return False
        self._wait_for_children(self._limits.close)
        stopped = next((end["message"] for end in ends if end["how"] == "stopped"), None)
        if stopped is not None:
            raise Stopped(stopped)
        return True

    def _fail_if_due(self) -> None:
        """Raise the first cause, some time after the first failure: the loudest is seldom the first."""
        causes = [
            *told_causes(self._job, self._beats),
            *self._untold.causes(self._beats, self._children),
            *self._not_stopping(),
        ]
        if not causes:  # or no more: who was silent has spoken
            self._failed_at = None
            return
        causes += full_disk(self._job)
        now = time.monotonic()
        self._failed_at = self._failed_at or now
        waited, limits = now - self._failed_at, self._limits
        first = min(causes)
        more_may_come = first.likelihood >= SYMPTOM and not self._all_ended()
        if waited < limits.settle or (more_may_come and waited < limits.silence + limits.settle):
            return
        self._fail(causes, first)

    def _fail(self, causes: Sequence[Cause], first: Cause) -> None:
        self._end(dump=first.is_stall)
        if first.is_input:
            where, _, problem = first.what.partition(": ")
            raise InputError(where, problem)
        where = f"logs of all processes: {self._job.home}"
        where += " (torchrun's own report: node-*.log)" if self._job.launcher == "torchrun" else ""
        what = self._stall_report(first) if first.is_stall else report(causes, self._log_of(first))
        raise TrainingFailed(f"{what}\n{where}")

    def _stall_report(self, stall: Cause) -> str:
        """Where each of the ranks furthest behind was: one of them may be at fault, the others wait for it."""
        lines = [stall.line]
        ranks = self._beats.ranks
        for rank in sorted(range(len(ranks)), key=lambda rank: ranks[rank].get("step", 0)):
            stack = stack_of_rank(self._job.file(f"rank-{rank}", "log"))
            lines += [f"rank {rank} was in:", stack] if stack else []
        return "\n".join(lines[: 1 + 2 * SHOWN_STACKS])

    def _log_of(self, cause: Cause) -> Path:
        kind, _, number = cause.who.partition(" ")
        if kind == "rank":
            return self._job.file(f"rank-{number.split()[0]}", "log")
        return self._job.file("dask", "log") if cause.who == DASK else self._agents_log

    def _all_ended(self) -> bool:
        return all(child.poll() is not None for child in self._children.values())

    # -- stopping -------------------------------------------------------------------------------------

    def _heed_stop(self) -> None:
        if self._stopping_since is not None or not self._is_asked():
            return
        if not all(beat.get("phase") == "training" for beat in self._beats.ranks):
            raise Stopped("stopped before training began; the same command starts it")
        log.info("asked to stop: the ranks save their place")
        self._stopping_since = time.monotonic()
        self._heartbeat.tell(order=STOP)

    def _is_asked(self) -> bool:
        deadline = self._job.deadline
        asked = bool(self._asked) or (deadline is not None and time.time() >= deadline)
        return asked or any(beat.get("stop") for beat in self._beats.nodes)

    def _not_stopping(self) -> list[Cause]:
        since, patience = self._stopping_since, self._limits.patience
        if since is None or time.monotonic() - since < patience:
            return []
        what = f"were asked to stop and have not in {patience:.0f} s; their last checkpoint stays"
        return [Cause(REAL, time.time(), "the ranks", what)]

    def _show_first_rank(self) -> None:
        """Pass on what rank 0 has written since this was last called."""
        try:
            with self._job.file("rank-0", "log").open("rb") as file:
                file.seek(self._shown)
                text = file.read()
        except OSError:
            return
        self._shown += len(text)
        sys.stderr.write(text.decode(errors="replace"))
        sys.stderr.flush()
