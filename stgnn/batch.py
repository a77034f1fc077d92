"""What the batch system itself says of a site's queues and account, asked before the first job is submitted.

Where its programs are missing, slow or do not answer, nothing is said here: the submission will tell.
"""

import getpass
import math
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from stgnn.errors import InputError
from stgnn.runs import Run
from stgnn.settings import require_known
from stgnn.site import Site, require_account

PATIENCE = 10.0  # seconds for an answer

_ACCOUNTING = ["sacctmgr", "--noheader", "--parsable2", "show"]


def require_acceptance(site: Site, runs: Iterable[Run]) -> None:
    """Raise `InputError` unless the account is filled in and the batch system knows it and the queues of these runs.

    SLURM is asked for the limits of partitions too: it lets a job that exceeds them wait for ever.
    """
    require_account(site)
    nodes = {site.nodes(run.settings["workers"]) for run in runs}
    used = {site.queue_to_prepare()[0]: 1}
    for each in sorted(nodes):
        used[site.queue_for(each)[0]] = each
    match site.settings["scheduler"]:
        case "slurm":
            _check_slurm(site, used)
        case "pbs":
            for queue in filter(None, used):
                _check_pbs(site, queue)


def _check_slurm(site: Site, used: Mapping[str | None, int]) -> None:
    if site.settings["queues_are"] == "partition":
        _check_partitions(site, used)
    else:
        known = _words(_ask([*_ACCOUNTING, "qos", "format=name"]))
        for queue in filter(None, used if known else ()):
            require_known(queue, known, site.where("queue"), "site.queue: SLURM has no such QOS")
    account = site.settings["account"]
    accounts = _words(_ask([*_ACCOUNTING, "associations", f"user={getpass.getuser()}", "format=account"]))
    if account and accounts:
        require_known(account, accounts, site.where("account"), "site.account: not one of yours in SLURM")


def _check_partitions(site: Site, used: Mapping[str | None, int]) -> None:
    """`used` says for each partition, None the default one, the most compute nodes of a job."""
    partitions = _partitions()
    for queue, nodes in used.items() if partitions else ():
        if queue is not None:
            names = [each.name for each in partitions.values()]
            require_known(queue, names, site.where("queue"), "site.queue: SLURM has no such partition")
        if queue in partitions:
            _check_partition(site, nodes, partitions[queue])


def longest(site: Mapping[str, Any], queue: str | None) -> float:
    """Return the most minutes of a job in a SLURM partition, None the default one; infinity where nobody says."""
    if site["scheduler"] != "slurm" or site["queues_are"] != "partition":
        return math.inf
    partition = _partitions().get(queue)
    return math.inf if partition is None else minutes(partition.limit)


@dataclass(frozen=True)
class _Partition:
    name: str
    limit: str  # the most time of a job, as SLURM says it
    nodes: int


@cache
def _partitions() -> Mapping[str | None, _Partition]:
    """SLURM's partitions by name, the default one also as None; empty where it does not answer."""
    lines = (_ask(["sinfo", "--all", "--noheader", "--format=%P|%l|%D"]) or "").splitlines()
    found: dict[str | None, _Partition] = {}
    for said, limit, nodes in (line.split("|") for line in lines):
        partition = _Partition(said.rstrip("*"), limit, int(nodes))
        found[partition.name] = partition
        if said.endswith("*"):
            found[None] = partition
    return found


def _check_partition(site: Site, nodes: int, partition: _Partition) -> None:
    name, limit = partition.name, partition.limit
    if nodes > partition.nodes:
        problem = f"site.queue: partition '{name}' has {partition.nodes} compute nodes, a run needs {nodes}"
        raise InputError(site.where("queue"), problem, "use another, or declare fewer workers")
    if site.settings["runtime"] > minutes(limit):
        problem = f"site.runtime: {site.settings['runtime']} minutes, but partition '{name}' takes {limit}"
        todo = "lower runtime and say under queues what the partition takes, or use another"
        raise InputError(site.where("runtime", "queue"), problem, todo)


def minutes(said: str) -> float:
    """Return the minutes of a SLURM time: `2-12:00:00`, `30:00`, `infinite`."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", said)
    if found is None:
        return float("inf")
    days, hours, whole, seconds = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + whole + seconds / 60


def _check_pbs(site: Site, queue: str) -> None:
    said = _ask(["qstat", "-Q", "-f", queue])
    if said is None:
        return
    if "Unknown queue" in said:
        raise InputError(
            site.where("queue"), f"site.queue: PBS knows no queue '{queue}'", "qstat -Q lists them"
        )
    if re.search(r"^\s*enabled = False", said, re.MULTILINE):
        raise InputError(
            site.where("queue"), f"site.queue: '{queue}' takes no jobs now (enabled = False)", "use another"
        )


def _ask(command: list[str]) -> str | None:
    """Return what a program says, complaints included; None when it is missing or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0 and command[0] != "qstat":
        return None
    return done.stdout + done.stderr


def _words(said: str | None) -> list[str]:
    return sorted(set((said or "").split()))
