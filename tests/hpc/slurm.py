"""A private SLURM with two virtual compute nodes on this machine, on loopback only, gone when the block ends.

It needs root, since jobs run as their user and the one place where every SLURM program looks is /etc/slurm/slurm.conf.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path("/etc/slurm/slurm.conf")
MARK = "# stgnn's tests wrote this"
PROGRAMS = ("slurmctld", "slurmd", "munged", "runuser")
PATIENCE = 60.0  # seconds
SLURM_CONF = """{mark}
ClusterName=stgnn
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=16817
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdSpoolDir={folder}/spool.%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=5
MinJobAge=300
DefMemPerCPU=256
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port=17001 CPUs=4 RealMemory=8000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port=17002 CPUs=4 RealMemory=8000
PartitionName=debug Nodes=n1,n2 Default=YES MaxTime=60 State=UP
"""


@dataclass(frozen=True)
class Cluster:
    """The running SLURM."""

    folder: Path

    def jobs(self, state: str = "running") -> list[str]:
        """The ids of jobs in that state."""
        return said("squeue", "--noheader", f"--states={state}", "--format=%A").split()

    def completed(self) -> list[dict[str, str]]:
        """What SLURM noted of each job that ended: JobState, NodeCnt, NodeList, ..."""
        lines = (self.folder / "completed").read_text().splitlines()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]


def why_not() -> str | None:
    """Why no SLURM can be started here, if so."""
    if os.geteuid() != 0:
        return "a private SLURM needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} here (apt-get install slurm-wlm munge)"
    if CONFIG.exists() and MARK not in CONFIG.read_text():
        return "this machine has a SLURM of its own"
    return None


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    """Start it; stop all of it, jobs included, at the end."""
    with ExitStack() as stack:
        alone = stack.enter_context(open("/tmp/stgnn-tests-slurm.lock", "w"))  # one at a time on a machine
        fcntl.flock(alone, fcntl.LOCK_EX)
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True))
        )
        (folder / "state").mkdir()
        CONFIG.parent.mkdir(exist_ok=True)
        CONFIG.write_text(
            SLURM_CONF.format(mark=MARK, host=socket.gethostname().split(".")[0], folder=folder)
        )
        stack.callback(CONFIG.unlink, missing_ok=True)
        if not Path("/run/munge/munge.socket.2").is_socket() or said("munge", "-n") == "":
            subprocess.run(
                ["install", "-d", "-o", "munge", "-g", "munge", "-m", "755", "/run/munge"], check=True
            )
            start(stack, "runuser", "-u", "munge", "--", "munged", "--foreground", "--force")
            wait_for(lambda: said("munge", "-n") != "", "munged")
        start(stack, "slurmctld", "-D", "-c")
        for node in ("n1", "n2"):
            start(stack, "slurmd", "-D", "-N", node)
        wait_for(
            lambda: said("sinfo", "-h", "-N", "-o", "%T").split() == ["idle", "idle"], "the compute nodes"
        )
        stack.callback(end_jobs)
        yield Cluster(folder)


def start(stack: ExitStack, *command: str) -> None:
    """Run a daemon until the stack unwinds."""
    daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop() -> None:
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    stack.callback(stop)


def end_jobs() -> None:
    """Cancel what is left and see it gone, so that no job outlives its SLURM."""
    said("scancel", "--user=root")
    with suppress(AssertionError):
        wait_for(lambda: not said("squeue", "-h").strip(), "cancelled jobs")


def said(*command: str) -> str:
    """What a program prints, nothing when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def wait_for(happened: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < end, f"waited {patience:g} s for {what}"
        time.sleep(0.1)
