"""Reader of JODIE's csv files: interactions of users with items.

Kumar, Zhang, Leskovec: Predicting Dynamic Embedding Trajectory in Temporal Interaction Networks. KDD 2019.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stgnn.raw.checks import the_file
from stgnn.raw.edge_columns import REST
from stgnn.raw.edge_list import edge_list
from stgnn.raw.events import Events
from stgnn.raw.text_chunks import TextFile

if TYPE_CHECKING:
    from stgnn.catalog import Dataset

COLUMNS = ("src", "dst", "time", "label", REST)


def read_jodie(dataset: Dataset, folder: Path) -> Events:
    """Read `user_id,item_id,timestamp,state_label,comma_separated_list_of_features`: five names for 4 + F columns.

    Users and items are numbered apart, both from 0. Times are seconds after the first event. F may be 0. The label
    says that the user's state changes after the event. Options: see `stgnn.raw.edge_list.edge_list`.
    """
    return edge_list(
        dataset, TextFile(the_file(dataset, folder, "events")), COLUMNS, bipartite=True, header=True
    )
