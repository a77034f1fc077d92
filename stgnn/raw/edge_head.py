"""The first lines of an edge list: comments, names of columns where the file has them, and the first event.

Whether a line of names is there is declared and never guessed: an event that is broken looks like one.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

from stgnn.errors import InputError
from stgnn.raw.checks import shown
from stgnn.raw.edge_columns import Column, Declared, Role
from stgnn.raw.numerals import is_numeral
from stgnn.raw.text_chunks import TextFile

log = logging.getLogger(__name__)

# How a line of JSON begins; a column may well be called [src].
_JSON = re.compile(r'\s*[\[{]\s*(["\[{]|$)')
# Columns that an event may have anything in.
_ANY = (Role.FEATURE, Role.LEFT_OUT)


@dataclass(frozen=True)
class Head:
    """Where an edge list's events begin, and how its lines are to be read."""

    first: int  # number of the first event's line
    separator: str
    columns: tuple[Column, ...]


def read_head(file: TextFile, declared: Declared, *, header: bool, separators: str, comments: str) -> Head:
    """Return what the first lines of a file say; where `header`, the first one that is no comment names the columns.

    The first of `separators` that the first event has is between the fields. Raises `InputError` that names the
    first line that is neither comment, names nor event.
    """
    lines = (line for line in _lines(file) if not line.text.startswith(tuple(comments)))
    named = next(lines, None) if header else None
    first = next(lines, None)
    last = first or named
    if last is None:
        raise _Line(file, 1, "").error("no events in the file", "check that it is the right one")
    separator = next((each for each in separators if each in last.text), separators[-1])
    names = [] if named is None else _names(named, declared, separator)
    if first is None:
        raise last.error(f"no events in the file after {shown(last.text)}", "check that it is whole")
    fields = _fields(first, declared, separator, header)
    columns = declared.fitted(fields, names)
    filled = sum(column.role is not Role.EMPTY for column in columns)
    some = len(declared.columns) + declared.open_ended  # one name for all further features
    if named is not None and len(names) not in (filled, len(fields), some):
        found = f"{len(names)} names in {shown(named.text)}"
        problem = f"{found} for the {len(fields)} fields of line {first.number}"
        raise named.error(problem, "name each column, or all further features by one name")
    return Head(first.number, separator, columns)


@dataclass(frozen=True)
class _Line:
    file: TextFile
    number: int
    text: str

    def error(self, problem: str, todo: str) -> InputError:
        """Return the error that names this line."""
        if _JSON.match(self.text):
            todo = "for JSON, one object a line, say `reader: event-json-lines` in the catalogue"
        return InputError(self.file.path, f"{self.file.place(self.number)}: {problem}", todo)


def _lines(file: TextFile) -> Iterator[_Line]:
    """Yield the lines that are not empty."""
    for first, chunk in file.chunks():
        number, start = first, 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line = chunk[start:end].removesuffix(b"\r")
            if line:
                yield _Line(file, number, file.decoded(number, line))
            number, start = number + 1, end + 1


def _names(line: _Line, declared: Declared, separator: str) -> list[str]:
    """Return the names in a line that is declared to hold them; `InputError` for an event in their place."""
    names = line.text.split(separator)
    known = zip(declared.columns, names, strict=False)
    if any(is_numeral(name) for column, name in known if column.role not in _ANY):
        raise line.error(
            f"found {shown(line.text)}, expected the names of the columns",
            "say `header: false` in the catalogue if the file has no line of names",
        )
    _require_width(line, declared, len(names), "names", "name each column")
    log.info("%s, %s names the columns: %s", line.file.path, line.file.place(line.number), shown(line.text))
    return names


def _fields(line: _Line, declared: Declared, separator: str, header: bool) -> list[str]:
    """Return the first event's fields; `InputError` for a line that cannot be an event."""
    fields = line.text.split(separator)
    if not header and not any(is_numeral(field) for field in fields):
        raise line.error(
            f"found {shown(line.text)}, expected an event, whose time is a number",
            "mend the line, or say `header: true` in the catalogue if it names the columns",
        )
    _require_width(line, declared, len(fields), "fields", "mend the line")
    return fields


def _require_width(line: _Line, declared: Declared, width: int, what: str, todo: str) -> None:
    if not declared.allows(width):
        problem = f"{width} {what} in {shown(line.text)}, expected {declared}"
        raise line.error(problem, f"{todo}, or correct the option `columns`")
