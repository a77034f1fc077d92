"""Raw files as small as their layouts allow, and the catalogue entries that declare them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn.catalog import Dataset, RawFile
from stgnn.raw import read
from stgnn.raw.events import Events
from stgnn.raw.signal import Signal
from tests.raw.edges import Write


def declare_dataset(
    reader: str, files: Mapping[str, str], options: Mapping[str, Any] | None = None, **catalogue: Any
) -> Dataset:
    """A catalogue entry; `files` maps each role to a file name, `catalogue` overrides other fields."""
    empty = dict.fromkeys(
        ("synthetic", "frequency", "start", "null_value", "licence", "citation", "homepage", "note")
    )
    raw = tuple(RawFile(name, None, None, None, role) for role, name in files.items())
    fields = {"name": "small", "title": "Small", "kind": "signal", "units": "mph", "task": {}}
    return Dataset(
        **(fields | empty | {"reader": reader, "files": raw, "options": options or {}} | catalogue)
    )


def values_of(signal: Signal) -> np.ndarray:
    """All the signal's values [T, N, F], as its blocks give them."""
    blocks = list(signal.blocks())
    assert all(block.dtype == np.float32 and block.shape[1:] == signal.shape[1:] for block in blocks)
    values = np.concatenate(blocks)
    assert values.shape == signal.shape
    return values


@pytest.fixture
def declare() -> Callable[..., Dataset]:
    return declare_dataset


@pytest.fixture
def values() -> Callable[[Signal], np.ndarray]:
    return values_of


@pytest.fixture
def read_json(tmp_path: Path) -> Callable[..., Signal]:
    """Write a document (text, or anything that JSON can say) and read it with the named reader."""

    def write_and_read(
        reader: str, document: Any, options: Mapping[str, Any] | None = None, **catalogue: Any
    ) -> Signal:
        text = document if isinstance(document, str) else json.dumps(document)
        (tmp_path / "values.json").write_text(text, encoding="utf-8")
        return read(declare_dataset(reader, {"values": "values.json"}, options, **catalogue), tmp_path)

    return write_and_read


@pytest.fixture
def write(tmp_path: Path, declare: Callable[..., Dataset]) -> Write:
    """Write `text` and read it with a reader of events; keyword arguments are its options."""

    def write(reader: str, text: str | bytes, name: str = "events.csv", **options: Any) -> Events:
        content = text.encode() if isinstance(text, str) else text
        (tmp_path / name).write_bytes(content)
        role = "archive" if reader == "tgb-zip" else "events"
        events = read(declare(reader, {role: name}, options, kind="events"), tmp_path)
        assert isinstance(events, Events)
        return events

    return write
