"""Lines of an edge list to a block of events: all at once by numpy and pandas, or one by one to name the wrong line.

`plain_rows` says what the lines mean. `quick_rows` gives the same for what it can read, and None otherwise; it decides
nothing, so every error is named in one place.

Axes: R events of a chunk, C bytes of it, F edge features, W fields of a line.
"""

import codecs
import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import shown
from stgnn.raw.events import EventBlock
from stgnn.raw.numerals import PLAIN, is_numeral, mend_unit, whole, whole_column
from stgnn.raw.text_chunks import TextFile

LEFT_OUT, EMPTY, ROW = (
    "-",
    "",
    "row",
)  # columns of no value: not wanted, always empty, the event's own number from 1
_NAMED = {"src", "dst", "time", "label", LEFT_OUT, EMPTY, ROW}  # every other column is an edge feature


@dataclass(frozen=True)
class Layout:
    """What the lines of an edge list hold, and what its ids and times may be."""

    file: TextFile
    separator: str
    columns: tuple[str, ...]  # W: src, dst, time, label, one of the above, or a feature's name
    words: bool  # ids are text, not whole numbers
    file_unit: str  # of the times in the file
    time_unit: str  # of the times wanted
    shift: int  # decimals from the one to the other
    rounded: bool  # times need not be whole
    ids: int | None = None  # every id is below this, where that is known

    @property
    def features(self) -> tuple[int, ...]:
        """The fields that are edge features, F of them."""
        return tuple(field for field, name in enumerate(self.columns) if name not in _NAMED)


def rows(layout: Layout, line: int, text: bytes, first: int) -> EventBlock:
    """Return the events of whole lines, the first of them line `line` and event `first`; empty lines hold none.

    Raises `InputError` that names the line, the column and what was found there.
    """
    quick = quick_rows(layout, text, first)
    return plain_rows(layout, line, text, first) if quick is None else quick


def quick_rows(layout: Layout, text: bytes, first: int) -> EventBlock | None:
    """Return what `plain_rows` does, or None where a line may be wrong or is not written in the plainest way."""
    text_C = np.frombuffer(text, np.uint8)
    fields = _fields(text_C, layout)
    if fields is None or not _is_utf8(text):
        return None
    start_RW, end_RW = fields
    numbers = _numbers(layout, text_C, start_RW, end_RW)
    others = None if numbers is None else _others(layout, text, len(start_RW))
    if numbers is None or others is None or not _sensible(layout, numbers, first):
        return None
    ids, feature_RF = others
    src_R, dst_R = ids or (numbers["src"], numbers["dst"])
    label_R = numbers["label"].astype(np.int8) if "label" in numbers else None
    return EventBlock(src_R, dst_R, numbers["time"], label_R, feature_RF)


def _numbers(
    layout: Layout, text_C: NDArray[np.uint8], start_RW: NDArray[np.int64], end_RW: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]] | None:
    """Return `[R]` each column of whole numbers by name; None if one is not plain, or an empty column is not empty."""
    numbers = {}
    for field, name in enumerate(layout.columns):
        start_R, end_R = start_RW[:, field], end_RW[:, field]
        if name == EMPTY and (end_R > start_R).any():
            return None
        if name in ("time", "label", ROW) or (name in ("src", "dst") and not layout.words):
            column_R = whole_column(text_C, start_R, end_R, layout.shift if name == "time" else 0)
            if column_R is None:
                return None
            numbers[name] = column_R
    return numbers


def _is_utf8(text: bytes) -> bool:
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


