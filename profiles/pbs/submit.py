#!/usr/bin/env python3
"""Submit a Snakemake job script to PBS and print its job id; take up a job of the same work that still lives.

Snakemake calls it with the job script as its argument, whose line `# properties = {...}` says what the job is and what
it asks for (stgnn/site.py). What was submitted by a Snakemake that was killed goes on: the same work is not submitted
twice. Work is the same if folder, rule, outputs and `params:`, the code's fingerprint among them, are. A job for the
same outputs with other params is deleted first, for two jobs must not write the same files.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ALIVE = "EHQRSTUW"  # what qselect calls the states of jobs that have not ended
WORK = "STGNN_WORK"  # the variable of a job that says which params it was submitted with


def main(script: str) -> int:
    """Print the id of the job that does the script's work."""
    job = properties(Path(script).read_text(encoding="utf-8"))
    work = digest(job.get("params"))
    for living in living_jobs(name_of(job)):
        if work_of(living) == work:
            print(f"PBS job {living} of an earlier Snakemake does this already", file=sys.stderr)
            print(living)
            return 0
        print(f"PBS job {living} does this with other code or settings: deleted", file=sys.stderr)
        run("qdel", living)
    done = run(*qsub(job, work), script)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        print(f"PBS refuses the job {rule_of(job)}: {said}{hint(job, said)}", file=sys.stderr)
        return 1
    print(done.stdout.split()[-1])
    return 0


def properties(script: str) -> dict:
    """What Snakemake says of the job in its job script."""
    return json.loads(re.search(r"^# properties = (.*)$", script, re.MULTILINE)[1])


def name_of(job: dict) -> str:
    """A name that is the same whenever the same outputs are made: 15 characters, all that older PBS take."""
    outputs = digest([os.getcwd(), rule_of(job), sorted(job.get("output", []))])
    return f"{re.sub('[^a-z]', '', rule_of(job))[:6]}-{outputs}"


def rule_of(job: dict) -> str:
    return job.get("rule") or job.get("groupid") or "job"


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def living_jobs(name: str) -> list[str]:
    """The ids of jobs of that name that have not ended; none where PBS does not say."""
    user = ["-u", os.environ["USER"]] if os.environ.get("USER") else []
    done = run("qselect", *user, "-N", name, "-s", ALIVE)
    return done.stdout.split() if done.returncode == 0 else []


def work_of(jobid: str) -> str:
    """What the job was told that its params are; qstat breaks long lines."""
    said = run("qstat", "-f", jobid).stdout.replace("\n\t", "")
    found = re.search(rf"\b{WORK}=(\w+)", said)
    return found[1] if found else ""


def qsub(job: dict, work: str) -> list[str]:
    """The command, to which the script is added."""
    asked = job["resources"]
    folder = Path("logs/pbs", rule_of(job)).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    hours, minutes = divmod(int(asked["runtime"]), 60)
    limits = [f"select={asked['select']}", f"walltime={hours:02d}:{minutes:02d}:00"]
    limits += [f"{name}={asked[name]}" for name in ("place", "filesystems") if name in asked]
    command = ["qsub", "-N", name_of(job), "-V", "-v", f"{WORK}={work}"]
    for flag, name in (("-A", "account"), ("-q", "queue")):
        command += [flag, asked[name]] if name in asked else []
    for limit in limits:
        command += ["-l", limit]
    # Run again after a preemption or the loss of a compute node; output goes to its file as it comes.
    return [*command, "-r", "y", "-k", "doe", "-j", "oe", "-o", f"{folder}/"]


def hint(job: dict, said: str) -> str:
    """What to do, where the refusal is of a known kind."""
    asked = job["resources"]
    if re.search("queue", said, re.IGNORECASE):
        return f"; check queue '{asked.get('queue')}' in the profile's site.yaml; if it is full, lower --jobs"
    if re.search("account|project|allocation", said, re.IGNORECASE):
        return f"; check account '{asked.get('account')}' in the profile's site.yaml"
    return ""


def run(*command: str) -> subprocess.CompletedProcess:
    """Run a program of PBS; one that is missing has failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[-1]))
