"""Reader of one's own events, one JSON object a line: `{"src": "ann", "dst": "bob", "t": 1.5, "label": 0, "x": [2]}`.

Axes: R events of a chunk, F edge features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stgnn.errors import InputError
from stgnn.raw.checks import shown, the_file
from stgnn.raw.edge_list import named, pieces
from stgnn.raw.events import EventBlock, Events
from stgnn.raw.json_event import KINDS, EventLine
from stgnn.raw.text_chunks import TextFile

if TYPE_CHECKING:
    from stgnn.catalog import Dataset


def read_json_lines(dataset: Dataset, folder: Path) -> Events:
    """Read objects with `src`, `dst` and `t`, and with `label` and `x` either in every event or in none.

    Ids are text or whole numbers >= 0, `t` is a number of `file_unit` (s) or an ISO 8601 date and time, in UTC where
    it names no time zone: for the whole file as in its first event. Times must be whole in `time_unit` (s) unless
    `round_times`. `label` is a whole number in -128..127. `x` lists as many finite numbers in every event. Further
    options: `bipartite` (false), `labels: false` to leave labels out.
    """
    options = dataset.options
    stream = _Stream(
        file=TextFile(the_file(dataset, folder, "events")),
        file_unit=options.get("file_unit", "s"),
        time_unit=options.get("time_unit", "s"),
        rounded=options.get("round_times", False),
        bipartite=options.get("bipartite", False),
    )
    shape = stream.shape()
    has_label = "label" in shape.keys and options.get("labels") is not False
    return Events(
        blocks=lambda: stream.blocks(shape, has_label),
        bipartite=stream.bipartite,
        feature=tuple(f"feature_{place}" for place in range(shape.features)),
        has_label=has_label,
        time_unit=stream.time_unit,
        attributes=named(dataset),
    )


@dataclass(frozen=True)
class _Shape:
    """What the events of a stream have in common, as the first one has it."""

    keys: frozenset[str]
    src: type
    dst: type  # int or str, as `src`
    dates: bool  # times are text, not numbers
    features: int


@dataclass
class _Columns:
    """Events of a chunk, column by column."""

    src: list[Any] = field(default_factory=list)
    dst: list[Any] = field(default_factory=list)
    t: list[int] = field(default_factory=list)
    label: list[int] = field(default_factory=list)
    x: list[list[float]] = field(default_factory=list)

    def add(self, line: EventLine, shape: _Shape) -> None:
        """Append a line's event, checked to be like the first one."""
        event = line.event()
        if event.keys() != shape.keys:
            key = min(event.keys() ^ shape.keys)
            lacks = "has no" if key in shape.keys else "has a"
            line.refuse(f"this event {lacks} {key!r}, unlike the first one", "give all events the same keys")
        self.src.append(line.identity("src", event["src"], shape.src))
        self.dst.append(line.identity("dst", event["dst"], shape.dst))
        self.t.append(line.time(event["t"], shape.dates))
        if "label" in event:
            self.label.append(line.label(event["label"]))
        if "x" in event:
            self.x.append(line.features(event["x"], shape.features))

    def block(self, shape: _Shape, has_label: bool) -> EventBlock:
        """Return the events; ids are all text where sources or destinations are."""
        return EventBlock(
            src=_ids(self.src, shape),
            dst=_ids(self.dst, shape),
            t=np.array(self.t, dtype=np.int64),
            label=np.array(self.label, dtype=np.int8) if has_label else None,
            feature=np.array(self.x, dtype=np.float64).astype(np.float32) if shape.features else None,
        )


def _ids(ids: list[Any], shape: _Shape) -> Any:
    if str in (shape.src, shape.dst):
        return np.array([str(each) for each in ids], dtype=object)
    return np.array(ids, dtype=np.int64)


@dataclass(frozen=True)
class _Stream:
    file: TextFile
    file_unit: str
    time_unit: str
    rounded: bool
    bipartite: bool

    def shape(self) -> _Shape:
        """Return what the first event says of all."""
        line = next((line for chunk in self.chunks() for line in chunk), None)
        if line is None:
            raise InputError(
                self.file.path, f"{self.file.place(1)}: no events in the file", "write one JSON object a line"
            )
        event = line.event()
        kinds = type(event["src"]), type(event["dst"])
        for key, kind in zip(("src", "dst"), kinds, strict=True):
            line.identity(key, event[key], kind if kind in KINDS else int)
        if kinds[0] is not kinds[1] and not self.bipartite:
            line.refuse(
                "src and dst are not alike, one text and one a number", "say `bipartite: true` if rightly so"
            )
        x = event.get("x", [])
        if not isinstance(x, list):
            line.refuse(f"x: found {shown(x)}, expected a list of numbers")
        return _Shape(frozenset(event), *kinds, dates=isinstance(event["t"], str), features=len(x))

    def blocks(self, shape: _Shape, has_label: bool) -> Iterator[EventBlock]:
        """Yield the events in the file's order."""
        for chunk in self.chunks():
            columns = _Columns()
            for line in chunk:
                columns.add(line, shape)
            yield from pieces(columns.block(shape, has_label))

    def chunks(self) -> Iterator[Iterator[EventLine]]:
        """Yield the lines, a few megabytes at a time; empty ones hold no event."""
        for first, chunk in self.file.chunks():
            yield (
                EventLine(self.file, number, text, self.file_unit, self.time_unit, self.rounded)
                for number, text in enumerate(chunk.split(b"\n"), first)
                if text.strip()
            )