def _fields(text_C: NDArray[np.uint8], layout: Layout) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return `[R, W]` where each field begins and ends; None if a line has not W of them."""
    newline = np.flatnonzero(text_C == ord("\n"))
    end_R = newline - (text_C[newline - 1] == ord("\r"))
    start_R = np.concatenate([[0], newline[:-1] + 1])
    held = end_R > start_R
    start_R, end_R = start_R[held], end_R[held]
    comma = np.flatnonzero(text_C == ord(layout.separator))
    if len(comma) != len(end_R) * (len(layout.columns) - 1):
        return None
    comma_RW = comma.reshape(len(end_R), len(layout.columns) - 1)
    if (comma_RW[:, 0] < start_R).any() or (comma_RW[:, -1] >= end_R).any():
        return None
    return np.column_stack([start_R, comma_RW + 1]), np.column_stack([comma_RW, end_R])


def _others(layout: Layout, text: bytes, count: int) -> tuple[Any, NDArray[np.float32] | None] | None:
    """Return what is not whole numbers: (ids if they are words, features `[R, F]`), each None where there are none."""
    types: dict[int, Any] = dict.fromkeys(layout.features, np.float64)
    ids = [layout.columns.index(name) for name in ("src", "dst")] if layout.words else []
    types |= dict.fromkeys(ids, object)
    if not types:
        return None, None
    if not count or text.startswith(codecs.BOM_UTF8) or text.count(b"\r") != text.count(b"\r\n"):
        return None  # pandas drops the one and ends lines at the other
    try:
        frame = pd.read_csv(
            io.BytesIO(text), sep=layout.separator, header=None, names=list(range(len(layout.columns))),
            usecols=list(types), dtype=types, index_col=False, na_filter=False, quoting=csv.QUOTE_NONE,
        )  # fmt: skip
    except (ValueError, TypeError, OverflowError, pd.errors.ParserError):
        return None
    words = tuple(frame[field].to_numpy(dtype=object) for field in ids)
    if len(frame) != count or any((column == "").any() for column in words):
        return None
    if not layout.features:
        return words, None
    with np.errstate(over="ignore"):
        feature_RF = frame[list(layout.features)].to_numpy().astype(np.float32, order="C")
    return (words or None, feature_RF) if np.isfinite(feature_RF).all() else None


def _sensible(layout: Layout, numbers: dict[str, NDArray[np.int64]], first: int) -> bool:
    """Whether ids are at least 0 and known, labels within int8, and rows numbered by themselves."""
    most = 10**PLAIN if layout.ids is None else layout.ids - 1
    for name, column_R in numbers.items():
        least, largest = {"label": (-128, 127), "time": (-(2**63), 2**63 - 1)}.get(name, (0, most))
        if name == ROW:
            if not np.array_equal(column_R, np.arange(first + 1, first + 1 + len(column_R))):
                return False
        elif column_R.min(initial=least) < least or column_R.max(initial=least) > largest:
            return False
    return True


def plain_rows(layout: Layout, line: int, text: bytes, first: int) -> EventBlock:
    """Return the events of whole lines, read one by one; raises the `InputError` of the first wrong one."""
    events = [
        _Line(layout, number, fields).event(first + place)
        for place, (number, fields) in enumerate(_lines(layout, line, text))
    ]
    kind = object if layout.words else np.int64
    return EventBlock(
        src=np.array([event["src"] for event in events], dtype=kind),
        dst=np.array([event["dst"] for event in events], dtype=kind),
        t=np.array([event["time"] for event in events], dtype=np.int64),
        label=np.array([event["label"] for event in events], np.int8) if "label" in layout.columns else None,
        feature=_stacked([event["feature"] for event in events], layout) if layout.features else None,
    )


def _stacked(features: list[list[float]], layout: Layout) -> NDArray[np.float32]:
    return np.array(features, np.float32).reshape(len(features), len(layout.features))


def _lines(layout: Layout, line: int, text: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield (number, fields) of each line that is not empty."""
    for number, raw in enumerate(text.split(b"\n"), line):
        raw = raw.removesuffix(b"\r")
        if not raw:
            continue
        try:
            fields = raw.decode("utf-8").split(layout.separator)
        except UnicodeDecodeError as error:
            raise InputError(
                layout.file.path, f"{layout.file.place(number)}: not UTF-8 text", "save the file as UTF-8"
            ) from error
        if len(fields) != len(layout.columns):
            raise InputError(
                layout.file.path,
                f"{layout.file.place(number)}: {len(fields)} fields, expected {len(layout.columns)}",
                "give every line the same columns",
            )
        yield number, fields


@dataclass(frozen=True)
class _Line:
    layout: Layout
    number: int
    fields: list[str]

    def event(self, place: int) -> dict[str, Any]:
        """Return the event's values by column, its features together."""
        event: dict[str, Any] = {"feature": []}
        for name, text in zip(self.layout.columns, self.fields, strict=True):
            if name in ("src", "dst"):
                event[name] = self._word(name, text) if self.layout.words else self._id(name, text)
            elif name == "time":
                event[name] = self._time(text)
            elif name == "label":
                event[name] = self._whole(name, text, -128, 127)
            elif name == ROW:
                self._whole(name, text, place + 1, place + 1)
            elif name == EMPTY:
                if text:
                    self._refuse("the last field", text, "nothing, as in the first line")
            elif name != LEFT_OUT:
                event["feature"].append(self._feature(name, text))
        return event

    def _id(self, name: str, text: str) -> int:
        todo = "if ids are words, say `ids: text` in the catalogue" if text and not is_numeral(text) else ""
        return self._whole(name, text, 0, (self.layout.ids or 2**63) - 1, todo)

    def _word(self, name: str, text: str) -> str:
        if not text:
            self._refuse(name, text, "an id")
        return text

    def _whole(self, name: str, text: str, least: int, most: int, todo: str = "") -> int:
        number = whole(text)
        if number is None or not least <= number <= most:
            bounds = f">= {least}" if most == 2**63 - 1 else f"in {least}..{most}"
            self._refuse(name, text, f"a whole number {bounds}", todo)
        return number

    def _time(self, text: str) -> int:
        layout = self.layout
        time = whole(text, layout.shift, rounded=layout.rounded)
        if time is None and is_numeral(text):
            problem = (
                f"time: {shown(text)} {layout.file_unit} is no whole number of {layout.time_unit} in int64"
            )
            self._raise(problem, mend_unit(text, layout.file_unit))
        if time is None:
            self._refuse("time", text, f"a number of {layout.file_unit} whole in s, ms, us or ns")
        return time

    def _feature(self, name: str, text: str) -> float:
        number = float(text) if is_numeral(text) else math.nan
        with np.errstate(over="ignore"):
            if not np.isfinite(np.float32(number)):
                self._refuse(name, text, "a finite number (float32)")
        return number

    def _refuse(self, name: str, text: str, expected: str, todo: str = "") -> NoReturn:
        found = f"found {shown(text)}" if text else "a missing value"
        self._raise(f"{name}: {found}, expected {expected}", todo)

    def _raise(self, problem: str, todo: str) -> NoReturn:
        file = self.layout.file
        raise InputError(file.path, f"{file.place(self.number)}, {problem}", todo)
