"""Every way in which a worker can go wrong: the job ends, says which and how, and leaves nothing running.

`Drive.end` asserts the last; here stand what is said and the exit status.
"""

import os
import signal
import time

import psutil


def first_line(said: str) -> str:
    return next(line for line in said.splitlines() if line.startswith("stgnn train: "))


def test_an_exception_is_told_with_its_traceback_before_what_the_others_died_of(drive):
    status, said = drive.start("dask", "raise").end()
    assert status == 1
    assert first_line(said).endswith("ValueError: the sky is falling")
    assert first_line(said).startswith("stgnn train: rank 1 on ")
    assert 'in _misbehave\n    raise ValueError("the sky is falling")' in said
    assert said.index("the sky is falling") < said.index("also rank 0")


def test_wrong_input_is_one_line_without_a_traceback(drive):
    status, said = drive.start("torchrun", "wrong input").end()
    assert status == 2
    assert said.splitlines()[-1] == "stgnn train: batching: unknown 'psychic'; choose another"
    assert "Traceback" not in said


def test_a_rank_that_exits_is_named_with_its_status(drive):
    status, said = drive.start("torchrun", "exit").end()
    assert status == 1
    assert "rank 1 on" in first_line(said) and first_line(said).endswith(": exited with status 3")
    assert "exitcode  : 3" in (drive.folder / "run/.job/node-0.log").read_text(), "torch's own report"


def test_a_rank_killed_by_a_signal_is_named_with_it(drive):
    status, said = drive.start("dask", "die").end()
    assert status == 1
    assert "rank 1 on" in first_line(said) and "was killed by SIGKILL" in first_line(said)


def test_a_frozen_rank_is_found_by_its_silence(drive):
    status, said = drive.start("dask", "freeze", silence=6).end()
    assert status == 1
    assert "rank 1 on" in first_line(said) and "its process is stopped, as by SIGSTOP" in first_line(said)


def test_ranks_that_wait_for_ever_are_found_and_each_one_s_place_is_told(drive):
    status, said = drive.start("torchrun", "sleep", stall=6).end()
    assert status == 1
    assert "made no progress for 6 s" in first_line(said)
    assert "in all_reduce" in said and "in _misbehave" in said


def test_a_killed_scheduler_ends_the_job(drive):
    os.kill(drive.start("dask", "run until stopped").pid_in_training("dask"), signal.SIGKILL)
    status, said = drive.end()
    assert status == 1
    assert first_line(said) == "stgnn train: the Dask scheduler: was killed by SIGKILL"


def test_ranks_of_a_killed_torchrun_are_named(drive):
    torchrun = psutil.Process(drive.start("torchrun", "run until stopped").pid_in_training("rank-1")).parent()
    assert torchrun is not None
    torchrun.kill()
    status, said = drive.end()
    assert status == 1
    assert "rank " in first_line(said) and first_line(said).endswith(
        "its torchrun was killed by SIGKILL (by hand, or for want of memory)"
    )


def test_a_lost_compute_node_is_named_though_others_only_lost_a_connection(drive, slurm):
    drive.environment |= slurm
    os.kill(
        drive.start("torchrun", "run until stopped", silence=20).pid_in_training("node-1"), signal.SIGKILL
    )
    status, said = drive.end()
    assert status == 1
    assert first_line(said).startswith("stgnn train: compute node n2: its agent is gone without a word")


def test_nothing_outlives_a_killed_driver(drive):
    drive.start("dask", "run until stopped").pid_in_training("rank-1")
    drive.process.kill()
    drive.process.wait()
    give_up = time.monotonic() + 20
    while drive.left() and time.monotonic() < give_up:
        time.sleep(0.1)
    assert drive.left() == []
