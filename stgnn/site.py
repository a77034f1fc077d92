"""A site: the shape of its compute nodes, its queues, and what a job of a study asks of them.

How and where jobs run never changes a result, so nothing here is a run's setting. Asking the batch system itself is
`stgnn.batch`'s; Snakemake's profiles in profiles/ say which site a command is for.
"""

import math
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stgnn.errors import InputError
from stgnn.runs import Run
from stgnn.settings import require_known, several

PROFILES = Path("profiles")
COMMAND_LINE = "--config"
UNFILLED = "FILL-IN"  # what a site's file says in place of an account that only its user knows

NUMBERS = ("workers_per_node", "cpus_per_node", "gpus_per_node", "mem_mb_per_node", "runtime")

# Without a site that says otherwise: what a job of one worker, and one that prepares data, may need.
WORKER_MB = 4000
PREPARE_MB = 1000
PREPARE_MINUTES = 120


@dataclass(frozen=True)
class Limit:
    """What a queue takes: jobs of `fewest` to `most` compute nodes, for `runtime` minutes."""

    fewest: int
    most: int
    runtime: int

    def takes(self, nodes: int) -> bool:
        """Does it take a job of so many compute nodes?"""
        return self.fewest <= nodes <= self.most


def _nobody_says(_queue: str | None) -> float:
    return math.inf


