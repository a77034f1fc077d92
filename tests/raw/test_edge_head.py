"""The first lines of edge lists: names that are declared and never guessed, and a first event that is never lost."""

import logging
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.raw.events import Events
from tests.raw.edges import HEADER, Write, whole

WORDS = {"ids": "text"}
BROKEN: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "a word for a time": ("snap-text", "ann bob yesterday\nann cy 2\ncy bob 3\n", WORDS, "1: found 'ann bob yest"),
    "no number at all": ("snap-text", "x y z\n1 2 3\n2 3 4\n", {}, "1: found 'x y z', expected an event, whose time"),
    "a letter for a digit": ("snap-text", "a b l\n1 2 3\n", {}, "1: found 'a b l', expected an event"),
    "no line of an edge list": ("snap-text", "garbage\n1 2 3\n", {}, "1: found 'garbage', expected an event"),
    "too many words": ("snap-text", "a b c d e f\n1 2 3\n", {}, "1: found 'a b c d e f', expected an event"),
    "too many numbers": ("snap-text", "1 2 3 4\n1 2 3\n", {}, "1: 4 fields in '1 2 3 4', expected 3 (src, dst, time)"),
    "a blank too many": ("snap-text", " 1 2 3\n1 2 3\n", {}, "1: 4 fields in ' 1 2 3', expected 3"),
    "too few": ("snap-text", "1 2\n1 2 3\n", {}, "1: 2 fields in '1 2', expected 3"),
    "a word for an id": ("snap-text", "ann 2 3\n1 2 3\n", {}, "1, src: found 'ann', expected a whole number"),
    "after comments": ("snap-text", "# all\n\nx y z\n1 2 3\n", {}, "3: found 'x y z', expected an event"),
    "after names": ("snap-text", "a b c\nx y z\n1 2 3\n", {"header": True}, "2, src: found 'x', expected a whole"),
    "no number after jodie's names": ("jodie-csv", HEADER + "u,i,t,l\n1,2,3,0\n", {}, "2, src: found 'u', expected"),
    "a word for jodie's time": ("jodie-csv", HEADER + "1,2,x,0\n1,2,3,0\n", {}, "2, time: found 'x', expected a num"),
    "jodie's label lost": ("jodie-csv", HEADER + "1,2,3\n1,2,3,0\n", {}, "2: 3 fields in '1,2,3', expected 4 (src, ds"),
    "a feature lost": ("jodie-csv", "u,i,t,l,a,b\n1,2,3,0,1\n", {}, "1: 6 names in 'u,i,t,l,a,b' for the 5 fie"),
    "jodie's layout without names": ("jodie-csv", "x,2,y,0\n1,2,3,0\n", {"header": False}, "1, src: found 'x', exp"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_broken_first_event_is_named_and_never_taken_for_names(write: Write, mistake: str) -> None:
    reader, text, options, expected = BROKEN[mistake]
    with pytest.raises(InputError, match=re.escape(f"events.csv: line {expected}")):
        whole(write(reader, text, **options))


def test_a_broken_first_event_in_an_archive_is_named(tmp_path: Path, declare: Callable[..., Dataset]) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x/edges.csv", HEADER + "a,b,c,d\n1,2,3,0\n")
    events = read(declare("tgb-zip", {"archive": "x.zip"}, kind="events"), tmp_path)
    assert isinstance(events, Events)
    with pytest.raises(
        InputError, match=r"x\.zip: x/edges\.csv, line 2, src: found 'a', expected a whole number"
    ):
        whole(events)


@pytest.mark.parametrize(
    "names, found", [(["a.csv", "b.csv"], "2 members end in '.csv'"), (["a.txt"], "0 members end")]
)
def test_which_member_of_an_archive_is_meant_must_be_clear(
    tmp_path: Path, declare: Callable[..., Dataset], names: list[str], found: str
) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in names:
            archive.writestr(name, HEADER + "1,2,3,0\n")
    with pytest.raises(
        InputError, match=rf"{found}.*; say in the dataset's `options:` .* `member: <end of its n"
    ):
        read(declare("tgb-zip", {"archive": "x.zip"}, kind="events"), tmp_path)
    chosen = declare("tgb-zip", {"archive": "x.zip"}, {"member": names[-1]}, kind="events")
    assert isinstance(read(chosen, tmp_path), Events)


NAMELESS = {
    "an event": ("4,0,0.0,0", "found '4,0,0.0,0', expected the names of the columns; say `header: false` in the cat"),
    "an event that is broken": ("4,x,y,z", "found '4,x,y,z', expected the names of the columns"),
    "too few names": ("u,i,t", "3 names in 'u,i,t', expected 4 (src, dst, time, label) or more; name each column, or"),
    "too many names": ("u,i,t,l,a,b", "6 names in 'u,i,t,l,a,b' for the 4 fields of line 2; name each column, or all"),
    "something else": ("garbage", "1 names in 'garbage', expected 4"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", NAMELESS)
def test_a_line_that_should_hold_names_is_named_where_it_does_not(write: Write, mistake: str) -> None:
    line, expected = NAMELESS[mistake]
    with pytest.raises(InputError, match=re.escape(f"events.csv: line 1: {expected}")):
        write("jodie-csv", line + "\n4,0,0.0,0\n5,0,1.0,0\n")


def test_files_with_and_without_names_are_read_whole_as_declared(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    assert whole(write("jodie-csv", "4,0,0.0,0\n5,0,1.0,0\n", header=False)).src.tolist() == [4, 5]
    with caplog.at_level(logging.INFO):
        assert whole(write("snap-text", "# of\nfrom to at\n# all\n4 0 1\n", header=True)).t.tolist() == [1]
    assert "events.csv, line 2 names the columns: 'from to at'" in caplog.text
    with pytest.raises(
        InputError, match=r"line 1: found 'from to at', .*, or say `header: true` in the catalogue"
    ):
        write("snap-text", "from to at\n4 0 1\n")


NAMES = {
    "age,size": ("age", "size"),
    " age , size": ("age", "size"),
    "-,size": ("-", "size"),
    "row,label": ("row", "label"),
    "label,src": ("label", "src"),
    "...,time": ("...", "time"),
    "0,1": ("0", "1"),
    "feature_1,feature_0": ("feature_1", "feature_0"),
    ",size": ("feature_0", "feature_1"),
    "size,size": ("feature_0", "feature_1"),
    "all": ("feature_0", "feature_1"),
}


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("labels", [True, False])
def test_any_name_in_a_file_is_just_a_name(write: Write, names: str, labels: bool) -> None:
    events = write("jodie-csv", f"u,i,t,l,{names}\n1,2,3,0,7,9\n4,5,6,1,8,.5\n", labels=labels)
    block = whole(events)
    assert events.feature == NAMES[names] and events.has_label is labels
    assert block.feature is not None and block.feature.tolist() == [[7, 9], [8, 0.5]]
    assert block.label is None or block.label.tolist() == [0, 1]
    with pytest.raises(
        InputError, match=re.escape(f"line 3, {NAMES[names][1]}: found 'x', expected a finite")
    ):
        whole(write("jodie-csv", f"u,i,t,l,{names}\n1,2,3,0,7,9\n4,5,6,1,8,x\n"))


@pytest.mark.parametrize(
    "header, expected",
    [
        ("day,-,a,b,of,w", ("feature_0", "of", "w")),
        ("day,-,a,b,x,feature_0", ("feature_0", "feature_1", "feature_2")),
        ("day,-,a,b,all", ("feature_0", "feature_1", "feature_2")),
    ],
)
def test_names_in_a_file_never_clash_with_those_of_the_catalogue(
    write: Write, header: str, expected: tuple[str, ...]
) -> None:
    columns = ["time", "-", "src", "dst", "feature_0", "..."]
    header = header.replace("b,", "b,own,", 1)
    events = write("snap-text", f"{header}\n1,?,2,3,4,5,6\n", columns=columns, header=True)
    assert events.feature == expected
    assert whole(events).feature.tolist() == [[4, 5, 6]]  # type: ignore[union-attr]


def test_an_unnamed_column_may_be_left_out(write: Write) -> None:
    events = write("snap-text", ",a,b,t\n0,2,3,4\n", columns=["-", "src", "dst", "time"], header=True)
    assert whole(events).src.tolist() == [2] and events.feature == ()


JSON = {
    "events": '{"src": "ann", "dst": "bob", "t": 1.5}\n{"src": "cy", "dst": "bob", "t": 2}\n',
    "an event": '{"src": 1, "dst": 2, "t": 3, "x": [1, 2, 3]}',
    "a list of events": '[{"src": 1, "dst": 2, "t": 3}]\n',
    "an indented list": '[\n {\n  "src": 1\n }\n]\n',
}


@pytest.mark.parametrize("reader", ["snap-text", "jodie-csv"])
@pytest.mark.parametrize("text", JSON)
def test_json_is_said_to_be_json(write: Write, reader: str, text: str) -> None:
    found = re.escape(JSON[text][:1])
    with pytest.raises(
        InputError, match=f"line 1: .*'{found}.*; for JSON, .* say `reader: event-json-lines`"
    ):
        whole(write(reader, JSON[text]))


@pytest.mark.parametrize("reader", ["snap-text", "jodie-csv", "event-json-lines"])
@pytest.mark.parametrize("end", ["", "\r"])
def test_line_breaks_of_old_macs_are_named(write: Write, reader: str, end: str) -> None:
    with pytest.raises(
        InputError, match=r"events.csv: line 1: lines end with a carriage return alone.*; save th"
    ):
        write(reader, "1 2 3\r4 5 6" + end)


def test_a_separator_behind_every_event_but_not_behind_the_names_is_no_field(write: Write) -> None:
    events = whole(write("jodie-csv", "u,i,t,l\n1,2,3,0,\n2,3,4,0,\n"))
    assert events.t.tolist() == [3, 4] and events.feature is None
