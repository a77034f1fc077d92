"""What the batch system itself says of a site's queues and account, asked once before the first job is submitted.

Where its programs are missing, slow or do not answer, nothing is said here: the submission will tell.
"""

import getpass
import re
import subprocess
from collections.abc import Iterable, Mapping

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
            require_known(queue, known, site.where, "site.queue: SLURM has no such QOS")
    account = site.settings["account"]
    accounts = _words(_ask([*_ACCOUNTING, "associations", f"user={getpass.getuser()}", "format=account"]))
    if account and accounts:
        require_known(account, accounts, site.where, "site.account: not one of yours in SLURM")


def _check_partitions(site: Site, used: Mapping[str | None, int]) -> None:
    """`used` says for each partition, None the default one, the most compute nodes of a job."""
    lines = (_ask(["sinfo", "--all", "--noheader", "--format=%P|%l|%D"]) or "").splitlines()
    partitions = {name: (limit, int(nodes)) for name, limit, nodes in (line.split("|") for line in lines)}
    default = next((name for name in partitions if name.endswith("*")), None)
    for queue, nodes in used.items() if partitions else ():
        if queue is not None:
            names = [name.rstrip("*") for name in partitions]
            require_known(queue, names, site.where, "site.queue: SLURM has no such partition")
        name = default if queue is None or f"{queue}*" == default else queue
        if name is not None:
            _check_partition(site, name.rstrip("*"), nodes, *partitions[name])


def _check_partition(site: Site, name: str, nodes: int, limit: str, most: int) -> None:
    if nodes > most:
        problem = f"site.queue: partition '{name}' has {most} compute nodes, a run needs {nodes}"
        raise InputError(site.where, problem, "use another, or declare fewer workers")
    if site.settings["runtime"] > minutes(limit):
        problem = f"site.runtime: {site.settings['runtime']} minutes, but partition '{name}' takes {limit}"
        todo = "lower runtime and say under queues what the partition takes, or use another"
        raise InputError(site.where, problem, todo)


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
        raise InputError(site.where, f"site.queue: PBS knows no queue '{queue}'", "qstat -Q lists them")
    if re.search(r"^\s*enabled = False", said, re.MULTILINE):
        raise InputError(
            site.where, f"site.queue: '{queue}' takes no jobs now (enabled = False)", "use another"
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
