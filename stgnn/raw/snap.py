"""Reader of temporal networks as the Stanford Network Analysis Project publishes them: one interaction a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stgnn.raw.checks import the_file
from stgnn.raw.edge_list import edge_list
from stgnn.raw.events import Events
from stgnn.raw.text_chunks import TextFile

if TYPE_CHECKING:
    from stgnn.catalog import Dataset

COLUMNS = ("src", "dst", "time")


def read_snap(dataset: Dataset, folder: Path) -> Events:
    """Read `source target unix-time` with commas, tabs or single spaces between, gzipped or not.

    Option `columns` says what the fields are where there are others: `[src, dst, rating, time]` for the Bitcoin
    networks, whose rating then is an edge feature. The other options: see `stgnn.raw.edge_list.edge_list`.
    """
    file = TextFile(the_file(dataset, folder, "events"))
    return edge_list(dataset, file, COLUMNS, bipartite=False, header=False, separators=",\t ", comments="#%")
