"""The agent of a compute node: checks that the node can work, starts its ranks, watches and ends them.

It ends them when one has died, when the driver orders it, and when the driver itself is gone.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from types import FrameType
from typing import Any

from stgnn.distributed import heartbeat, network
from stgnn.distributed.allocation import node_number
from stgnn.distributed.heartbeat import read_beat
from stgnn.distributed.job import END, STOP, Job, read_job
from stgnn.distributed.pinning import available_cores, cores_beside_gpus, cores_of_ranks, unbind
from stgnn.distributed.processes import end_all, how_it_ended, start
from stgnn.distributed.rank_process import CORES, DUMP_STACKS, NODE, note_death
from stgnn.distributed.scratch import TEMPORARY, scratch_folder
from stgnn.distributed.watch import Silence
from stgnn.errors import InputError
from stgnn.store.manifest import manifest_path
from stgnn.training.stop import SIGNALS

log = logging.getLogger(__name__)
TICK_SECONDS = 0.25
DRIVER_SILENCE = 30.0  # seconds after which the driver counts as lost
SETTLE_SECONDS = 2.0  # after a rank's death: what the others die of meanwhile is told too
TORCHRUN = "stgnn.distributed.torchrun_launcher"


@dataclass
class Agent:
    """One compute node's part of a job."""

    job: Job
    node: int
    children: dict[int, Popen[bytes]] = field(
        default_factory=dict
    )  # by rank; torchrun's under the first of them
    stop_asked: bool = False
    _told: set[int] = field(default_factory=set)  # processes that were asked to stop
    _died_at: float | None = None

    @property
    def name(self) -> str:
        """`node-<k>`, by which its files in the job folder are called."""
        return f"node-{self.node}"

    def start_ranks(self, scratch: Path) -> None:
        """Start the node's ranks, whose temporary files go to `scratch`."""
        environment = {**os.environ, **self._variables(), TEMPORARY: str(scratch)}
        if self.job.launcher == "torchrun":
            command = [sys.executable, "-m", TORCHRUN, str(self.job.path), str(self.node)]
            self.children[self.job.ranks_of(self.node)[0]] = start(command, self._log, environment)
            return
        command = [sys.executable, "-m", "stgnn.distributed.rank_process", str(self.job.path)]
        for local, rank in enumerate(self.job.ranks_of(self.node)):
            own = {"RANK": str(rank), "LOCAL_RANK": str(local)}
            self.children[rank] = start(command, self._log, {**environment, **own})

    @property
    def _log(self) -> Path:
        return self.job.file(self.name, "log")

    def _variables(self) -> dict[str, str]:
        """What all ranks of the node have in their environment. What the site has set stays."""
        job, allowed = self.job, available_cores()
        gpus = [] if job.settings.get("device") == "cpu" else cores_beside_gpus()
        shares = cores_of_ranks(job.per_node, gpus, allowed)
        threads = job.threads or max(1, len(allowed) // job.per_node)
        usual = {"OMP_NUM_THREADS": str(threads), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        return {
            **{name: value for name, value in usual.items() if name not in os.environ},
            **network.variables(job.interface),
            **({CORES: ";".join(",".join(map(str, share)) for share in shares)} if shares else {}),
            NODE: str(self.node),
        }

    def watch(self) -> int:
        """Return 0 when all children have ended well, 1 when they were ended."""
        driver, checked = Silence(DRIVER_SILENCE), 0.0
        while not self._have_ended():
            time.sleep(TICK_SECONDS)
            if self._died_at is not None and time.monotonic() - self._died_at > SETTLE_SECONDS:
                return 1
            if time.monotonic() - checked < 1.0:
                continue
            checked, beat = time.monotonic(), read_beat(self.job.file("driver"))
            if driver.is_long(beat and beat["beat"]):
                log.error("no sign of life from the driver for %.0f s: ending the ranks", DRIVER_SILENCE)
                return 1
            if beat is not None and (beat["job"] != self.job.id or beat["order"] == END):
                self._dump_stacks(beat)
                return 1
            if self.stop_asked or (beat is not None and beat["order"] == STOP):
                self._ask_to_stop()
        return 0 if self._died_at is None else 1

    def _have_ended(self) -> bool:
        for rank, child in self.children.items():
            if status := child.poll():
                self._died_at = self._died_at or time.monotonic()
                self._note_death(rank, status)
        return all(child.returncode is not None for child in self.children.values())

    def _note_death(self, rank: int, status: int) -> None:
        """Say how a rank died that could not. torchrun itself tells of its ranks, unless it was killed."""
        host, how = self.job.nodes[self.node], how_it_ended(status)
        if self.job.launcher == "dask":
            note_death(self.job, rank, how, host)
        elif status < 0:
            for beat in self._own_beats():
                note_death(self.job, beat["rank"], f"its torchrun {how}", host)

    def _ask_to_stop(self) -> None:
        """Signal the ranks of this node, each once; those that do not beat yet, when they do."""
        for beat in self._own_beats():
            if beat["pid"] not in self._told:
                self._told.add(beat["pid"])
                _signal(beat["pid"], signal.SIGUSR1)

    def _dump_stacks(self, order: dict[str, Any]) -> None:
        if order.get("dump"):
            for beat in self._own_beats():
                _signal(beat["pid"], DUMP_STACKS)
            time.sleep(1.0)

    def _own_beats(self) -> Iterator[dict[str, Any]]:
        """The beats of this node's ranks that have not ended. Only torchrun knows which ranks it has here."""
        for rank in range(self.job.workers):
            beat = self.job.beat(f"rank-{rank}")
            if beat is not None and beat.get("node") == self.node and "end" not in beat:
                yield beat


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def check_node(job: Job, node: int) -> None:
    """Raise `InputError` unless this compute node sees the store and has the network interface."""
    name = job.nodes[node]
    file = manifest_path(Path(job.store))
    try:
        json.loads(file.read_text(encoding="utf-8"))
        next(Path(job.store).iterdir())
    except (OSError, ValueError, StopIteration) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not readable"
        todo = "put it on a file system that all compute nodes share"
        raise InputError(
            job.store, f"compute node {name} does not have this store ({reason})", todo
        ) from None
    if job.interface is not None:
        network.address_of(job.interface)


def main(path: str, kind: str) -> int:
    """Be the agent of this compute node for the job that `path` declares; `kind` is that of its allocation."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    job, node = read_job(Path(path)), node_number(kind)
    agent = Agent(job, node)
    _heed_signals(agent)
    heartbeat.beat_as(job.heartbeat(agent.name, node=node))
    if kind == "pbs" and len(job.nodes) > 1 and (more := unbind()):
        log.warning("mpiexec had bound this agent, kept off %d cores: its ranks share all of the job's", more)
    try:
        check_node(job, node)
        with scratch_folder(job.scratch, job.folder, node, job.nodes[node]) as scratch:
            try:
                agent.start_ranks(scratch)
                status = agent.watch()
            finally:
                end_all(list(agent.children.values()))
    except InputError as error:
        heartbeat.tell(end={"how": "input", "message": str(error), "trace": "", "at": time.time()})
        return 2
    heartbeat.tell(end={"how": "left"})  # an agent that leaves without a word was killed, or its node lost
    return status


def _heed_signals(agent: Agent) -> None:
    """A batch system may signal the agents alone: they pass it on, and the driver learns of it."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        heartbeat.note(stop=True)
        agent.stop_asked = True

    for number in SIGNALS:
        signal.signal(number, ask)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
