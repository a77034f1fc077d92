from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stgnn.distributed.causes import Cause, report, stack_of_rank, told_causes
from stgnn.distributed.heartbeat import write_beat
from stgnn.distributed.job import Beats, Job
from stgnn.distributed.rank_process import _unmasked


def leave_word(job: Job, rank: int, how: str, message: str, at: float) -> None:
    end: dict[str, Any] = {"how": how, "message": message, "trace": "", "at": at}
    write_beat(job.file(f"rank-{rank}"), {"job": job.id, "rank": rank, "node": 0, "host": "vm", "end": end})


def told(job: Job) -> list[Cause]:
    beats = Beats(job)
    beats.read()
    return told_causes(job, beats)


def test_what_a_peer_died_of_comes_before_lost_connections_however_late_it_is_told(job: Job, tmp_path: Path):
    leave_word(job, 0, "error", "RuntimeError: Connection reset by peer", at=1.0)
    leave_word(job, 1, "died", "was killed by SIGABRT", at=2.0)
    leave_word(job, 2, "died", "exited with status 3", at=3.0)
    lines = report(told(job), tmp_path / "none.log").splitlines()
    assert lines == [
        "rank 2 on n1 (vm): exited with status 3",
        "also rank 1 on n1 (vm): was killed by SIGABRT",
        "also rank 0 on n1 (vm): RuntimeError: Connection reset by peer",
    ]


@pytest.mark.parametrize(
    "message, is_symptom",
    [
        ("RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553] Read error", True),
        ("RuntimeError: Gloo connectFullMesh failed with Read error", True),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/home/gloo-team/store'", False),
    ],
)
def test_only_gloo_s_own_errors_are_taken_for_those_of_a_lost_peer(
    job: Job, message: str, is_symptom: bool
) -> None:
    leave_word(job, 0, "error", message, at=1.0)
    leave_word(job, 1, "error", "ValueError: later", at=2.0)
    assert min(told(job)).what == ("ValueError: later" if is_symptom else message)


def test_an_assertion_hides_what_came_before_only_where_a_process_group_ends() -> None:
    def destroy_process_group() -> None:
        raise AssertionError("Process group cannot be None")

    def check() -> None:
        raise AssertionError("weights are not finite")

    def raised_while_handling(end: Callable[[], None]) -> BaseException:
        try:
            try:
                raise ConnectionError("no route to host")
            finally:
                end()
        except AssertionError as error:
            return error

    assert isinstance(_unmasked(raised_while_handling(destroy_process_group)), ConnectionError)
    assert str(_unmasked(raised_while_handling(check))) == "weights are not finite"


def test_of_two_real_errors_the_earlier_one_is_the_cause(job: Job, tmp_path: Path):
    leave_word(job, 0, "error", "OSError: [Errno 28] No space left on device", at=2.0)
    leave_word(job, 1, "error", "ValueError: first", at=1.0)
    assert report(told(job), tmp_path / "none.log").startswith("rank 1 on n1 (vm): ValueError: first")


def test_ranks_that_ended_well_are_no_cause(job: Job):
    leave_word(job, 0, "done", "", at=1.0)
    leave_word(job, 1, "stopped", "stopped in epoch 2", at=1.0)
    assert told(job) == []


def test_a_rank_s_place_is_the_innermost_calls_of_its_last_written_stack(tmp_path: Path):
    log = tmp_path / "rank-0.log"
    thread = "Thread 0x1 (most recent call first):\n"
    frames = [f'  File "a.py", line {line} in f{line}' for line in range(2)]
    log.write_text(
        f'{thread}  File "t.py", line 3 in wait\n\n{thread}'
        + "\n".join(frames)
        + '\n  File "r.py", line 9 in run_rank\n'
        '  File "main.py", line 1 in main\n'
    )
    assert stack_of_rank(log) == "\n".join(frames)
