"""One's own events as JSON lines."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.raw.events import BLOCK_EVENTS, Events

Write = Callable[..., Events]
EVENT = {"src": 3, "dst": 4, "t": 5}


@pytest.fixture
def write(tmp_path: Path, declare: Callable[..., Dataset]) -> Write:
    """Write lines (texts, or events) and read them; keyword arguments are options."""

    def write(*lines: Any, **options: Any) -> Events:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (tmp_path / "log.jsonl").write_text("\n".join(texts))
        events = read(declare("event-json-lines", {"events": "log.jsonl"}, options, kind="events"), tmp_path)
        assert isinstance(events, Events)
        return events

    return write


def test_numbers_words_labels_and_features_come_as_they_are(write: Write) -> None:
    events = write(
        {"src": "ann", "dst": "böb", "t": 5, "label": 1, "x": [1, 2.5]},
        "",
        {"x": [0, -1e-3], "label": 0, "t": 4, "dst": "ann", "src": "böb"},
    )
    (block,) = events.blocks()
    assert not events.bipartite and events.has_label and events.feature == ("feature_0", "feature_1")
    assert block.src.tolist() == ["ann", "böb"] and block.dst.tolist() == ["böb", "ann"]
    assert block.t.tolist() == [5, 4] and block.label is not None and block.label.tolist() == [1, 0]
    np.testing.assert_array_equal(block.feature, np.array([[1, 2.5], [0, -1e-3]], np.float32))


def test_ids_of_two_kinds_are_two_id_spaces_and_both_spelled(write: Write) -> None:
    mixed = {"src": "ann", "dst": 17, "t": 0}
    (block,) = write(mixed, bipartite=True).blocks()
    assert block.src.tolist() == ["ann"] and block.dst.tolist() == ["17"]
    with pytest.raises(
        InputError, match=r"line 1: src and dst are not alike.*say `bipartite: true` if rightly so"
    ):
        write(mixed)


@pytest.mark.parametrize(
    "t, options, expected",
    [
        (1700000000, {}, 1700000000),
        (1700000000123, {"file_unit": "ms", "time_unit": "ms"}, 1700000000123),
        (1289241911.72836, {"time_unit": "us"}, 1289241911728360),
        ("1970-01-02", {}, 86_400),
        ("1970-01-01T00:00:01Z", {"time_unit": "ns"}, 10**9),
        ("1970-01-01 01:00+01:00", {}, 0),
        ("1969-12-31T23:59:59.5", {"time_unit": "ms"}, -500),
        (5.7, {"round_times": True}, 6),
        ("2024-02-29T12:00:00.123456789Z", {"time_unit": "ns"}, 1709208000123456789),
    ],
)
def test_times_are_numbers_or_dates_and_exact(
    write: Write, t: Any, options: dict[str, str], expected: int
) -> None:
    (block,) = write(EVENT | {"t": t}, **options).blocks()
    assert block.t.tolist() == [expected]


def test_decimals_that_no_float_holds_are_kept(write: Write) -> None:
    (block,) = write('{"src": 1, "dst": 2, "t": 1700000000.123456789}', time_unit="ns").blocks()
    assert block.t.tolist() == [1700000000123456789]


def test_labels_are_left_out_on_request(write: Write) -> None:
    events = write(EVENT | {"label": 1}, labels=False)
    assert not events.has_label and next(events.blocks()).label is None


def test_blocks_are_of_bounded_length(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stgnn.raw.edge_list.BLOCK_EVENTS", 5)
    blocks = list(write(*[EVENT | {"t": row} for row in range(12)]).blocks())
    assert [len(block) for block in blocks] == [5, 5, 2] and BLOCK_EVENTS == 65_536
    assert np.concatenate([block.t for block in blocks]).tolist() == list(range(12))


WRONG = {
    "no JSON": ("{src: 3}", "no whole JSON object: Expecting property name"),
    "cut short": ('{"src": 3, "dst": 4, "t"', "no whole JSON object"),
    "two on a line": (json.dumps(EVENT) * 2, "no whole JSON object: Extra data"),
    "a list": ("[3, 4, 5]", r"found \[3, 4, 5\]; write one JSON object a line"),
    "a missing key": ({"src": 3, "dst": 4}, "no key 't'"),
    "an unknown key": (EVENT | {"weight": 1}, "unknown key 'weight'; expected src, dst, t, label or x"),
    "a key more than the first": (EVENT | {"label": 1}, "this event has a 'label', unlike the first one"),
    "a key twice": ('{"src": 3, "dst": 4, "t": 5, "t": 6}', "key 't' is there twice"),
    "a word among numbers": (EVENT | {"src": "ann"}, "src: found 'ann', expected a whole number >= 0"),
    "a negative id": (EVENT | {"dst": -1}, "dst: found -1, expected a whole number >= 0"),
    "half an id": (EVENT | {"dst": 1.5}, "dst: found 1.5"),
    "no id": (EVENT | {"dst": None}, "dst: found None"),
    "true for an id": (EVENT | {"dst": True}, "dst: found True"),
    "half a second": (EVENT | {"t": 0.5}, "t: '0.5' s is no whole number of s in int64; say `time_unit: ms`"),
    "a date among numbers": (
        EVENT | {"t": "2024-02-29"},
        "t: found '2024-02-29', expected a number, as in the first event; write all times as dates or all as numbers",
    ),
    "no time": (EVENT | {"t": None}, "t: found None, expected a number or an ISO 8601 date"),
    "not a number": ('{"src": 3, "dst": 4, "t": NaN}', "found NaN, expected a finite number"),
    "a huge number": ('{"src": 3, "dst": 4, "t": 1' + "0" * 5000 + "}", "a whole number of over 4300 digits; mend"),
    "brackets without end": ('{"src": ' + "[" * 10**5, "brackets within brackets without end; mend the line"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_line_is_one_error_with_file_and_line(write: Write, tmp_path: Path, mistake: str) -> None:
    line, expected = WRONG[mistake]
    with pytest.raises(InputError, match=f"log.jsonl: line 2: {expected}") as caught:
        list(write(EVENT, line, EVENT).blocks())
    assert caught.value.where == str(tmp_path / "log.jsonl") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "t, expected",
    [
        ("2024-01-01T00:00:00.5", "t: .*no whole number of s.*`time_unit: ms`"),
        ("2024-02-30", "t: '2024-02-30' is no time; write times as"),
        ("noon", "t: 'noon' is no time"),
        (1709208000, "t: found 1709208000, expected a date and time, as in the first event"),
        (0.5, "t: found 0.5, expected a date and time, as in the first event"),
        (None, "t: found None, expected a date and time, as in the first event"),
    ],
)
def test_a_wrong_time_among_dates_is_named(write: Write, t: Any, expected: str) -> None:
    dated = EVENT | {"t": "2024-02-28"}
    with pytest.raises(InputError, match=f"log.jsonl: line 2: {expected}"):
        list(write(dated, EVENT | {"t": t}, dated).blocks())


def test_times_of_a_file_may_be_whole_and_broken_numbers(write: Write) -> None:
    (block,) = write(EVENT, EVENT | {"t": 5.5}, time_unit="ms").blocks()
    assert block.t.tolist() == [5000, 5500]


@pytest.mark.parametrize(
    "x, expected",
    [
        ([1], "found 1 numbers, expected a list of 2"),
        (3, "found 3, expected a list of 2"),
        ([1, "2"], "found '2', expected finite numbers"),
        ([1, True], "found True, expected finite"),
        ([1, 2**128 - 2**103 - 1], r"found 3402\d+.*, expected finite"),
        ([1, 1e39], r"found 1e\+39, expected finite"),
        ([1, 10**400], "found a number of 1329 bits, expected finite"),
    ],
)
def test_wrong_features_are_named(write: Write, x: Any, expected: str) -> None:
    with pytest.raises(InputError, match=f"line 2: x: {expected}"):
        list(write(EVENT | {"x": [1, 2]}, EVENT | {"x": x}).blocks())


def test_features_up_to_the_largest_float32_are_finite(write: Write) -> None:
    (block,) = write(EVENT | {"x": [3.4028235e38, -(2**127), 3.4028235677973362e38]}).blocks()
    assert block.feature is not None and np.isfinite(block.feature).all()


@pytest.mark.parametrize("label", [300, 1.0, "1", None, True])
def test_wrong_labels_are_named(write: Write, label: Any) -> None:
    with pytest.raises(InputError, match=r"line 2: label: found .*, expected a whole number in"):
        list(write(EVENT | {"label": 1}, EVENT | {"label": label}).blocks())


FIRST = {
    "no JSON": ("ann bob yesterday", "no whole JSON object"),
    "no object": ("3", "found 3; write one JSON object a line"),
    "no time": ({"src": 3, "dst": 4}, "no key 't'"),
    "a word for a time": (EVENT | {"t": "yesterday"}, "t: 'yesterday' is no time"),
    "half an id": (EVENT | {"src": 1.5}, "src: found 1.5, expected a whole number >= 0"),
    "features that are no list": (EVENT | {"x": 5}, "x: found 5, expected a list of numbers"),
    "a feature that is no number": (EVENT | {"x": ["5"]}, "x: found '5', expected finite numbers"),
    "a label that is none": (EVENT | {"label": "x"}, "label: found 'x', expected a whole number"),
}


@pytest.mark.parametrize("mistake", FIRST)
def test_a_broken_first_event_is_named(write: Write, mistake: str) -> None:
    line, expected = FIRST[mistake]
    with pytest.raises(InputError, match=f"log.jsonl: line 1: {expected}"):
        list(write(line, EVENT).blocks())


def test_half_a_character_is_no_name(write: Write) -> None:
    with pytest.raises(InputError, match=r"line 1: src: found .*, expected text"):
        write(r'{"src": "\ud800", "dst": "b", "t": 1}')


def test_a_file_of_blank_lines_holds_no_events(write: Write) -> None:
    with pytest.raises(InputError, match="line 1: no events in the file; write one JSON object a line"):
        write("", " ", "")
