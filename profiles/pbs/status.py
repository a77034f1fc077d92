#!/usr/bin/env python3
"""Print `running`, `success` or `failed` for the PBS job whose id is the argument.

Snakemake ends the whole workflow, with jobs left behind, when this program fails or says anything else. So whatever
goes wrong, the answer is `running` and the exit status 0: the next round asks again. Only a job that PBS does not know
several times in a row has failed: that is how a queue loses one that no limit of it takes.
"""

import re
import subprocess
import sys
from pathlib import Path

UNKNOWN_IN_A_ROW = 5
PATIENCE = 60  # seconds for an answer of qstat
MARKS = Path(".snakemake/pbs")  # one file a job that PBS does not know, a line for each time

ENDED = "FXC"
SIGNALS = 256  # and more: ended by this signal


def main(jobid: str) -> str:
    """The state of the job, and a line on standard error for why it failed."""
    said = qstat(jobid)
    state = re.search(r"^\s*job_state = (\w)", said, re.MULTILINE)
    mark = MARKS / jobid
    if state is None:
        return unknown(jobid, mark) if "Unknown Job Id" in said else "running"
    mark.unlink(missing_ok=True)
    if state[1] not in ENDED:
        return "running"
    code = re.search(r"^\s*Exit_status = (-?\d+)", said, re.MULTILINE)
    if code is not None and int(code[1]) == 0:
        return "success"
    print(f"PBS job {jobid} {reason(code and int(code[1]))}", file=sys.stderr)
    return "failed"


def qstat(jobid: str) -> str:
    """What PBS says of the job, ended ones included, its complaints too."""
    done = subprocess.run(
        ["qstat", "-x", "-f", jobid], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.stdout + done.stderr


def unknown(jobid: str, mark: Path) -> str:
    mark.parent.mkdir(parents=True, exist_ok=True)
    with mark.open("a", encoding="utf-8") as file:
        file.write("unknown\n")
    if len(mark.read_text(encoding="utf-8").splitlines()) < UNKNOWN_IN_A_ROW:
        return "running"
    mark.unlink()
    print(
        f"PBS job {jobid} is gone without a trace: its queue took it and no limit of the queue does;"
        " check site.queues in the profile's site.yaml",
        file=sys.stderr,
    )
    return "failed"


def reason(code: int | None) -> str:
    """What an exit status of PBS means."""
    if code is None:
        return "was deleted before it ran"
    if code == -29:
        return "was ended at its time limit; a further attempt asks for more and goes on from the checkpoint"
    if code < 0:
        return f"could not be run by PBS (Exit_status {code})"
    return f"was ended by signal {code - SIGNALS}" if code > SIGNALS else f"failed with exit status {code}"


if __name__ == "__main__":
    try:
        answer = main(sys.argv[-1])
    except Exception as error:  # see above: no mistake here may end the workflow
        print(f"profiles/pbs/status.py: {error}; asking again", file=sys.stderr)
        answer = "running"
    print(answer)
