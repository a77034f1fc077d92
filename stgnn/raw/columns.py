"""Columns of the small CSV files that describe a network: edges, distances, locations.

The values' own, possibly large, CSV is `stgnn.raw.csv_table`'s.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import shown


@dataclass(frozen=True)
class Column:
    """The names that a header may give a column, ours first, and the bounds of its numbers."""

    names: tuple[str, ...]
    low: float = 0.0
    high: float = math.inf


@dataclass(frozen=True)
class Columns:
    """Rows of ids, then numbers: `ids[c][r]` and `numbers[c][r]` for row r, which is line `lines[r]` of the file."""

    lines: tuple[int, ...]
    ids: tuple[list[str], ...]
    numbers: tuple[NDArray[np.float64], ...]


def read_columns(
    path: Path, ids: tuple[Column, ...], numbers: tuple[Column, ...], default: float | None = None
) -> Columns:
    """Return the columns `ids`, then `numbers`, of a CSV file with or without a header.

    Without a header the columns are taken in this order; one is recognised by its last field not being a number.
    `default` stands in for a last column that is not there. A row with another number of fields, a word for a number,
    a number that is not finite or out of bounds is an `InputError` that names its line.
    """
    rows = _rows(path)
    wanted = (*ids, *numbers)
    if not rows:
        raise InputError(
            path, "no rows", f"expected columns {', '.join(column.names[0] for column in wanted)}"
        )
    header = None if _parsed(rows[0][1][-1]) is not None else rows.pop(0)[1]
    width = len(header or (rows[0][1] if rows else wanted))
    places = [_place(path, column, order, header, width) for order, column in enumerate(wanted)]
    absent = [column.names[0] for column, place in zip(wanted, places, strict=True) if place is None]
    if absent and (default is None or absent != [wanted[-1].names[0]]):
        raise InputError(
            path, f"no column {absent[0]!r} in {shown(header or rows[0][1])}", "name it in the header"
        )
    for line, row in rows:
        if len(row) != width:
            raise InputError(path, f"line {line}: {len(row)} fields, expected {width}")
    return Columns(
        lines=tuple(line for line, _ in rows),
        ids=tuple(
            [row[place].strip() for _, row in rows] for place in places[: len(ids)] if place is not None
        ),
        numbers=tuple(
            np.array(
                [default if place is None else _number(path, column, line, row[place]) for line, row in rows]
            )
            for column, place in zip(numbers, places[len(ids) :], strict=True)
        ),
    )


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            return [(reader.line_num, row) for row in reader if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            path, f"not a CSV file ({error})", "expected UTF-8 text with commas between fields"
        ) from error


def _place(path: Path, column: Column, order: int, header: list[str] | None, width: int) -> int | None:
    if header is None:
        return order if order < width else None
    found = [place for place, name in enumerate(header) if name.strip().lower() in column.names]
    if len(found) > 1:
        raise InputError(
            path, f"line 1: {len(found)} columns could be {column.names[0]!r}", "rename all but one"
        )
    return found[0] if found else None


def _number(path: Path, column: Column, line: int, text: str) -> float:
    number = _parsed(text)
    if number is None or not math.isfinite(number) or not column.low <= number <= column.high:
        bounds = f">= {column.low:g}" if math.isinf(column.high) else f"in {column.low:g}..{column.high:g}"
        raise InputError(
            path, f"line {line}, {column.names[0]}: found {shown(text)}, expected a number {bounds}"
        )
    return number


def _parsed(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
