"""What the batch system itself says of a site's queues and account, asked once before the first job is submitted.

Where its programs are missing, slow or do not answer, nothing is said here: the submission will tell.
"""

import getpass
import re
import subprocess
from collections.abc import Iterable

from stgnn.errors import InputError
from stgnn.runs import Run
from stgnn.settings import require_known
from stgnn.site import Site, require_account

PATIENCE = 10.0  # seconds for an answer


def require_acceptance(site: Site, runs: Iterable[Run]) -> None:
    """Raise `InputError` unless the account is filled in and the batch system knows it and the queues of these runs."""
    require_account(site)
    nodes = {site.nodes(run.settings["workers"]) for run in runs}
    used = {site.queue_to_prepare()[0], *(site.queue_for(each)[0] for each in nodes)}
    queues = sorted(queue for queue in used if queue)
    match site.settings["scheduler"]:
        case "slurm":
            _check_slurm(site, queues)
        case "pbs":
            for queue in queues:
                _check_pbs(site, queue)


def _check_slurm(site: Site, queues: list[str]) -> None:
    commands = {
        "partition": ["sinfo", "--all", "--noheader", "--format=%R"],
        "qos": ["sacctmgr", "--noheader", "--parsable2", "show", "qos", "format=name"],
    }
    known = _words(_ask(commands[site.settings["queues_are"]]))
    for queue in queues if known else []:
        require_known(queue, known, site.where, "site.queue: SLURM knows it not")
    account = site.settings["account"]
    user = f"user={getpass.getuser()}"
    accounts = _words(
        _ask(["sacctmgr", "--noheader", "--parsable2", "show", "associations", user, "format=account"])
    )
    if account and accounts:
        require_known(account, accounts, site.where, "site.account: SLURM knows it not")


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
