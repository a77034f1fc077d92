"""The published Wikipedia stream, where it is at hand: its counts are those that others report."""

from pathlib import Path

import numpy as np

from stgnn.catalog import load_catalog
from stgnn.hashing import keyed, mix, signed
from stgnn.raw import read
from stgnn.raw.events import Events
from stgnn.store.event_store import EventStore, open_event_store
from stgnn.store.split import HELD_OUT, TEST, TRAIN, VALIDATION
from stgnn.store.write_events import write_events

CATALOGUE = Path(__file__).parents[2] / "config" / "datasets.yaml"


def touched_by_drawn(store: EventStore, count: int) -> np.ndarray:
    """Which events before validation touch one of the `count` nodes of the smallest hashes among those met later."""
    ends = np.stack([store.src, store.dst])
    late = np.isin(store.role, [VALIDATION, TEST])
    drawn = sorted(set(ends[:, late].ravel().tolist()), key=lambda node: signed(mix(node + keyed(2020))))[
        :count
    ]
    found: np.ndarray = np.isin(ends[:, ~late], drawn).any(axis=0)
    return found


def test_wikipedia_has_the_published_counts(shared_data: Path, tmp_path: Path) -> None:
    dataset = load_catalog([CATALOGUE])["jodie-wikipedia-edges"]
    events = read(dataset, shared_data / "events")
    assert isinstance(events, Events)
    write_events(events, tmp_path / "x.zarr")
    store = open_event_store(tmp_path / "x.zarr")
    assert (store.num_events, store.num_nodes, store.attributes["num_sources"]) == (157_474, 9_227, 8_227)
    counts = np.bincount(store.role)
    assert counts[VALIDATION] == counts[TEST] == 23_621
    # A tenth of all nodes are drawn, and with them how many training events are left: by the draw of TGN's authors,
    # from another generator, 81,029.
    assert counts[TRAIN] + counts[HELD_OUT] == 157_474 - 2 * 23_621
    assert counts[TRAIN] == 79_070
    np.testing.assert_array_equal(store.role[: -2 * 23_621] == HELD_OUT, touched_by_drawn(store, 922))
    assert store.attributes["out_of_order"] == 0 and store.attributes["time_unit"] == "s"
