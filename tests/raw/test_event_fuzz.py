"""Event files broken at random places: each is an error that names file and line, or reads as plain Python reads it."""

import dataclasses
import gzip
import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.raw.events import Events

Event = tuple[Any, ...]  # src, dst, t, label or None, features
TRIES = 120  # broken files of each format
NASTY = [
    b"", b",", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b" ", b"\t", b"-", b"+", b".", b"e", b"e5", b"_", b'"', b"nan",
    b"inf", b"1e400", b"-1", b"0x1", b"\xef\xbb\xbf", b"\xef\xbc\x91", b"\xc2\xa0", b"99999999999999999999", b".5",
    b"{", b"}", b"[", b":", b"#", b"null", b"true", b"1,", b"\n\n", b"00", b"Z", b"\\ud800",
]  # fmt: skip
NUMERAL = re.compile(r"[ \t\v\f]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\v\f]*")


@dataclass(frozen=True)
class Format:
    """A valid file, how the catalogue declares it, and what plain Python makes of its bytes."""

    reader: str
    name: str
    text: bytes
    plain: Callable[[bytes], list[Event]]
    options: dict[str, Any] = field(default_factory=dict)
    role: str = "events"
    pack: Callable[[bytes], bytes] = bytes  # text to file
    beside: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # role: (name, content) of sound files


def exact(text: str, shift: int) -> int:
    assert NUMERAL.fullmatch(text), text
    value = Fraction(Decimal(text.strip())) * 10**shift
    assert value.denominator == 1 and -(2**63) <= value < 2**63
    return int(value)


def single(text: str) -> float:
    assert NUMERAL.fullmatch(text), text
    return float(struct.unpack("f", struct.pack("f", float(text)))[0])


def small(number: int) -> int:
    assert -128 <= number < 128
    return number


def identity(number: int) -> int:
    assert number >= 0
    return number


def lines_of(content: bytes) -> list[str]:
    text = content.removeprefix(b"\xef\xbb\xbf").decode()
    assert "\0" not in text
    return [line for line in (line.removesuffix("\r") for line in text.split("\n")) if line]


def table(
    columns: list[str],
    separators: str = ",",
    comments: str = "",
    shift: int = 0,
    words: bool = False,
    named: bool = True,
) -> Any:
    """The plain reader of lines of separated fields; `f` are features, `...` any number of them.

    The first line that is no comment holds names if `named`; every other one is an event.
    """

    def plain(content: bytes) -> list[Event]:
        lines = lines_of(content)
        names = ""
        if named:
            while (names := lines.pop(0))[0] in comments:
                pass
        while lines[0][0] in comments:
            lines.pop(0)
        separator = next((each for each in separators if each in lines[0]), separators[-1])
        fixed = [kind for kind in columns if kind != "..."]
        width = lines[0].count(separator) + 1
        kinds = fixed + ["f"] * (width - len(fixed)) if "..." in columns else fixed
        blank = "..." in columns and kinds.count("f") == 1 and lines[0].endswith(separator)
        if named:
            named_fields = names.split(separator)
            assert len(named_fields) in (width, len(fixed) + ("..." in columns))
            known = zip(fixed, named_fields, strict=False)
            assert not any(NUMERAL.fullmatch(name) for kind, name in known if kind not in "f-")
        return [event(line.split(separator), kinds, row, blank) for row, line in enumerate(lines, 1)]

    def event(fields: list[str], kinds: list[str], row: int, blank: bool) -> Event:
        assert len(fields) == len(kinds)
        if blank:
            assert not fields[-1]
            kinds = kinds[:-1]
        found = dict(zip(kinds, fields, strict=False))
        ids = [found[end] if words else identity(exact(found[end], 0)) for end in ("src", "dst")]
        assert all(each != "" for each in ids)
        label = small(exact(found["label"], 0)) if "label" in kinds else None
        assert "row" not in found or exact(found["row"], 0) == row
        features = tuple(single(each) for kind, each in zip(kinds, fields, strict=False) if kind == "f")
        return (*ids, exact(found["time"], shift), label, features)

    return plain


