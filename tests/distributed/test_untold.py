"""What the driver infers from beats, by a clock of the tests'; and what it makes of it."""

import os
import threading
from typing import Any

import pytest

from stgnn.distributed.allocation import Allocation
from stgnn.distributed.heartbeat import read_beat, write_beat
from stgnn.distributed.job import STOP, Beats, Job
from stgnn.distributed.rank_process import note_death
from stgnn.distributed.supervise import Supervisor
from stgnn.distributed.untold import Untold
from stgnn.distributed.watch import Limits
from stgnn.training.stop import Stopped, StopRequest
from tests.distributed.conftest import Clock, wait_until

LIMITS = Limits(start=300, load=45, silence=30)


def say(job: Job, who: str, **facts: Any) -> None:
    rank = {"rank": int(who.removeprefix("rank-")), "node": 0} if who.startswith("rank-") else {}
    write_beat(job.file(who), {"job": job.id, "host": "vm", "pid": os.getpid(), **rank, **facts})


def silent_after(job: Job, clock: Clock, silent: dict[str, str], seconds: int) -> list[str]:
    """What is inferred when all beat in training, but `silent` once in that phase, some seconds ago."""
    others = {"node-0", "dask", "rank-0", "rank-1", "rank-2"} - set(silent)
    beats, untold = Beats(job), Untold(job, LIMITS)
    for who, phase in silent.items():
        say(job, who, beat=1, phase=phase)
    for second in range(seconds):
        for who in others:
            say(job, who, beat=second, phase="training")
        beats.read()
        found = untold.causes(beats, {})
        clock.now += 1
    return [cause.line for cause in found if "agent" not in cause.what]


@pytest.mark.parametrize("who", ["rank-1", "dask"])
def test_who_falls_silent_in_training_hangs(job: Job, clock: Clock, who: str):
    name = "the Dask scheduler" if who == "dask" else "rank 1 on n1 (vm)"
    assert silent_after(job, clock, {who: "training"}, 30) == []
    assert silent_after(job, clock, {who: "training"}, 33) == [f"{name}: hangs: no sign of life for 30 s"]


def test_who_falls_silent_before_training_is_waited_for_a_little_longer(job: Job, clock: Clock):
    assert silent_after(job, clock, {"rank-1": "starting"}, 45) == []
    assert silent_after(job, clock, {"rank-1": "starting"}, 48) == [
        "rank 1 on n1 (vm): hangs: no sign of life for 45 s"
    ]


def test_who_has_never_beaten_may_still_be_on_its_way(job: Job, clock: Clock):
    beats, untold = Beats(job), Untold(job, LIMITS)
    for _ in range(290):
        assert untold.causes(beats, {}) == []
        clock.now += 1
    for _ in range(3):
        clock.now += 5
        found = untold.causes(beats, {})
    lines = [cause.line for cause in found]
    assert "compute node n1: has not started in 300 s" in lines
    assert "rank 0: has not started in 300 s" in lines


def test_what_an_older_attempt_still_writes_is_no_news(job: Job):
    beats = Beats(job)
    say(job, "rank-0", beat=5)
    beats.read()
    write_beat(job.file("rank-0"), {"job": "6", "rank": 0, "beat": 99, "end": {"how": "died"}})
    beats.read()
    assert beats.ranks[0]["beat"] == 5


def test_an_older_attempt_s_agent_tells_no_death_of_a_rank_of_this_one(job: Job):
    say(job, "rank-0", beat=5)
    before = read_beat(job.file("rank-0"))
    older = Job(**{**vars(job), "id": "6"})
    note_death(older, 0, "was killed by SIGKILL", "vm")
    assert read_beat(job.file("rank-0")) == before
    note_death(job, 0, "was killed by SIGKILL", "vm")
    assert read_beat(job.file("rank-0"))["end"]["how"] == "died"


class Asked(StopRequest):
    yes = False

    def __bool__(self) -> bool:
        return self.yes


@pytest.fixture
def ranks_beat(job: Job) -> Any:
    """All ranks beat as long as nothing is in the list, and stop when they are told to."""
    silent: list[int] = []
    over = threading.Event()

    def beat() -> None:
        count = 0
        while not over.wait(0.02):
            count += 1
            told = (read_beat(job.file("driver")) or {}).get("order") == STOP
            end = {"end": {"how": "stopped", "message": "stopped in epoch 1"}} if told else {}
            for rank in range(job.workers):
                if rank not in silent:
                    say(job, f"rank-{rank}", beat=count, phase="training", **end)

    for rank in range(job.workers):
        say(job, f"rank-{rank}", beat=0, phase="training")
    say(job, "node-0", end={"how": "left"})
    say(job, "dask", beat=0, end={"how": "done"})
    thread = threading.Thread(target=beat)
    thread.start()
    yield silent
    over.set()
    thread.join()


def test_a_rank_that_was_silent_for_a_while_keeps_nobody_from_stopping(job: Job, ranks_beat: list[int]):
    asked, said = Asked(), []
    limits = Limits(silence=1.0, settle=60.0)
    allocation = Allocation("local", ("n1",), ("n1",))

    def drive() -> None:
        with Supervisor(job, allocation, limits, asked) as supervisor:
            watched.append(supervisor)
            try:
                supervisor.watch()
            except Stopped as stopped:
                said.append(str(stopped))

    watched: list[Supervisor] = []
    ranks_beat.append(1)
    driver = threading.Thread(target=drive, daemon=True)
    driver.start()
    wait_until(lambda: bool(watched) and watched[0]._failed_at is not None)
    ranks_beat.clear()
    asked.yes = True
    driver.join(20)
    assert said == ["stopped in epoch 1"]
