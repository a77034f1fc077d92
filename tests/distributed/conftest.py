"""Jobs of two ranks on loopback, started like `stgnn train` starts them, and stand-ins for the batch systems' tools."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from stgnn.distributed import watch
from stgnn.distributed.heartbeat import read_beat
from stgnn.distributed.job import Job

HERE = Path(__file__).parent
PATIENCE = 120.0  # seconds for anything on a busy machine

# Runs its command once a compute node, tells each which one it is, and passes SIGTERM on.
STARTER = """#!{python}
import os, signal, subprocess, sys
if "--version" in sys.argv:
    sys.exit(print("mpiexec of the tests"))
words, count = sys.argv[1:], 1
for number, word in enumerate(words):
    count = int(word[8:]) if word.startswith("--nodes=") else int(words[number + 1]) if word == "-n" else count
command = words[words.index({python!r}):]
nodes = [subprocess.Popen(command, env={{**os.environ, {variable!r}: str(node)}}) for node in range(count)]
signal.signal(signal.SIGTERM, lambda *_: [node.terminate() for node in nodes])
sys.exit(max(node.wait() != 0 for node in nodes))
"""


@dataclass
class Drive:
    """A driver under way in `folder`."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[str] | None" = None

    def start(
        self, launcher: str, how: str, site: dict[str, Any] | None = None, workers: int = 2, **limits: float
    ) -> "Drive":
        """Start a run of which rank 1 behaves as `how` says; seconds that the driver gives as keywords."""
        settings = {"launcher": launcher, "workers": workers, "culprit": 1, "how": how, "device": "cpu"}
        texts = [json.dumps(part) for part in (settings, site or {}, limits)]
        command = [sys.executable, str(HERE / "drive.py"), str(self.folder), *texts]
        environment = {**os.environ, "PYTHONPATH": str(HERE), **self.environment}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        return self

    def end(self) -> tuple[int, str]:
        """The exit status and what was said, once the driver has ended; nothing may be left of it then."""
        assert self.process is not None
        said = self.process.communicate(timeout=PATIENCE)[1]
        assert self.left() == [], said
        return self.process.returncode, said

    def beat(self, who: str) -> dict[str, Any]:
        """The last beat of `who`, empty before its first."""
        return read_beat(self.folder / "run/.job" / f"{who}.beat") or {}

    def pid_in_training(self, who: str) -> int:
        """The process of `who`, once all ranks train."""
        wait_until(lambda: all(self.beat(f"rank-{rank}").get("step") for rank in range(2)))
        return int(self.beat(who)["pid"])

    def left(self) -> list[str]:
        """Commands of processes of this job that still run."""
        commands = []
        for process in psutil.process_iter(["cmdline", "status"]):
            command = " ".join(process.info["cmdline"] or [])
            if str(self.folder) in command and process.info["status"] != psutil.STATUS_ZOMBIE:
                commands.append(command)
        return commands


def wait_until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    (tmp_path / "small.zarr").mkdir()
    (tmp_path / "small.zarr/zarr.json").touch()
    (tmp_path / "small.manifest.json").write_text("{}")
    driven = Drive(tmp_path, {"TMPDIR": str(tmp_path)})
    yield driven
    if driven.process is not None:
        driven.process.kill()
        driven.process.communicate()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    declared = Job(
        id="7",
        settings={},
        store="",
        folder=str(tmp_path),
        code="",
        deadline=None,
        function="",
        launcher="dask",
        workers=3,
        nodes=("n1",),
        address="",
        interface=None,
        scratch=None,
        threads=None,
    )
    declared.write()
    return declared


@dataclass
class Clock:
    """The time by which silence is counted."""

    now: float = field(default_factory=time.monotonic)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


def write_tool(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a Slurm job of two virtual compute nodes on this machine, as a rule of Snakemake's sees it."""
    tools = tmp_path / "tools"
    write_tool(tools, "squeue", '#!/bin/sh\n[ "$3" = 17 ] && echo "n[1-2]"\n')
    write_tool(
        tools,
        "scontrol",
        '#!/bin/sh\ncase "$*" in\n"show hostnames n[1-2]") printf "n1\\nn2\\n" ;;\n'
        '"--oneliner show node n[1-2]") for n in n1 n2; do'
        ' echo "NodeName=$n NodeHostName=vm"; done ;;\n'
        "*) exit 1 ;;\nesac\n",
    )
    write_tool(tools, "srun", STARTER.format(python=sys.executable, variable="SLURM_NODEID"))
    return {"SLURM_JOB_ID": "17", "PATH": f"{tools}:{os.environ['PATH']}"}


@pytest.fixture
def pbs(tmp_path: Path) -> dict[str, str]:
    """The environment of a PBS job of two compute nodes, both of them this machine."""
    tools = tmp_path / "tools"
    write_tool(tools, "mpiexec", STARTER.format(python=sys.executable, variable="PMI_RANK"))
    (tmp_path / "nodefile").write_text("p1\np2\np1\n")
    return {
        "PBS_NODEFILE": str(tmp_path / "nodefile"),
        "PBS_JOBID": "9.server",
        "PATH": f"{tools}:{os.environ['PATH']}",
    }
