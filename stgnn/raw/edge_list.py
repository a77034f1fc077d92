"""Events as lines of separated fields: what the event files of JODIE, SNAP, TGB and DyGLib have in common.

The first lines tell the layout; the rest is streamed. What each format's columns are is its own reader's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stgnn.errors import InputError
from stgnn.raw.checks import shown
from stgnn.raw.edge_rows import EMPTY, LEFT_OUT, Layout, rows
from stgnn.raw.events import BLOCK_EVENTS, EventBlock, Events
from stgnn.raw.numerals import UNITS, is_numeral
from stgnn.raw.text_chunks import TextFile

if TYPE_CHECKING:
    from stgnn.catalog import Dataset

REST = "..."  # the last of a reader's columns: all further fields are edge features
Line = tuple[int, list[str]]


def edge_list(
    dataset: Dataset,
    file: TextFile,
    columns: Sequence[str],
    *,
    bipartite: bool,
    separators: str = ",",
    comments: str = "",
    ids: int | None = None,
) -> Events:
    """Return the events in an edge list whose fields are `columns`.

    The first of `separators` that the first line has is between the fields. Before the events there may be lines that
    begin with one of `comments`, and one of names, which holds no number. Dataset options: `bipartite`; `columns` in
    place of the reader's; `ids: text` where ids are words; `file_unit`, what the file's times count, and `time_unit`,
    what they are wanted in (s), where they must be whole unless `round_times`; `labels: false` leaves labels out.
    `ids`: every id is below it.
    """
    options = dataset.options
    wanted = tuple(options.get("columns", columns))
    if options.get("labels") is False:
        wanted = tuple(LEFT_OUT if name == "label" else name for name in wanted)
    first, header, separator = _first_line(file, separators, comments)
    file_unit, time_unit = options.get("file_unit", "s"), options.get("time_unit", "s")
    layout = Layout(
        file=file,
        separator=separator,
        columns=_resolved(file, wanted, first, header),
        words=options.get("ids") == "text",
        file_unit=file_unit,
        time_unit=time_unit,
        shift=UNITS[time_unit] - UNITS[file_unit],
        rounded=options.get("round_times", False),
        ids=ids,
    )
    return Events(
        blocks=lambda: _blocks(layout, first[0]),
        bipartite=options.get("bipartite", bipartite),
        feature=tuple(layout.columns[field] for field in layout.features),
        has_label="label" in layout.columns,
        time_unit=time_unit,
        attributes=named(dataset),
    )


def named(dataset: Dataset) -> dict[str, object]:
    """Return what a store says of where its events come from."""
    files = [file.name for file in dataset.files]
    return {"dataset": dataset.name, "title": dataset.title, "reader": dataset.reader, "files": files}


def _first_line(file: TextFile, separators: str, comments: str) -> tuple[Line, list[str], str]:
    """Return the first event's line number and fields, the names before it ([] if there are none), the separator."""
    header: list[str] = []
    for number, text in _texts(file):
        separator = next((each for each in separators if each in text), separators[-1])
        fields = text.split(separator)
        if text.startswith(tuple(comments)):
            continue
        if header or any(is_numeral(field) for field in fields):
            return (number, fields), header, separator
        header = fields
    raise InputError(file.path, f"{file.place(1)}: no events in the file", "retrieve it again")


def _texts(file: TextFile) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of the lines that are not empty."""
    for first, chunk in file.chunks():
        number, start = first, 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line = chunk[start:end].removesuffix(b"\r")
            if line:
                yield number, _decoded(file, number, line)
            number, start = number + 1, end + 1


def _decoded(file: TextFile, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            file.path, f"{file.place(number)}: not UTF-8 text", "save the file as UTF-8"
        ) from error


def _resolved(file: TextFile, wanted: tuple[str, ...], first: Line, header: list[str]) -> tuple[str, ...]:
    """Return what each field of a line is, from the reader's columns and the first event's fields."""
    number, fields = first
    fixed = wanted[:-1] if wanted[-1:] == (REST,) else wanted
    extra = len(fields) - len(fixed)
    if extra < 0 or (extra and fixed == wanted):
        expected = f"{len(fixed)} ({', '.join(name or 'nothing' for name in fixed)})" + (
            " or more" if fixed != wanted else ""
        )
        problem = (
            f"{file.place(number)}: {len(fields)} fields in {shown(','.join(fields))}, expected {expected}"
        )
        raise InputError(file.path, problem, "retrieve the file again, or correct the option `columns`")
    if extra == 1 and not fields[-1]:  # a list of features that is empty
        return (*fixed, EMPTY)
    names = [name.strip() for name in header[len(fixed) :]]
    if len(names) != extra or len({*names, *fixed}) != len(fields):
        names = [f"feature_{place}" for place in range(extra)]
    return (*fixed, *names)


def _blocks(layout: Layout, first_line: int) -> Iterator[EventBlock]:
    """Yield the events from line `first_line` on."""
    place = 0
    for line, text in layout.file.chunks():
        skipped = first_line - line
        if skipped > 0:
            lines = text.split(b"\n", skipped)
            if len(lines) <= skipped:
                continue
            line, text = first_line, lines[-1]
        block = rows(layout, line, text, place)
        place += len(block)
        yield from pieces(block)


def pieces(block: EventBlock) -> Iterator[EventBlock]:
    """Yield a run of events as blocks of at most `BLOCK_EVENTS`."""
    for start in range(0, len(block), BLOCK_EVENTS):
        part = slice(start, start + BLOCK_EVENTS)
        yield replace(
            block,
            src=block.src[part],
            dst=block.dst[part],
            t=block.t[part],
            label=None if block.label is None else block.label[part],
            feature=None if block.feature is None else block.feature[part],
        )
