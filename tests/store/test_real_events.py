"""The published Wikipedia stream, where it is at hand: its counts are those that others report."""

from pathlib import Path

import numpy as np

from stgnn.catalog import load_catalog
from stgnn.raw import read
from stgnn.raw.events import Events
from stgnn.store.event_store import open_event_store
from stgnn.store.split import HELD_OUT, TEST, TRAIN, VALIDATION
from stgnn.store.write_events import write_events

CATALOGUE = Path(__file__).parents[2] / "config" / "datasets.yaml"


def test_wikipedia_has_the_published_counts(shared_data: Path, tmp_path: Path) -> None:
    dataset = load_catalog([CATALOGUE])["jodie-wikipedia-edges"]
    events = read(dataset, shared_data / "events")
    assert isinstance(events, Events)
    write_events(events, tmp_path / "x.zarr")
    store = open_event_store(tmp_path / "x.zarr")
    assert (store.num_events, store.num_nodes, store.attributes["num_sources"]) == (157_474, 9_227, 8_227)
    counts = np.bincount(store.role)
    assert counts[VALIDATION] == counts[TEST] == 23_621
    # Which 922 nodes are new is drawn, and with it how many training events are left: 81,029 by the draw of 2020.
    assert counts[TRAIN] + counts[HELD_OUT] == 157_474 - 2 * 23_621
    assert 75_000 < counts[TRAIN] < 100_000
    assert store.attributes["out_of_order"] == 0 and store.attributes["time_unit"] == "s"