def objects(content: bytes) -> list[Event]:
    """The plain reader of JSON lines, times in microseconds."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    events = []
    shapes = set()
    for line in content.removeprefix(b"\xef\xbb\xbf").decode().split("\n"):
        if not line.strip():
            continue
        event = json.loads(line, object_pairs_hook=once, parse_float=Decimal)
        assert {"src", "dst", "t"} <= event.keys() <= {"src", "dst", "t", "label", "x"}
        ids = [event["src"], event["dst"]]
        assert all(type(each) in (int, str) and each != "" for each in ids)
        assert all(0 <= each < 2**63 if type(each) is int else each.encode() for each in ids)
        t = event["t"]
        if isinstance(t, str):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?", t, re.ASCII)
            whole, _, fraction = t.partition(".")
            digits, zone = re.fullmatch(r"(\d{0,9})(.*)", fraction, re.ASCII).groups()  # type: ignore[union-attr]
            zoned = re.search(r"Z|\d[+-]\d\d:?\d\d$", whole + zone)
            moment = datetime.fromisoformat(
                whole + (zone if zoned else "+00:00" if ":" in whole else "T00:00+00:00")
            )
            decimals = Fraction(int(digits or 0), 10 ** len(digits))
            microseconds = (Fraction(int(moment.timestamp())) + decimals) * 10**6
        else:
            assert type(t) in (int, Decimal)
            microseconds = Fraction(t) * 10**6
        assert microseconds.denominator == 1 and abs(microseconds) < 2**63
        assert all(type(each) in (int, Decimal) for each in event["x"])
        assert type(event["label"]) is int
        shapes.add((type(ids[0]), type(ids[1]), isinstance(t, str), len(event["x"]), *sorted(event)))
        features = tuple(single(str(each)) for each in event["x"])
        events.append((*ids, int(microseconds), small(event["label"]), features))
    assert len(shapes) == 1
    return events


def zipped(text: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tgbl-x/edgelist.csv", text)
        archive.writestr("tgbl-x/val_ns.pkl", b"never opened")
    return file.getvalue()


def array(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


ROWS = 12
JODIE = b"user_id,item_id,timestamp,state_label,comma_separated_list_of_features\n"
ML = np.arange(2 * (ROWS + 1), dtype=np.float64).reshape(-1, 2) * (np.arange(ROWS + 1) > 0)[:, None]


def with_rows(plain: Callable[[bytes], list[Event]]) -> Callable[[bytes], list[Event]]:
    """Events whose features are the rows of ML."""

    def joined(content: bytes) -> list[Event]:
        events = plain(content)
        assert len(events) == ROWS
        return [(*event[:4], tuple(map(float, ML[row]))) for row, event in enumerate(events, 1)]

    return joined


def text(line: Callable[[int], str]) -> bytes:
    return "".join(line(row) + "\n" for row in range(ROWS)).encode()


FORMATS = {
    "jodie": Format(
        "jodie-csv", "wikipedia.csv",
        JODIE + text(lambda row: f"{row % 5},{row % 3},{row}.0,{row % 2}"),
        table(["src", "dst", "time", "label", "..."]),
    ),
    "jodie-features": Format(
        "jodie-csv", "mooc.csv",
        JODIE + text(lambda row: f"{row},{row % 3},{row * 60},0,{row / 7},-0.{row},{row}e-3"),
        table(["src", "dst", "time", "label", "..."]),
    ),
    "snap": Format(
        "snap-text", "messages.txt",
        b"# source target time\n" + text(lambda row: f"{row % 4} {row % 7} {1082040961 + row}"),
        table(["src", "dst", "time"], ",\t ", "#%", named=False),
    ),
    "snap-gz": Format(
        "snap-text", "messages.txt.gz",
        text(lambda row: f"{row % 4}\t{row % 7}\t{1082040961 + row}"),
        table(["src", "dst", "time"], ",\t ", "#%", named=False),
        pack=lambda content: gzip.compress(content, 1, mtime=0),
    ),
    "bitcoin": Format(
        "snap-text", "otc.csv",
        b"from,to,feature,time\r\n" + text(lambda row: f"{row},{row % 7},{row - 5},{1289241911 + row}.{row:05d}\r"),
        table(["src", "dst", "f", "time"], ",\t ", "#%", 6),
        {"columns": ["src", "dst", "rating", "time"], "header": True, "time_unit": "us"},
    ),
    "ml-pair": Format(
        "ml-pair", "ml_x.csv",
        b",u,i,ts,label,idx\n" + text(lambda row: f"{row},{row % 4 + 1},{row % 7 + 5},{row * 3}.0,0.0,{row + 1}"),
        with_rows(table(["-", "src", "dst", "time", "label", "row"])),
        beside={"edge_features": ("ml_x.npy", array(ML))},
    ),
    "tgb-words": Format(
        "tgb-zip", "tgbl-x.zip",
        b"day,src,dst,callsign,w\n" + text(lambda row: f"{row * 86400},K{row % 3}é,{row}W,GTI{row},{row}.5"),
        table(["time", "src", "dst", "-", "f"], words=True),
        {"columns": ["time", "src", "dst", "-", "w"], "ids": "text"}, "archive", zipped,
    ),
    "json": Format(
        "event-json-lines", "own.jsonl",
        text(lambda row: f'{{"src": {row}, "dst": {row % 5}, "t": {row}.000{row}, "label": 0, "x": [1, 1.5e{row}]}}'),
        objects, {"time_unit": "us"},
    ),
    "json-words": Format(
        "event-json-lines", "log.jsonl",
        text(
            lambda row: f'{{"src":"a{row}","dst":"b\\u00e9","t":"2024-01-{row + 1:02d}T00:00:{row:02d}.5+01:00",'
            '"label":-1,"x":[]}'
        ),
        objects, {"time_unit": "us"},
    ),
}  # fmt: skip


def dataset_of(form: Format, declare: Callable[..., Dataset]) -> Dataset:
    files = {form.role: form.name} | {role: name for role, (name, _) in form.beside.items()}
    return declare(form.reader, files, form.options, kind="events")


def events_of(events: Events) -> list[Event]:
    found: list[Event] = []
    for block in events.blocks():
        label = [None] * len(block) if block.label is None else block.label.tolist()
        features = [()] * len(block) if block.feature is None else map(tuple, block.feature.tolist())
        found += zip(block.src.tolist(), block.dst.tolist(), block.t.tolist(), label, features, strict=True)
    return found


def broken(sound: bytes, dice: random.Random) -> bytes:
    """A few bytes or lines of `sound` lost, doubled, replaced, or its end cut off."""
    start = dice.randrange(len(sound) + 1)
    end = min(len(sound), start + dice.choice([0, 1, 1, 2, 9, 40]))
    match dice.randrange(6):
        case 0:
            return sound[:start]
        case 1:
            return sound[:start] + sound[end:]
        case 2:
            return sound[:end] + sound[start:]
        case 3:
            lines = sound.splitlines(keepends=True)
            lines[dice.randrange(len(lines))] = dice.choice(lines)
            return b"".join(lines)
        case 4:
            return sound[:start] + bytes([dice.randrange(256)]) + sound[start + 1 :]
        case _:
            return sound[:start] + dice.choice(NASTY) + sound[end if dice.random() < 0.5 else start :]


@pytest.fixture
def write(tmp_path: Path, declare: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a format's files, in chunks of a few lines."""
    monkeypatch.setattr("stgnn.raw.text_chunks.CHUNK", 150)

    def write(form: Format, content: bytes) -> Events:
        (tmp_path / form.name).write_bytes(content)
        for name, sound in form.beside.values():
            (tmp_path / name).write_bytes(sound)
        events = read(dataset_of(form, declare), tmp_path)
        assert isinstance(events, Events)
        return events

    return write


