"""Reading with any reader: the raw files are hashed first. Knows no reader, so that no store depends on all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stgnn.rawcheck import checked_sha256

if TYPE_CHECKING:
    from stgnn.catalog import Dataset
    from stgnn.raw.events import Events
    from stgnn.raw.signal import Signal

Read = TypeVar("Read", bound="Signal | Events")


def read_checked(dataset: Dataset, folder: Path, reader: Callable[[Dataset, Path], Read]) -> Read:
    """Return what `reader` finds in the dataset's raw files in `folder`; wrong ones are an `InputError`.

    Files that are not what the catalogue declares are refused, and the attribute `raw_sha256` (file name to
    hexadecimal digest) says what was read.
    """
    raw_sha256 = checked_sha256(dataset, folder)
    found = reader(dataset, folder)
    return replace(found, attributes={**found.attributes, "raw_sha256": raw_sha256})
