"""A wide CSV of one's own, streamed: one column of times, one of numbers for each sensor.

Axes: T entries, N columns, R rows of a block.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import shown, spelled

CHUNK = 4 << 20  # bytes parsed at a time
_HINT = "expected one column of times, then one column of numbers a sensor, with commas between"


@dataclass(frozen=True)
class CsvTable:
    """A CSV file's header and times; its numbers come from `blocks()`."""

    path: Path
    header: tuple[str, ...]
    time_column: int
    time: NDArray[Any]  # [T] datetime64[ns], or int64 where the column numbers the entries

    @property
    def ids(self) -> tuple[str, ...]:
        """The sensors: every column but the time."""
        return self.header[: self.time_column] + self.header[self.time_column + 1 :]

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield float32 blocks `[R, N]`; an empty field, `NA` or `nan` is NaN, a word an `InputError`."""
        columns = [column for column in range(len(self.header)) if column != self.time_column]
        types: dict[int, Any] = dict.fromkeys(columns, np.float64)
        for line, text in _chunks(self.path):
            frame = _parsed(self.path, self.header, line, text, types)
            with np.errstate(over="ignore"):
                yield frame.to_numpy().astype(np.float32, order="C")


def read_csv_table(path: Path, time_name: str | None = None) -> CsvTable:
    """Return the table in a CSV file whose times are in column `time_name`, by default the first.

    Times are ISO 8601 without a time zone, or whole numbers that number the entries. Raises `InputError`, naming the
    line, for rows of unequal length and times that are neither.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = tuple(name.strip() for name in next(csv.reader([file.readline()]), []))
    except UnicodeDecodeError as error:
        raise InputError(path, "not UTF-8 text", _HINT) from error
    if len(header) < 2:
        raise InputError(path, f"line 1: a single column {shown(','.join(header))}", _HINT)
    spelled(path, "line 1", header)
    if time_name is not None and time_name not in header:
        raise InputError(path, f"line 1: no column {time_name!r}", "correct the option `time`")
    column = header.index(time_name) if time_name is not None else 0
    texts = []
    for line, text in _chunks(path):
        _check_lengths(path, header, line, text)
        texts.append(_parsed(path, header, line, text, {column: str})[column])
    if not texts:
        raise InputError(path, "no rows after the header", _HINT)
    return CsvTable(path, header, column, _times(path, header[column], pd.concat(texts, ignore_index=True)))


def _chunks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (number of its first line, whole lines) of about `CHUNK` bytes, header excluded."""
    with path.open("rb") as file:
        file.readline()
        line = 2
        while text := file.read(CHUNK) + file.readline():
            if text.strip():
                yield line, text
            line += text.count(b"\n")


def _parsed(
    path: Path, header: tuple[str, ...], line: int, text: bytes, types: dict[int, Any]
) -> pd.DataFrame:
    """Return the columns that `types` names; pandas pads and cuts rows of another length, so look for them first."""
    numeric = [column for column, kind in types.items() if kind is not str]
    try:
        return pd.read_csv(
            io.BytesIO(text), header=None, names=list(range(len(header))), usecols=list(types), dtype=types,
            index_col=False, keep_default_na=bool(numeric),
        )  # fmt: skip
    except (ValueError, pd.errors.ParserError) as error:
        _explain(path, header, line, text, numeric)
        problem = str(error).splitlines()[0]
        raise InputError(path, f"near line {line}: {problem}", _HINT) from error


def _check_lengths(path: Path, header: tuple[str, ...], line: int, text: bytes) -> None:
    """Raise `InputError` for the first row with another number of fields than the header."""
    characters = np.frombuffer(text, np.uint8)
    ends = np.append(np.flatnonzero(characters == ord("\n")), len(characters))
    commas = np.diff(np.searchsorted(np.flatnonzero(characters == ord(",")), ends), prepend=0)
    # Blank lines have none, and fields in quotes may have commas of their own: the slow way decides.
    if (commas != len(header) - 1).any():
        _explain(path, header, line, text, [])


def _explain(path: Path, header: tuple[str, ...], line: int, text: bytes, numeric: list[int]) -> None:
    """Raise the `InputError` of the first row that has another length, or a word in a `numeric` column."""
    reader = csv.reader(io.StringIO(text.decode("utf-8", "replace"), newline=""))
    for row in reader:
        where = f"line {line + reader.line_num - 1}"
        if row and len(row) != len(header):
            raise InputError(path, f"{where}: {len(row)} fields, but {len(header)} in the header", _HINT)
        for column in numeric if row else []:
            if row[column] not in _MISSING and not _is_number(row[column]):
                name = header[column]
                raise InputError(
                    path, f"{where}, column {name!r}: found {shown(row[column])}, expected a number", _HINT
                )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _times(path: Path, name: str, texts: "pd.Series[str]") -> NDArray[Any]:
    where = f"column {name!r}"
    if texts.str.fullmatch(r"[+-]?\d+").all():
        return texts.astype(np.int64).to_numpy()
    try:
        times = pd.to_datetime(texts, format="ISO8601")
    except ValueError as error:
        wrong = pd.to_datetime(texts, format="ISO8601", errors="coerce").isna()
        row = int(np.flatnonzero(wrong)[0]) if wrong.any() else 0
        raise InputError(
            path,
            f"row {row}, {where}: {shown(texts.iloc[row])} is no time",
            "write times as 2012-03-01 00:05:00",
        ) from error
    if getattr(times.dt, "tz", None) is not None or times.dtype == object:
        raise InputError(path, f"{where}: times in a time zone", "write local times without one")
    return times.to_numpy().astype("datetime64[ns]")


# What pandas' parser takes for a missing number.
_MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip
