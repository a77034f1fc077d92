"""The job folder `DIR/.job/`: what the driver tells the processes of a job, and what they tell it.

| file | written by | says |
|---|---|---|
| `job.json` | driver, once | the job: `Job` |
| `driver.beat` | driver | that it lives, and what it orders: go on, stop, end |
| `node-<k>.beat`, `.log` | agent of compute node k | that it lives; why the node cannot work |
| `rank-<r>.beat`, `.log` | rank r | that it lives and gets on; how it ended |
| `dask.beat`, `.log`, `scheduler.json` | the Dask scheduler's process | the same for it; where it listens |
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stgnn.distributed.heartbeat import BEAT_SECONDS, Heartbeat, read_beat
from stgnn.files import write_text

TRAIN_RANK = "stgnn.training.rank:train_rank"
GO_ON, STOP, END = "go on", "stop", "end"  # what a driver orders


@dataclass(frozen=True)
class Job:
    """One attempt at a run by several workers. Paths are absolute and mean the same on every compute node."""

    id: str  # of this attempt: an agent that outlived its driver must not serve the next one
    settings: Mapping[str, Any]
    store: str
    folder: str
    code: str
    deadline: float | None  # Unix seconds by which the ranks stop of their own accord
    function: str  # of every rank: "module:name", called with the keyword `job`, the path of job.json
    launcher: str  # dask or torchrun
    workers: int
    nodes: tuple[str, ...]  # names of the compute nodes; each runs workers / nodes ranks
    address: str  # where the other compute nodes reach the first one
    interface: str | None
    scratch: str | None  # node-local folder for temporary files, may hold $VARIABLES of the compute node
    threads: int | None  # of each rank

    @property
    def per_node(self) -> int:
        """Ranks a compute node."""
        return self.workers // len(self.nodes)

    @property
    def home(self) -> Path:
        """`DIR/.job`."""
        return Path(self.folder) / ".job"

    @property
    def path(self) -> Path:
        """`DIR/.job/job.json`."""
        return self.home / "job.json"

    def file(self, who: str, kind: str = "beat") -> Path:
        """The beat or log of `driver`, `node-<k>`, `rank-<r>` or `dask`."""
        return self.home / f"{who}.{kind}"

    def heartbeat(self, who: str, seconds: float = BEAT_SECONDS, **facts: Any) -> Heartbeat:
        """The heartbeat of `who`, which says for which attempt it beats."""
        return Heartbeat(self.file(who), {"job": self.id, **facts}, seconds)

    def beat(self, who: str) -> dict[str, Any] | None:
        """What `who` said last; None for no news.

        A process of an attempt whose driver was killed lives on for a while and writes here too: that is no news.
        """
        beat = read_beat(self.file(who))
        return beat if beat is not None and beat.get("job") == self.id else None

    def ranks_of(self, node: int) -> range:
        """The ranks of compute node number `node`."""
        return range(node * self.per_node, (node + 1) * self.per_node)

    def write(self) -> None:
        """Start the job folder afresh, with this job in it."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(asdict(self), indent=1) + "\n")


class Beats:
    """What the processes of a job have said last, each an empty mapping while it has said nothing."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.ranks: list[dict[str, Any]] = [{}] * job.workers
        self.nodes: list[dict[str, Any]] = [{}] * len(job.nodes)
        self.dask: dict[str, Any] = {}

    def read(self) -> None:
        """Look at all of them. One caught while it is written is as it was."""
        self.ranks = [self._job.beat(f"rank-{rank}") or known for rank, known in enumerate(self.ranks)]
        self.nodes = [self._job.beat(f"node-{node}") or known for node, known in enumerate(self.nodes)]
        self.dask = self._job.beat("dask") or self.dask


def read_job(path: Path) -> Job:
    """The job that `path`, a job.json, declares."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    return Job(**{**facts, "nodes": tuple(facts["nodes"])})
