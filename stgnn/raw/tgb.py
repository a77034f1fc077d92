"""Reader of the Temporal Graph Benchmark's archives: the edge list in them, and nothing else.

Huang et al.: Temporal Graph Benchmark for Machine Learning on Temporal Graphs. NeurIPS 2023. Its negatives come as
pickles, which are programs: they are never opened here. The store draws its own.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from stgnn.raw.archive import members, the_member
from stgnn.raw.checks import the_file
from stgnn.raw.edge_list import edge_list
from stgnn.raw.events import Events
from stgnn.raw.jodie import COLUMNS
from stgnn.raw.text_chunks import TextFile

if TYPE_CHECKING:
    from stgnn.catalog import Dataset

log = logging.getLogger(__name__)


def read_tgb(dataset: Dataset, folder: Path) -> Events:
    """Read the member of a zip archive that ends in the option `member`; without one, that is its only .csv file.

    Columns are JODIE's (tgbl-wiki) unless the option `columns` says otherwise, such as `[time, src, dst, weight]`;
    `-` leaves a column out. The other options: see `stgnn.raw.edge_list.edge_list`.
    """
    path = the_file(dataset, folder, "archive")
    edges = the_member(path, dataset.options.get("member", ".csv"), "member")
    ignored = [name for name in members(path) if name != edges]
    if ignored:
        log.info("%s: reading %s only, not %s", path, edges, ", ".join(ignored))
    return edge_list(dataset, TextFile(path, edges), COLUMNS, bipartite=False, header=True)