@pytest.mark.parametrize("name", FORMATS)
def test_a_sound_file_reads_as_plain_python_reads_it(write: Any, name: str) -> None:
    form = FORMATS[name]
    found = events_of(write(form, form.pack(form.text)))
    assert found == form.plain(form.text) and len(found) == ROWS
    assert events_of(write(form, form.pack(form.text.removesuffix(b"\n")))) == found


def outcome(write: Any, form: Format, content: bytes) -> list[Event] | InputError:
    """The events read, or the error, which must be the one kind and one line."""
    try:
        return events_of(write(form, content))
    except InputError as error:
        return error


@pytest.mark.parametrize("name", FORMATS)
def test_a_broken_text_is_named_by_file_and_line_or_reads_as_plain_python_reads_it(
    write: Any, name: str
) -> None:
    form, dice, refused = FORMATS[name], random.Random(name), 0
    for _ in range(TRIES):
        content = broken(form.text, dice)
        found = outcome(write, form, form.pack(content))
        if isinstance(found, InputError):
            refused += 1
            place = r"array: \d+ rows" if found.where.endswith(".npy") else r"\bline \d+\b|the file is empty"
            assert re.search(place, found.problem) and "\n" not in str(found), str(found)
            assert Path(found.where).name in (form.name, *(name for name, _ in form.beside.values()))
        else:
            assert found == form.plain(content), content
    assert TRIES // 3 < refused < TRIES


@pytest.mark.filterwarnings("ignore:Reading `.npy`")  # a broken header may look like Python 2's
@pytest.mark.parametrize("name", ["snap-gz", "tgb-words", "ml-pair"])
def test_a_broken_container_is_named_or_reads_as_the_whole_one(write: Any, name: str) -> None:
    form, dice, refused = FORMATS[name], random.Random(name), 0
    sound, packed = form.plain(form.text), form.pack(form.text)
    for _ in range(TRIES):
        content = broken(array(ML) if form.beside else packed, dice)
        if form.beside:
            beside = {"edge_features": ("ml_x.npy", content)}
            found = outcome(write, dataclasses.replace(form, beside=beside), packed)
        else:
            found = outcome(write, form, content)
        if isinstance(found, InputError):
            refused += 1
            assert "\n" not in str(found)
            assert found.where.endswith("ml_x.npy" if form.beside else form.name)
        else:  # .npy has no checksum: its numbers may be others
            assert [event[:4] for event in found] == [event[:4] for event in sound]
            assert form.beside or found == sound
    assert refused > TRIES // 3


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("wrong", ["one number", "no number"])
def test_the_line_named_is_the_broken_one(write: Any, name: str, wrong: str) -> None:
    form = FORMATS[name]
    lines = form.text.splitlines(keepends=True)
    for number in range(len(lines) - ROWS + 1, len(lines) + 1):
        line = lines[number - 1]
        if wrong == "no number":
            line = re.sub(rb"\d", b"?", line)
        elif name == "ml-pair":  # whose first column is left out
            line = line.replace(b",", b",?", 1)
        else:
            line = b"?" + line[1:]
        content = b"".join([*lines[: number - 1], line, *lines[number:]])
        with pytest.raises(InputError, match=rf"\bline {number}\b"):
            events_of(write(form, form.pack(content)))
