"""profiles/pbs: what submit, status and cancel make of PBS's answers. Real programs, PBS played by scripts."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hpc.pbs import Pbs, make_pbs
from tests.workflow.conftest import ROOT

SCRIPTS = ROOT / "profiles" / "pbs"
RESOURCES = {
    "select": "2:system=polaris:ncpus=32:ngpus=4", "place": "scatter", "filesystems": "home:eagle",
    "queue": "preemptable", "account": "proj", "runtime": 180, "mem_mb": 16000,
}  # fmt: skip


@pytest.fixture
def pbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pbs]:
    """PBS on the path, in a working directory of its own."""
    pbs = make_pbs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("USER", "me")
    yield pbs
    pbs.stop()


def call(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, SCRIPTS / f"{script}.py", *arguments], capture_output=True, text=True, check=False
    )


def script(command: str = "sleep 60", **changes: Any) -> str:
    """The path of a job script as cluster-generic writes it."""
    job = {
        "type": "single", "rule": "train", "local": False, "wildcards": {"run": "r"}, "params": {"code": "abc"},
        "input": [], "output": ["results/runs/r/metrics.json"], "threads": 32, "resources": RESOURCES, "jobid": 3,
        **changes,
    }  # fmt: skip
    path = Path(f"script-{time.monotonic_ns()}.sh")
    path.write_text(f"#!/bin/sh\n# properties = {json.dumps(job)}\n{command} && exit 0 || exit 1\n")
    return str(path)


def status_of(jobid: str) -> str:
    done = call("status", jobid)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ended(pbs: Pbs, number: int) -> None:
    end = time.monotonic() + 20
    while not (pbs.job(number) / "exit").exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_qsub_is_given_exactly_what_the_job_asks_for(pbs: Pbs) -> None:
    assert call("submit", script()).stdout == "1.server\n"
    (words,) = pbs.submitted
    name, work = words[1], words[4]
    assert name.startswith("train-") and len(name) <= 15
    assert work.startswith("STGNN_WORK=")
    assert words == [
        "-N", name, "-V", "-v", work, "-A", "proj", "-q", "preemptable",
        "-l", "select=2:system=polaris:ncpus=32:ngpus=4", "-l", "walltime=03:00:00", "-l", "place=scatter",
        "-l", "filesystems=home:eagle", "-r", "y", "-k", "doe", "-j", "oe", "-o", f"{pbs.folder}/logs/pbs/train/",
    ]  # fmt: skip


def test_the_same_work_is_submitted_once_while_its_job_lives(pbs: Pbs) -> None:
    first = call("submit", script())
    second = call("submit", script(jobid=77))
    assert second.stdout == first.stdout and "already" in second.stderr
    other = call("submit", script(output=["results/runs/other/metrics.json"]))
    assert other.stdout == "2.server\n"


def test_work_whose_job_has_ended_is_submitted_again(pbs: Pbs) -> None:
    call("submit", script("true"))
    ended(pbs, 1)
    assert call("submit", script()).stdout == "2.server\n"


def test_a_job_of_older_code_for_the_same_outputs_is_deleted_first(pbs: Pbs) -> None:
    call("submit", script())
    again = call("submit", script(params={"code": "changed"}))
    assert again.stdout == "2.server\n" and "other code or settings: deleted" in again.stderr
    assert status_of("1.server") == "failed" and status_of("2.server") == "running"


@pytest.mark.parametrize(
    "changes, line",
    [
        (
            {"queue": "debgu"},
            "PBS refuses the job train: qsub: Unknown queue; check queue 'debgu' in the profile's site.yaml;"
            " if it is full, lower --jobs\n",
        ),
        (
            {"account": "nobody"},
            "PBS refuses the job train: qsub: Request rejected. Reason: Invalid account/project: nobody; check"
            " account 'nobody' in the profile's site.yaml\n",
        ),
    ],
)
def test_a_refusal_of_qsub_is_one_line(pbs: Pbs, changes: dict[str, str], line: str) -> None:
    done = call("submit", script(resources={**RESOURCES, **changes}))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_without_pbs_here_submitting_says_so_in_one_line(pbs: Pbs) -> None:
    for program in (pbs.folder / "bin").iterdir():
        program.unlink()
    done = call("submit", script())
    assert done.returncode == 1
    assert done.stderr == "PBS refuses the job train: qsub: No such file or directory\n"


@pytest.mark.parametrize(
    "command, status", [("true", "success"), ("false", "failed"), ("sleep 60", "running")]
)
def test_a_jobs_state_is_one_word(pbs: Pbs, command: str, status: str) -> None:
    call("submit", script(command))
    if status != "running":
        ended(pbs, 1)
    assert status_of("1.server") == status


# As PBS Pro 2022.1 prints them, shortened.
RECORDED = {
    "queued": ("Job Id: 9.server\n    job_state = Q\n    comment = Not Running\n", "running", ""),
    "held": ("Job Id: 9.server\n    job_state = H\n    Hold_Types = s\n", "running", ""),
    "exiting": ("Job Id: 9.server\n    job_state = E\n    Exit_status = 0\n", "running", ""),
    "requeued": ("Job Id: 9.server\n    job_state = Q\n    run_count = 2\n", "running", ""),
    "done": ("Job Id: 9.server\n    job_state = F\n    Exit_status = 0\n", "success", ""),
    "time limit": ("Job Id: 9.server\n    job_state = F\n    Exit_status = -29\n", "failed", "time limit"),
    "killed": ("Job Id: 9.server\n    job_state = F\n    Exit_status = 265\n", "failed", "signal 9"),
    "failed": ("Job Id: 9.server\n    job_state = F\n    Exit_status = 1\n", "failed", "exit status 1"),
    "deleted while queued": ("Job Id: 9.server\n    job_state = F\n    substate = 91\n", "failed", "before it ran"),
    "nonsense": ("Connection refused\nqstat: cannot connect to server polaris-pbs-01 (errno=15010)\n", "running", ""),
    "nothing": ("", "running", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_answers_of_qstat(pbs: Pbs, name: str) -> None:
    text, status, reason = RECORDED[name]
    (pbs.folder / "text").write_text(text)
    (pbs.folder / "bin" / "qstat").write_text(f"#!/bin/sh\ncat {pbs.folder}/text; exit 1\n")
    done = call("status", "9.server")
    assert (done.returncode, done.stdout) == (0, f"{status}\n")
    assert reason in done.stderr and bool(reason) == bool(done.stderr)


def test_a_job_unknown_five_times_in_a_row_has_failed(pbs: Pbs) -> None:
    call("submit", script())
    job = pbs.job(1)
    (job / "vanished").touch()
    assert [status_of("1.server") for _ in range(4)] == ["running"] * 4
    (job / "vanished").unlink()  # the server restarted, say
    assert status_of("1.server") == "running"
    (job / "vanished").touch()
    assert [status_of("1.server") for _ in range(4)] == ["running"] * 4
    done = call("status", "1.server")
    assert done.stdout == "failed\n" and "gone without a trace" in done.stderr


def test_whatever_goes_wrong_a_status_is_still_one_word(pbs: Pbs) -> None:
    (pbs.folder / "bin" / "qstat").unlink()
    done = call("status", "9.server")
    assert (done.returncode, done.stdout) == (0, "running\n")
    assert call("status").returncode == 0
    (pbs.folder / ".snakemake").write_text("a file where a folder should be")
    make_pbs(pbs.folder)
    assert call("status", "9.server").stdout == "running\n"


def test_cancelling_returns_before_snakemake_loses_patience(pbs: Pbs) -> None:
    make_pbs(pbs.folder, slow=6)  # Snakemake kills after two seconds what has not returned
    call("submit", script())
    call("submit", script(output=["results/runs/other/metrics.json"]))
    subprocess.run([SCRIPTS / "cancel.py", "1.server", "2.server"], timeout=5, check=True)
    assert pbs.calls("qdel") == ["qdel 1.server 2.server"]
    assert not (pbs.job(1) / "exit").exists()  # qdel is still at it
