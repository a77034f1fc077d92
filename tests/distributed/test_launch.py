import json
import os
import signal
from pathlib import Path

import pytest

from stgnn.distributed.launch import job_step, launcher_of, margin
from stgnn.errors import InputError


def test_ranks_of_one_machine_share_its_cores_and_talk_over_loopback(drive):
    (drive.folder / "run").mkdir()
    left = drive.folder / "run" / ".checkpoint.pt.abc.partial"  # by an attempt that was killed
    left.touch()
    assert drive.start("torchrun", "well", site={"scratch": str(drive.folder)}).end()[0] == 0
    assert not left.exists()
    facts = [json.loads((drive.folder / f"run/facts-{rank}.json").read_text()) for rank in range(2)]
    assert [each["sum"] for each in facts] == [3.0, 3.0]
    assert [each["LOCAL_RANK"] for each in facts] == ["0", "1"]
    assert {Path(each["TMPDIR"]).parent for each in facts} == {drive.folder}
    assert {each["GLOO_SOCKET_IFNAME"] for each in facts} == {"lo"}
    if len(os.sched_getaffinity(0)) > 1:
        assert not set(facts[0]["cores"]) & set(facts[1]["cores"])


def test_dask_ranks_of_a_slurm_job_run_on_its_nodes_and_leave_their_scratch_empty(drive, slurm):
    drive.environment |= {**slurm, "LOCAL_DISK": str(drive.folder / "disk"), "OMP_NUM_THREADS": "3"}
    status, said = drive.start("dask", "well", site={"scratch": "$LOCAL_DISK", "threads": 2}).end()
    assert status == 0, said
    assert "rank 0 is here" in said and "rank 1 is here" not in said
    assert "rank 1 is here" in (drive.folder / "run/.job/rank-1.log").read_text()
    assert [drive.beat(f"rank-{rank}")["node"] for rank in range(2)] == [0, 1]
    facts = json.loads((drive.folder / "run/facts-1.json").read_text())
    assert (facts["LOCAL_RANK"], facts["WORLD_SIZE"], facts["OMP_NUM_THREADS"]) == ("0", "2", "3")
    assert Path(facts["TMPDIR"]).parent == drive.folder / "disk"
    assert list((drive.folder / "disk").iterdir()) == []


def test_a_signal_to_the_driver_stops_the_ranks_in_order(drive):
    drive.start("dask", "run until stopped").pid_in_training("rank-0")
    drive.process.send_signal(signal.SIGTERM)
    status, said = drive.end()
    assert status == 75 and "stopped at step" in said


def test_torchrun_ranks_of_a_pbs_job_stop_before_its_time_is_up(drive, pbs):
    drive.environment |= pbs
    status, said = drive.start(
        "torchrun", "run until stopped", site={"runtime": 0.7, "interface": "lo"}
    ).end()
    assert status == 75, said


def test_a_compute_node_without_the_store_is_named_before_training(drive):
    (drive.folder / "small.manifest.json").unlink()
    status, said = drive.start("dask", "well").end()
    assert status == 2
    assert "compute node" in said and "does not have this store (No such file or directory)" in said


def test_a_scratch_folder_that_cannot_be_made_is_named(drive):
    status, said = drive.start("torchrun", "well", site={"scratch": "/proc/none"}).end()
    assert status == 2 and "--scratch /proc/none: cannot be used on compute node" in said


def test_an_unknown_network_interface_is_refused_with_those_there_are(drive):
    status, said = drive.start("dask", "well", site={"interface": "hsn7"}).end()
    assert status == 2 and "--interface: hsn7 is no network interface" in said and "lo" in said


def test_workers_choose_the_launcher():
    assert launcher_of({"workers": 1}) == "none"
    assert launcher_of({"workers": 2, "launcher": "auto"}) == "dask"
    assert launcher_of({"workers": 1, "launcher": "torchrun"}) == "torchrun"
    with pytest.raises(InputError, match="none starts one worker, the run has 4"):
        launcher_of({"workers": 4, "launcher": "none"})


def test_one_worker_of_a_slurm_job_s_script_becomes_a_step_of_the_job(slurm, monkeypatch):
    monkeypatch.delenv("SLURM_STEP_ID", raising=False)
    assert job_step({"workers": 1}) == []
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    step = job_step({"workers": 1})
    assert step[0].endswith("/srun") and {"--jobid=17", "--nodes=1", "--ntasks=1"} < set(step)
    assert job_step({"workers": 2}) == [], "its agents are a step"
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    assert job_step({"workers": 1}) == []


@pytest.mark.parametrize("minutes, seconds", [(1, 30), (10, 60), (60, 180), (720, 300)])
def test_a_job_stops_well_before_its_time_is_up(minutes: float, seconds: float):
    assert margin(minutes) == seconds
