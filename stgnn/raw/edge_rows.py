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
from stgnn.raw.edge_columns import Column, Role
from stgnn.raw.events import EventBlock
from stgnn.raw.numerals import PLAIN, UNITS, is_numeral, mend_unit, whole, whole_column
from stgnn.raw.text_chunks import TextFile

_NUMBERS = (Role.TIME, Role.LABEL, Role.ROW)
_IDS = (Role.SRC, Role.DST)


@dataclass(frozen=True)
class Layout:
    """What the lines of an edge list hold, and what its ids and times may be."""

    file: TextFile
    first: int  # number of the first event's line
    separator: str
    columns: tuple[Column, ...]  # W
    words: bool  # ids are text, not whole numbers
    file_unit: str  # of the times in the file
    time_unit: str  # of the times wanted
    rounded: bool  # times need not be whole
    ids: int | None = None  # every id is below this, where that is known

    @property
    def shift(self) -> int:
        """Decimals from the file's unit of time to the one wanted."""
        return UNITS[self.time_unit] - UNITS[self.file_unit]

    @property
    def features(self) -> tuple[int, ...]:
        """The fields that are edge features, F of them."""
        return self.fields(Role.FEATURE)

    @property
    def has_label(self) -> bool:
        """Whether events have a label."""
        return bool(self.fields(Role.LABEL))

    def fields(self, *roles: Role) -> tuple[int, ...]:
        """Return the fields of one of `roles`, in the order of the lines."""
        return tuple(field for field, column in enumerate(self.columns) if column.role in roles)


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
    src_R, dst_R = ids or (numbers[Role.SRC], numbers[Role.DST])
    label_R = numbers[Role.LABEL].astype(np.int8) if layout.has_label else None
    return EventBlock(src_R, dst_R, numbers[Role.TIME], label_R, feature_RF)


def _numbers(
    layout: Layout, text_C: NDArray[np.uint8], start_RW: NDArray[np.int64], end_RW: NDArray[np.int64]
) -> dict[Role, NDArray[np.int64]] | None:
    """Return `[R]` each column of whole numbers by role; None if one is not plain, or an empty column is not empty."""
    numbers = {}
    for field, column in enumerate(layout.columns):
        role, start_R, end_R = column.role, start_RW[:, field], end_RW[:, field]
        if role is Role.EMPTY and (end_R > start_R).any():
            return None
        if role in _NUMBERS or (role in _IDS and not layout.words):
            column_R = whole_column(text_C, start_R, end_R, layout.shift if role is Role.TIME else 0)
            if column_R is None:
                return None
            numbers[role] = column_R
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
    ids = [field for role in _IDS for field in layout.fields(role)] if layout.words else []
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


def _sensible(layout: Layout, numbers: dict[Role, NDArray[np.int64]], first: int) -> bool:
    """Whether ids are at least 0 and known, labels within int8, and rows numbered by themselves."""
    most = 10**PLAIN if layout.ids is None else layout.ids - 1
    bounds = {Role.LABEL: (-128, 127), Role.TIME: (-(2**63), 2**63 - 1)}
    for role, column_R in numbers.items():
        least, largest = bounds.get(role, (0, most))
        if role is Role.ROW:
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
        src=np.array([event[Role.SRC] for event in events], dtype=kind),
        dst=np.array([event[Role.DST] for event in events], dtype=kind),
        t=np.array([event[Role.TIME] for event in events], dtype=np.int64),
        label=np.array([event[Role.LABEL] for event in events], np.int8) if layout.has_label else None,
        feature=_stacked([event[Role.FEATURE] for event in events], layout) if layout.features else None,
    )


def _stacked(features: list[list[float]], layout: Layout) -> NDArray[np.float32]:
    return np.array(features, np.float32).reshape(len(features), len(layout.features))


def _lines(layout: Layout, line: int, text: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield (number, fields) of each line that is not empty."""
    for number, raw in enumerate(text.split(b"\n"), line):
        raw = raw.removesuffix(b"\r")
        if not raw:
            continue
        found = layout.file.decoded(number, raw)
        fields = found.split(layout.separator)
        if len(fields) != len(layout.columns):
            expected = f"expected {len(layout.columns)} as in line {layout.first}"
            problem = f"{layout.file.place(number)}: {len(fields)} fields in {shown(found)}, {expected}"
            raise InputError(layout.file.path, problem, "give every line the same columns")
        yield number, fields


@dataclass(frozen=True)
class _Line:
    layout: Layout
    number: int
    fields: list[str]

    def event(self, place: int) -> dict[Role, Any]:
        """Return the event's values by role, its features together."""
        event: dict[Role, Any] = {Role.FEATURE: []}
        for column, text in zip(self.layout.columns, self.fields, strict=True):
            name, role = column.name, column.role
            if role in _IDS:
                event[role] = self._word(name, text) if self.layout.words else self._id(name, text)
            elif role is Role.TIME:
                event[role] = self._time(text)
            elif role is Role.LABEL:
                event[role] = self._whole(name, text, -128, 127)
            elif role is Role.ROW:
                self._whole(name, text, place + 1, place + 1)
            elif role is Role.FEATURE:
                event[role].append(self._feature(name, text))
            elif role is Role.EMPTY and text:
                self._refuse(name, text, f"nothing, as in line {self.layout.first}")
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
