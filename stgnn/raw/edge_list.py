"""Events as lines of separated fields: what the event files of JODIE, SNAP, TGB and DyGLib have in common.

The first lines tell the layout; the rest is streamed. What each format's columns are is its own reader's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stgnn.raw.edge_columns import Declared
from stgnn.raw.edge_head import Head, read_head
from stgnn.raw.edge_rows import Layout, rows
from stgnn.raw.events import BLOCK_EVENTS, EventBlock, Events
from stgnn.raw.text_chunks import TextFile

if TYPE_CHECKING:
    from stgnn.catalog import Dataset


def edge_list(
    dataset: Dataset,
    file: TextFile,
    columns: Sequence[str],
    *,
    bipartite: bool,
    header: bool,
    separators: str = ",",
    comments: str = "",
    ids: int | None = None,
) -> Events:
    """Return the events in an edge list whose fields are `columns`.

    The first of `separators` that the first event has is between the fields. Before the events there may be lines
    that begin with one of `comments`; where `header`, the first other line holds the columns' names. Dataset options:
    `bipartite`, `header` and `columns` in place of the reader's; `ids: text` where ids are words; `file_unit`, what
    the file's times count, and `time_unit`, what they are wanted in (s), where they must be whole unless
    `round_times`; `labels: false` leaves labels out. `ids`: every id is below it.
    """
    options = dataset.options
    declared = Declared.of(options.get("columns", columns), labels=options.get("labels", True))
    header = options.get("header", header)
    head = read_head(file, declared, header=header, separators=separators, comments=comments)
    layout = _layout(dataset, file, head, ids)
    return Events(
        blocks=lambda: _blocks(layout),
        bipartite=options.get("bipartite", bipartite),
        feature=tuple(layout.columns[field].name for field in layout.features),
        has_label=layout.has_label,
        time_unit=layout.time_unit,
        attributes=named(dataset),
    )


def _layout(dataset: Dataset, file: TextFile, head: Head, ids: int | None) -> Layout:
    options = dataset.options
    return Layout(
        file=file,
        first=head.first,
        separator=head.separator,
        columns=head.columns,
        words=options.get("ids") == "text",
        file_unit=options.get("file_unit", "s"),
        time_unit=options.get("time_unit", "s"),
        rounded=options.get("round_times", False),
        ids=ids,
    )


def named(dataset: Dataset) -> dict[str, object]:
    """Return what a store says of where its events come from."""
    files = [file.name for file in dataset.files]
    return {"dataset": dataset.name, "title": dataset.title, "reader": dataset.reader, "files": files}


def _blocks(layout: Layout) -> Iterator[EventBlock]:
    """Yield the events from the first one's line on."""
    place = 0
    for line, text in layout.file.chunks():
        skipped = layout.first - line
        if skipped > 0:
            lines = text.split(b"\n", skipped)
            if len(lines) <= skipped:
                continue
            line, text = layout.first, lines[-1]
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
