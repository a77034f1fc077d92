import os
import time
from pathlib import Path

import pytest

from stgnn.distributed import heartbeat
from stgnn.distributed.heartbeat import TRACE_CHARACTERS, Heartbeat, read_beat, write_beat
from stgnn.distributed.watch import Silence
from tests.distributed.conftest import Clock


def test_a_beat_tells_who_it_is_and_goes_on_by_itself(tmp_path: Path):
    file = tmp_path / "rank-0.beat"
    beating = Heartbeat(file, {"rank": 0}, seconds=0.01)
    beating.start()
    first = read_beat(file)
    while read_beat(file) in (None, first):
        time.sleep(0.01)
    beating.stop()
    assert first is not None and (first["rank"], first["pid"]) == (0, os.getpid())
    last = read_beat(file)
    assert last is not None and last["beat"] > first["beat"]


def test_a_beat_is_rewritten_in_place_so_that_a_full_disk_keeps_nobody_silent(tmp_path: Path):
    file = tmp_path / "rank-0.beat"
    write_beat(file, {"beat": 1})
    before = file.stat()
    write_beat(file, {"beat": 2, "end": {"trace": '\n"' * (TRACE_CHARACTERS // 2)}})
    after = file.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert read_beat(file)["beat"] == 2


@pytest.mark.parametrize("text", [None, "", '{"beat": 1', "7"])
def test_what_cannot_be_parsed_is_no_news(tmp_path: Path, text: str | None):
    file = tmp_path / "rank-0.beat"
    if text is not None:
        file.write_text(text)
    assert read_beat(file) is None


def test_progress_is_told_with_the_next_beat_and_nothing_without_one(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(heartbeat._Own, "heartbeat", None)
    heartbeat.progress(3)
    monkeypatch.setattr(heartbeat._Own, "heartbeat", Heartbeat(tmp_path / "beat", {}))
    heartbeat.progress(4)
    heartbeat.tell(phase="training")
    told = read_beat(tmp_path / "beat")
    assert told is not None and told["step"] == 4 and told["progressed"] > 0


def looks(silence: Silence, clock: Clock, news: list[int | None], every: float = 1.0) -> bool:
    for each in news:
        clock.now += every
        silent = silence.is_long(each)
    return silent


def test_silence_is_time_without_change(clock: Clock):
    silence = Silence(10)
    assert not looks(silence, clock, list(range(50)))
    assert not looks(silence, clock, [49] * 10)
    assert looks(silence, clock, [None])
    assert not looks(silence, clock, [50])


def test_the_watcher_s_own_pause_is_nobody_s_silence(clock: Clock):
    silence = Silence(30)
    assert not looks(silence, clock, [1, 1], every=3600.0)
