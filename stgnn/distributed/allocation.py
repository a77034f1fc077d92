"""Where a job may run: the compute nodes of its Slurm or PBS allocation, or this machine."""

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stgnn.distributed.network import LOOPBACK, address_of, address_towards
from stgnn.errors import InputError

TOOL_SECONDS = 60  # a busy Slurm controller answers late

# By which variable a process learns the number of its compute node, from whatever mpiexec a PBS site has:
# PALS and Hydra, PALS, Open MPI, PMIx.
_MPI_RANK = ("PMI_RANK", "PALS_RANKID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")


@dataclass(frozen=True)
class Allocation:
    """The compute nodes that a job has to itself, the one that runs this process first."""

    kind: str  # slurm, pbs or local
    nodes: tuple[str, ...]  # as the batch system names them
    machines: tuple[str, ...]  # host name or address of each; two virtual nodes may share one
    job: str = ""  # the batch system's job id

    @property
    def is_one_machine(self) -> bool:
        """Do all workers see the same loopback?"""
        return len(set(self.machines)) == 1

    def on_every_node(self, command: Sequence[str]) -> list[str]:
        """The command that runs `command` once on each compute node.

        Under Slurm `srun` is used on a single node too: `scancel --signal` reaches only what it started.
        It binds nothing to cores: an agent must see all of them to share them out.

        Raises:
            InputError: the batch system's starter is not on the PATH.
        """
        count = str(len(self.nodes))
        if self.kind == "slurm":
            size = [f"--nodes={count}", f"--ntasks={count}", "--ntasks-per-node=1"]
            manner = ["--kill-on-bad-exit=1", "--cpu-bind=none", "--overlap", "--input=none"]
            return [_tool("srun"), f"--jobid={self.job}", *size, *manner, *command]
        if self.kind == "pbs" and len(self.nodes) > 1:
            mpiexec = _tool("mpiexec")
            return [mpiexec, "-n", count, *_one_each(mpiexec), *command]
        return list(command)

    def address(self, interface: str | None) -> str:
        """Where the other compute nodes reach this one.

        Raises:
            InputError: there is no such interface, or no route to the others.
        """
        if interface is not None:
            return address_of(interface)
        return LOOPBACK if self.is_one_machine else address_towards(self.machines[-1])

    def check_workers(self, workers: int) -> None:
        """Raise `InputError` unless `workers` spread evenly over the compute nodes."""
        count = len(self.nodes)
        if workers % count == 0:
            return
        owner = f"{self.kind} job {self.job}" if self.job else "this job"
        fitting = ", ".join(str(number) for number in range(1, workers + 1) if workers % number == 0)
        problem = f"{workers} do not spread evenly over the {count} compute nodes of {owner}"
        raise InputError("workers", problem, f"allocate one of {fitting} compute nodes")


def find_allocation(environment: Mapping[str, str] = os.environ) -> Allocation:
    """The allocation that this process runs in.

    Raises:
        InputError: a batch system's variables are set, but it cannot be asked or knows no such job.
    """
    if job := environment.get("SLURM_JOB_ID"):
        return _slurm(job)
    if file := environment.get("PBS_NODEFILE"):
        return _pbs(Path(file), environment.get("PBS_JOBID", ""))
    host = socket.gethostname()
    return Allocation("local", (host,), (host,))


def batch_script_job(environment: Mapping[str, str] = os.environ) -> Allocation | None:
    """This compute node, if the process runs in a Slurm job but in none of its steps, and can start one."""
    job = environment.get("SLURM_JOB_ID")
    if job is None or "SLURM_STEP_ID" in environment or shutil.which("srun") is None:
        return None
    host = socket.gethostname()
    return Allocation("slurm", (host,), (host,), job)


def node_number(kind: str, environment: Mapping[str, str] = os.environ) -> int:
    """Which of the allocation's compute nodes this process, started by `on_every_node`, runs on."""
    names = {"slurm": ("SLURM_NODEID",), "pbs": _MPI_RANK}.get(kind, ())
    return next((int(environment[name]) for name in names if name in environment), 0)


def _slurm(job: str) -> Allocation:
    """Only SLURM_JOB_ID can be relied on: inside a rule of Snakemake's the other variables are gone."""
    listed = _output(
        [_tool("squeue"), "--noheader", "--job", job, "--format", "%N"], f"Slurm job {job}"
    ).strip()
    if not listed:
        raise InputError("SLURM_JOB_ID", f"Slurm job {job} has no compute nodes", "unset it outside of a job")
    scontrol = _tool("scontrol")
    nodes = _output([scontrol, "show", "hostnames", listed], f"compute nodes {listed}").split()
    facts = _output([scontrol, "--oneliner", "show", "node", listed], f"compute nodes {listed}")
    hosts = dict(_name_and_host(line) for line in facts.splitlines() if line.strip())
    return Allocation("slurm", tuple(nodes), tuple(hosts.get(node, node) for node in nodes), job)


def _name_and_host(line: str) -> tuple[str, str]:
    facts = dict(word.split("=", 1) for word in line.split() if "=" in word)
    name = facts.get("NodeName", "")
    return name, facts.get("NodeHostName", name)


def _pbs(file: Path, job: str) -> Allocation:
    try:
        lines = file.read_text(encoding="utf-8").split()
    except OSError as error:
        raise InputError(
            file, f"PBS_NODEFILE cannot be read ({error.strerror})", "unset it outside of a job"
        ) from None
    if not lines:
        raise InputError(file, "PBS_NODEFILE names no compute node", "unset it outside of a job")
    nodes = tuple(dict.fromkeys(lines))  # one line a process that PBS expects: a node may come often
    return Allocation("pbs", nodes, nodes, job)


def _one_each(mpiexec: str) -> list[str]:
    """One process a compute node, bound to nothing, in the words of Open MPI, of PALS, or of Hydra, which never binds.

    PALS tells its version but not its name, which is in its path: /opt/cray/pals or /opt/cray/pe/pals.
    """
    version = _output([mpiexec, "--version"], "mpiexec").lower().split("\n", 1)[0]
    if "open" in version:
        return ["--map-by", "ppr:1:node", "--bind-to", "none"]
    is_pals = "pals" in version or "pals" in Path(mpiexec).resolve().parts
    return ["--ppn", "1", *(["--cpu-bind", "none"] if is_pals else [])]


def _output(command: Sequence[str], where: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(where, f"{Path(command[0]).name} gave no answer in {TOOL_SECONDS} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise InputError(where, f"{Path(command[0]).name} failed: {said}")
    return done.stdout


def _tool(name: str) -> str:
    """The full path of a batch system's program."""
    found = shutil.which(name)
    if found is None:
        todo = "load the batch system's module, or unset its variables outside of a job"
        raise InputError("PATH", f"this looks like a batch job, but there is no {name}", todo)
    return found
