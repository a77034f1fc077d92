"""Programs that answer as PBS does, written into a folder: qsub, qstat, qdel, qselect, and a job's mpiexec.

A job is a folder `jobs/N` with its script, what qsub was given (`qsub`), its process group (`pid`) and, once it ended,
`exit`. Texts and exit statuses are those of OpenPBS and of PBS Pro on Polaris.
"""

import os
import shlex
import signal
import stat
import sys
import textwrap
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SERVER = "server"
QUEUES = ("debug", "preemptable", "prod")
COMMON = """\
#!{python}
import os, pathlib, re, shlex, shutil, signal, subprocess, sys, time

JOBS = pathlib.Path({jobs!r})


def number(jobid):
    return jobid.partition(".")[0]


def state(job):
    if (job / "exit").exists():
        return "F"
    return "R" if (job / "pid").exists() else "Q"


def given(job, flag):
    words = shlex.split((job / "qsub").read_text())
    return words[words.index(flag) + 1] if flag in words else ""


def refuse(text, status=1):
    sys.stderr.write(text + "\\n")
    sys.exit(status)


with (JOBS.parent / "calls").open("a") as calls:
    calls.write(shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]) + "\\n")
"""
PROGRAMS = {
    # Unknown queue and account as PBS refuses them; else the script runs in its own process group.
    "qsub": """
        words = sys.argv[1:]
        if words[words.index("-q") + 1] not in {queues!r}:
            refuse("qsub: Unknown queue", 170)
        if words[words.index("-A") + 1] == "nobody":
            refuse("qsub: Request rejected.  Reason: Invalid account/project: nobody")
        JOBS.mkdir(exist_ok=True)
        job = JOBS / str(1 + len(list(JOBS.iterdir())))
        job.mkdir()
        shutil.copy(words[-1], job / "script")
        (job / "qsub").write_text(shlex.join(words))
        run = f"sh {{job}}/script > {{job}}/output 2>&1; echo $? > {{job}}/rc; mv {{job}}/rc {{job}}/exit"
        nodes = int(re.search(r"select=(\\d+)", " ".join(words))[1])
        (job / "nodes").write_text("".join(f"p{{number}}\\n" for number in range(nodes)))
        told = {{"PBS_JOBID": f"{{job.name}}.{server}", "PBS_NODEFILE": str(job / "nodes")}}
        nowhere = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.DEVNULL)
        child = subprocess.Popen(["sh", "-c", run], start_new_session=True, env={{**os.environ, **told}}, **nowhere)
        (job / "pid").write_text(str(child.pid))
        print(f"{{job.name}}.{server}")
    """,
    "qstat": """
        jobid = sys.argv[-1]
        if "-Q" in sys.argv:
            if jobid not in {queues!r}:
                refuse("qstat: Unknown queue destination " + jobid, 170)
            print(f"Queue: {{jobid}}\\n    queue_type = Execution\\n    enabled = True\\n    started = True")
            sys.exit()
        job = JOBS / number(jobid)
        if not job.is_dir() or (job / "vanished").exists():
            refuse(f"qstat: Unknown Job Id {{jobid}}", 153)
        if state(job) == "F" and "-x" not in sys.argv:
            refuse(f"qstat: {{jobid}} Job has finished, use -x or -H to obtain historical job information", 35)
        print(f"Job Id: {{jobid}}\\n    Job_Name = {{given(job, '-N')}}\\n    job_state = {{state(job)}}")
        if state(job) == "F":
            print(f"    Exit_status = {{(job / 'exit').read_text().strip()}}")
        variables = "    Variable_List = PBS_O_HOME=/home/me,PBS_O_LANG=en_US.UTF-8,PBS_O_SHELL=/bin/bash,"
        variables += given(job, "-v")
        lines = re.findall(".{{1,70}}", variables)
        print("\\n\\t".join(lines))
    """,
    "qdel": """
        for jobid in sys.argv[1:]:
            job = JOBS / number(jobid)
            if state(job) == "F":
                refuse(f"qdel: Job has finished {{jobid}}", 35)
            os.killpg(int((job / "pid").read_text()), signal.SIGTERM)
            time.sleep({slow})
            (job / "exit").write_text("271\\n")
    """,
    # One process a compute node, all of them here; a signal to end is passed on.
    "mpiexec": """
        if "--version" in sys.argv:
            sys.exit(print("mpiexec of the tests"))
        words = sys.argv[1:]
        command = words[words.index("--ppn") + 2 :]
        told = [{{**os.environ, "PMI_RANK": str(rank)}} for rank in range(int(words[words.index("-n") + 1]))]
        ranks = [subprocess.Popen(command, env=environment) for environment in told]
        signal.signal(signal.SIGTERM, lambda *_: [rank.terminate() for rank in ranks])
        sys.exit(max(rank.wait() != 0 for rank in ranks))
    """,
    "qselect": """
        name = sys.argv[sys.argv.index("-N") + 1]
        states = sys.argv[sys.argv.index("-s") + 1]
        for job in sorted(JOBS.glob("*"), key=lambda job: int(job.name)):
            if given(job, "-N") == name and state(job) in states:
                print(f"{{job.name}}.{server}")
    """,
}


@dataclass(frozen=True)
class Pbs:
    """The programs, in `folder`/bin, and the jobs that they keep in `folder`/jobs."""

    folder: Path

    @property
    def submitted(self) -> list[list[str]]:
        """The arguments of each qsub so far, the script's path left out."""
        jobs = sorted((self.folder / "jobs").glob("*"), key=lambda job: int(job.name))
        return [shlex.split((job / "qsub").read_text())[:-1] for job in jobs]

    def calls(self, program: str) -> list[str]:
        """How often, and with what, a program was called."""
        said = (self.folder / "calls").read_text() if (self.folder / "calls").exists() else ""
        return [line for line in said.splitlines() if line.split()[0] == program]

    def job(self, number: int) -> Path:
        """The folder of a job."""
        return self.folder / "jobs" / str(number)

    def end(self, number: int, status: int) -> None:
        """Kill a job as PBS does at its time limit or a node's loss, and say that it ended with `status`."""
        self._kill(self.job(number))
        (self.job(number) / "exit").write_text(f"{status}\n")

    def vanish(self, number: int) -> None:
        """Lose a job without a trace."""
        self._kill(self.job(number))
        (self.job(number) / "vanished").touch()

    def stop(self) -> None:
        """Kill whatever still runs."""
        for job in (self.folder / "jobs").glob("*"):
            self._kill(job)

    @staticmethod
    def _kill(job: Path) -> None:
        with suppress(ProcessLookupError, FileNotFoundError):
            os.killpg(int((job / "pid").read_text()), signal.SIGKILL)


def make_pbs(folder: Path, slow: float = 0.0) -> Pbs:
    """Write the programs into `folder`/bin; `slow` is how many seconds qdel takes."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    words = {"server": SERVER, "queues": QUEUES, "slow": slow}
    for name, text in PROGRAMS.items():
        path = folder / "bin" / name
        common = COMMON.format(python=sys.executable, jobs=str(folder / "jobs"))
        path.write_text(common + textwrap.dedent(text).format(**words))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Pbs(folder)
