"""Synthetic event streams: JODIE's layout, equal bytes for equal settings, best scores that are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn import learnable
from stgnn.catalog import load_catalog
from stgnn.cli import main
from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.raw.events import EventBlock, Events
from stgnn.store.event_store import open_event_store
from stgnn.synthetic import write_synthetic

SMALL = {"generator": "wikipedia", "events": 9000, "users": 300, "items": 40, "pairs": 800, "features": 3}


def stream(
    folder: Path, settings: dict[str, Any], name: str = "synthetic-wikipedia"
) -> tuple[Events, EventBlock]:
    """Write the file and read it back: what the reader says, and all its events."""
    write_synthetic(settings, folder)
    events = read(load_catalog()[name], folder)
    assert isinstance(events, Events)
    (block,) = events.blocks()
    return events, block


@pytest.mark.parametrize("generator", ["community", "reveal", "sticky"])
def test_the_learnable_streams_are_written_to_the_last_bit(tmp_path: Path, generator: str) -> None:
    events, block = stream(
        tmp_path, {"generator": generator, "events": 500, "seed": 7}, f"synthetic-{generator}"
    )
    made = getattr(learnable, generator)(500, 7)
    assert events.bipartite and not events.has_label
    np.testing.assert_array_equal(block.src, made.src)
    np.testing.assert_array_equal(block.dst, made.dst)
    np.testing.assert_array_equal(block.t, made.t)
    if generator == "sticky":
        assert block.feature is None
    else:
        np.testing.assert_array_equal(block.feature, made.feature)


def test_the_best_scores_are_those_of_the_formulas() -> None:
    inside, among = 0.95 + 0.05 / 4, (100 / 4 - 0.95 - 0.05 / 4) / 99
    b, c = 1 - inside, inside + among
    d = b + 1 - among
    community = inside**2 / c + b * (b / d + (inside - b * c / d) / d * np.log((c + d) / c))
    assert learnable.community(10).best_ap == pytest.approx(community) == pytest.approx(0.792, abs=5e-4)
    assert learnable.sticky(10).best_ap == pytest.approx(0.8**2 / (0.8 + 0.2 / 99) + 0.1)


def test_edits_have_the_sizes_asked_for_and_a_few_users_who_make_most(tmp_path: Path) -> None:
    events, block = stream(tmp_path, SMALL)
    assert len(block) == 9000 and len(events.feature) == 3 and events.has_label
    assert len(np.unique(block.src)) == 300 and len(np.unique(block.dst)) == 40
    assert len(np.unique(block.src * 40 + block.dst)) == 800
    assert (np.diff(block.t) >= 0).all() and 2.4e6 < block.t[-1] < 2.9e6
    share = np.sort(np.bincount(block.src))[::-1].cumsum() / 9000
    assert 0.3 < share[9] < 0.6  # Zipf's law gives the first ten of 300 users 0.47
    assert block.feature is not None and abs(block.feature.mean()) < 0.05


@pytest.mark.parametrize("generator", ["community", "wikipedia"])
def test_equal_settings_give_equal_bytes_and_another_seed_others(tmp_path: Path, generator: str) -> None:
    settings = SMALL if generator == "wikipedia" else {"generator": generator, "events": 300}
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        write_synthetic({**settings, "seed": seed}, tmp_path / name)
    one, two, other = ((tmp_path / name / "events.csv").read_bytes() for name in ("one", "two", "other"))
    assert one == two != other


@pytest.mark.parametrize(
    "change, message",
    [
        ({"pairs": 299}, "`pairs: 299` of 300 users and 40 items in 9000 events; expected at least 300"),
        ({"pairs": 9001, "items": 100}, "`pairs: 9001` of 300 users .* and at most 9000"),
        ({"repeat": 0.5}, "unknown key `repeat`"),
        ({"events": 0}, "`events: 0`; expected int in 1"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_synthetic(SMALL | change, tmp_path)
    assert not any(tmp_path.iterdir())


CATALOGUE = """
meetings:
  title: A few meetings
  kind: events
  reader: jodie-csv
  synthetic: {generator: sticky, events: 400, seed: 3}
  files: [{name: events.csv, role: events}]
  options: {labels: false, split: [0.5, 0.25, 0.25], new_nodes: 0.05, seed: 9, negatives: 2}
"""


def test_retrieve_and_ingest_make_a_store_of_events_by_the_catalogue_s_protocol(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CATALOGUE)
    where = ["meetings", "--catalog", str(tmp_path / "own.yaml"), "--raw", str(tmp_path / "raw")]
    assert main(["retrieve", *where]) == 0
    assert main(["ingest", *where, "--store", str(tmp_path / "meetings.zarr")]) == 0
    store = open_event_store(tmp_path / "meetings.zarr")
    assert store.num_events == 400 and store.bipartite and store.label is None
    assert store.attributes["protocol"] == {
        "split": [0.5, 0.25, 0.25], "new_nodes": 0.05, "seed": 9, "negatives": 2,
    }  # fmt: skip
    assert store.attributes["raw_sha256"].keys() == {"events.csv"}