@dataclass(frozen=True)
class Site:
    """A checked `site:` mapping (workflow/schemas/site.schema.json) with `threads`, the CPUs of one worker.

    `said` are the keys of it that stood on the command line. `longest` is asked for the most minutes of a job in a
    queue, None the default one, where `queues` does not say; infinity is no answer (see `stgnn.batch.longest`).
    """

    settings: Mapping[str, Any]
    threads: int
    said: Collection[str] = ()
    longest: Callable[[str | None], float] = _nobody_says

    def where(self, *keys: str) -> str:
        """Where to mend any of these keys, for messages: on the command line if one of them stood there."""
        return COMMAND_LINE if any(key in self.said for key in keys) else site_file(self.settings)

    @property
    def queues(self) -> dict[str, list[Limit]]:
        """The limits of each queue, in the order of the file."""
        return {
            name: [_limit(each) for each in several(said)] for name, said in self.settings["queues"].items()
        }

    def nodes(self, workers: int) -> int:
        """Return the compute nodes of a run: the fewest that share its workers evenly."""
        return nodes_for(workers, self.settings["workers_per_node"])

    def threads_on_node(self, workers: int) -> int:
        """Return the CPUs that a run's workers use on each of its compute nodes."""
        return workers // self.nodes(workers) * self.threads

    def queue_for(self, nodes: int) -> tuple[str | None, Limit | None]:
        """Return the queue that a training job of so many compute nodes goes to, and its limit where known.

        Raises:
            InputError: none of the queues takes it.
        """
        queues, wanted = self.queues, several(self.settings["queue"])
        if not queues:
            return next(iter(wanted), None), None
        for name in wanted:
            require_known(name, queues, self.where("queue"), "site.queue")
        chosen = _first_that_takes(nodes, {name: queues[name] for name in wanted} or queues)
        if chosen is None:
            others = [name for name, limits in queues.items() if any(limit.takes(nodes) for limit in limits)]
            todo = f"use {' or '.join(others)}" if others else "declare fewer workers"
            problem = f"site.queue: {_takes(wanted, queues)}, not {_count(nodes, 'compute node')}"
            raise InputError(self.where("queue"), problem, todo)
        return chosen

    def queue_to_prepare(self) -> tuple[str | None, Limit | None]:
        """Return the queue that a job which prepares data goes to: the first listed that takes one compute node."""
        return _first_that_takes(1, self.queues) or self.queue_for(1)

    def train(self, workers: int, attempt: int) -> dict[str, int | str]:
        """Return the resources of a training job, by the names that its executor knows.

        Raises:
            InputError: no queue takes the job.
        """
        nodes = self.nodes(workers)
        queue, limit = self.queue_for(nodes)
        here = workers // nodes
        return self._job(
            nodes=nodes,
            queue=queue,
            runtime=self._minutes(self.settings["runtime"], attempt, queue, limit),
            threads=self.threads_on_node(workers),
            gpus=self._share(self.settings["gpus_per_node"], here),
            mem_mb=self._memory(here, attempt),
        )

    def prepare(self, attempt: int) -> dict[str, int | str]:
        """Return the resources of a job on one compute node that prepares data."""
        queue, limit = self.queue_to_prepare()
        first = min(PREPARE_MINUTES, self.settings["runtime"])
        return self._job(
            nodes=1,
            queue=queue,
            runtime=self._minutes(first, attempt, queue, limit),
            threads=1,
            gpus=0,
            mem_mb=PREPARE_MB * attempt,
        )

    def environment(self) -> dict[str, str]:
        """Return the environment variables of jobs, `$VARIABLES` filled in from this process's, unset ones as empty."""
        return {name: _filled_in(str(value)) for name, value in self.settings["environment"].items()}

    def setup(self, programs: str) -> str:
        """Return the shell lines before training, after which the folder `programs` still comes first.

        `module` reads variables that are not set, and loading another Python would hide this one.
        """
        lines: list[str] = self.settings["setup"]
        return "; ".join(["set +u", *lines, f"PATH={shlex.quote(programs)}:$PATH", "set -u"]) if lines else ""

    def _minutes(self, first: int, attempt: int, queue: str | None, limit: Limit | None) -> int:
        """Return what an attempt asks for: the first one's minutes times its number, as far as the queue allows.

        A batch system may let a job that asks for more wait for ever. That the first fits is checked beforehand.
        """
        if attempt == 1 and limit is None:
            return first
        return int(min(first * attempt, limit.runtime if limit else self.longest(queue)))

    def _share(self, whole: int, workers: int) -> int:
        """Return what is the workers' of something on a compute node."""
        slots: int = self.settings["workers_per_node"] or workers
        return -(-whole * workers // slots)

    def _memory(self, workers: int, attempt: int) -> int:
        whole: int | None = self.settings["mem_mb_per_node"]
        if whole is None:
            return WORKER_MB * workers * attempt
        return min(self._share(whole, workers) * attempt, whole)

    def _job(
        self, *, nodes: int, queue: str | None, runtime: int, threads: int, gpus: int, mem_mb: int
    ) -> dict[str, int | str]:
        everywhere: dict[str, int | str] = {"mem_mb": mem_mb, "runtime": runtime}
        match self.settings["scheduler"]:
            case "slurm":
                return everywhere | self._slurm(nodes, queue, gpus)
            case "pbs":
                return everywhere | self._pbs(nodes, queue, threads, gpus, mem_mb)
            case _:
                return everywhere

    def _slurm(self, nodes: int, queue: str | None, gpus: int) -> dict[str, int | str]:
        """Resources of snakemake-executor-plugin-slurm.

        One task a compute node, whose CPUs are the job's threads. The key `mpi` keeps the plugin from wrapping the
        command in an `srun` of one node; its value, empty, from wanting more than one task. GPUs go by `slurm_extra`
        since a resource `gpu` would make of `tasks` tasks per GPU.
        """
        options = dict(self.settings["options"])
        extra = [str(options.pop("slurm_extra", "")), f"--gpus-per-node={gpus}" if gpus else ""]
        as_queue = {"partition": "slurm_partition", "qos": "qos"}[self.settings["queues_are"]]
        named = {as_queue: queue, "slurm_account": self.settings["account"]}
        given = {key: value for key, value in named.items() if value}
        asked: dict[str, int | str] = {"nodes": nodes, "tasks": nodes, "mpi": ""}
        return asked | options | given | {"slurm_extra": " ".join(filter(None, extra))}

    def _pbs(
        self, nodes: int, queue: str | None, threads: int, gpus: int, mem_mb: int
    ) -> dict[str, int | str]:
        """Resources for profiles/pbs/submit.py."""
        options = dict(self.settings["options"])
        asked = [options.pop("select", ""), f"ncpus={threads}", f"ngpus={gpus}" if gpus else ""]
        memory = f"mem={mem_mb}mb" if self.settings["mem_mb_per_node"] else ""
        chunk = ":".join(str(part) for part in [nodes, *asked, memory] if part)
        named = {"queue": queue, "account": self.settings["account"]}
        return {"select": chunk} | options | {key: value for key, value in named.items() if value}


def site_file(settings: Mapping[str, Any]) -> str:
    """Return the file that a `site:` mapping stands in, for messages: its profile's, or config/config.yaml."""
    path = PROFILES / str(settings.get("name")) / "site.yaml"
    return str(path) if path.is_file() else "config/config.yaml"


def as_meant(key: str, value: Any) -> Any:
    """Return a number or null that Snakemake takes for text, as it does within `--config 'site={runtime: 60}'`."""
    if value == "null":
        return None
    return int(value) if key in NUMBERS and isinstance(value, str) and value.isdecimal() else value


def nodes_for(workers: int, workers_per_node: int | None) -> int:
    """Return the smallest number of compute nodes that divides `workers` into at most `workers_per_node` each."""
    fewest = 1 if workers_per_node is None else -(-workers // workers_per_node)
    return next(nodes for nodes in range(fewest, workers + 1) if workers % nodes == 0)


def check_site(site: Site) -> None:
    """Raise `InputError` where the site contradicts itself: workers without CPUs, limits upside down."""
    settings = site.settings
    slots, cpus = settings["workers_per_node"], settings["cpus_per_node"]
    if slots and cpus and slots * site.threads > cpus:
        problem = f"site.cpus_per_node: {slots} workers of {site.threads} threads are more than {cpus} CPUs"
        raise InputError(
            site.where("workers_per_node", "cpus_per_node"), problem, "lower threads or workers_per_node"
        )
    for name, limits in site.queues.items():
        for limit in limits:
            if limit.fewest > limit.most:
                problem = f"site.queues.{name}.nodes: from {limit.fewest} to {limit.most}"
                raise InputError(site.where("queues"), problem, "the fewest compute nodes come first")


def check_runs(site: Site, runs: Iterable[Run]) -> None:
    """Raise `InputError` unless every run's job fits a queue, in compute nodes and in time."""
    for workers, run in {run.settings["workers"]: run for run in runs}.items():
        try:
            queue, limit = site.queue_for(site.nodes(workers))
        except InputError as error:
            raise InputError(error.where, f"{error.problem} (run {run.id})", error.todo) from None
        if limit and site.settings["runtime"] > limit.runtime:
            problem = f"site.runtime: {site.settings['runtime']} minutes, but '{queue}' takes {limit.runtime}"
            raise InputError(
                site.where("runtime", "queue"),
                f"{problem} for a job of {_count(site.nodes(workers), 'compute node')}",
                "lower runtime or use another queue; a training job that runs out of it resumes",
            )


def require_account(site: Site) -> None:
    """Raise `InputError` while the site's file names no account and jobs cannot be charged."""
    if site.settings["account"] == UNFILLED:
        todo = "write your project's name there, or give --config 'site={account: NAME}'"
        raise InputError(site.where("account"), "site.account: not filled in", todo)


def _filled_in(value: str) -> str:
    """`a:$NONE` is `a`: an empty entry of a path list would be the current folder."""
    return re.sub(r"(:?)\$(?:(\w+)|\{(\w+)\})", _variable, value)


def _variable(found: re.Match[str]) -> str:
    colon, value = found[1], os.environ.get(found[2] or found[3], "")
    return colon + value if value else ""


def _limit(said: Mapping[str, Any]) -> Limit:
    fewest, most = said["nodes"]
    return Limit(fewest, most, said["runtime"])


def _first_that_takes(nodes: int, queues: Mapping[str, list[Limit]]) -> tuple[str, Limit] | None:
    return next(
        ((name, limit) for name, limits in queues.items() for limit in limits if limit.takes(nodes)), None
    )


def _takes(wanted: Iterable[str], queues: Mapping[str, list[Limit]]) -> str:
    """What the queues take: 'debug' takes 1 to 2 compute nodes, 'prod' 10 to 496."""
    ranges = [
        f"'{name}' takes {min(each.fewest for each in queues[name])} to {max(each.most for each in queues[name])}"
        for name in wanted or queues
    ]
    return ", ".join(ranges)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
