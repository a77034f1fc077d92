"""What a run says of a look-up equals plain Python: candidates and ranks are judged by all that happened before."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stgnn.errors import InputError
from stgnn.store.event_store import EventStore, open_event_store
from stgnn.store.split import HELD_OUT, TEST
from stgnn.store.write_events import write_events
from stgnn.training import links
from stgnn.training.engine import train_run
from tests.streams import events_of
from tests.training.test_event_tasks import scores, settings_of

USERS, ITEMS, EVENTS = 30, 20, 800
KINDS = ("random", "historical", "inductive")
EDGEBANK = {
    "name": "edgebank",
    "class": "stgnn.models.temporal.edgebank.EdgeBank",
    "settings": {"window": None},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EventStore:
    """Users who meet some items again and again, some of them at the same time, some of them held out of training."""
    random, path = np.random.default_rng(1), tmp_path_factory.mktemp("stores") / "stream.zarr"
    src = random.integers(0, USERS, EVENTS)
    dst = (3 * src + random.geometric(0.25, EVENTS)) % ITEMS
    write_events(events_of(src, dst, np.sort(random.integers(0, 300, EVENTS)), bipartite=True), path)
    return open_event_store(path)


def met_before(store: EventStore) -> list[set[int]]:
    """Whom the source of each event has met at earlier times, in training, held out of it, or later."""
    met: dict[int, set[int]] = defaultdict(set)
    before: list[set[int]] = []
    for now in np.unique(store.t):
        events = np.flatnonzero(store.t == now)
        before += [set(met[source]) for source in store.src[events].tolist()]
        for event in events:
            met[int(store.src[event])].add(int(store.dst[event]))
    return before


def rank_by_hand(store: EventStore, event: int, met: set[int]) -> float:
    """One plus the destinations that score higher, and half of those that score the same, but what else is true."""
    same = (store.src == store.src[event]) & (store.t == store.t[event])
    rivals = set(store.destination.tolist()) - set(store.dst[same].tolist())
    if int(store.dst[event]) in met:
        return 1 + len(rivals & met) / 2
    return 1 + len(rivals & met) + len(rivals - met) / 2


def test_edgebank_is_scored_and_ranked_as_a_dictionary_would(store: EventStore, tmp_path: Path) -> None:
    assert store.path is not None and (store.role == HELD_OUT).any()
    train_run(settings_of(EDGEBANK, dataset="toy", training={"save_predictions": True}), store.path, tmp_path)
    saved = xr.open_zarr(tmp_path / "predictions.zarr", consolidated=False).load()
    events, met = np.flatnonzero(store.role == TEST), met_before(store)
    assert saved["logit"].values.tolist() == [store.dst[event] in met[event] for event in events]
    for kind in KINDS:
        negatives = store.negatives[kind][-len(events) :, 0]
        expected = [other in met[event] for event, other in zip(events, negatives, strict=True)]
        assert saved[f"negative_{kind}"].values[:, 0].tolist() == expected
    ranks = [rank_by_hand(store, event, met[event]) for event in events]
    assert saved["rank"].values.tolist() == ranks
    found = scores(tmp_path)["splits"]["test"]["all"]["every"]["mrr"]
    assert found == pytest.approx(np.mean(1 / np.array(ranks)), rel=1e-12)


def test_more_destinations_than_fit_are_not_ranked(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.path is not None
    monkeypatch.setattr(links, "MOST_RANKED", ITEMS - 1)
    said = "task.negatives: every: ranks among 20 destinations, more than 19, do not fit into memory"
    with pytest.raises(InputError, match=said):
        train_run(settings_of(EDGEBANK, dataset="toy"), store.path, tmp_path / "ranked")
    task = {"predict": "links", "negatives": ["random"]}
    train_run(settings_of(EDGEBANK, dataset="toy", task=task), store.path, tmp_path / "unranked")
    monkeypatch.setattr(links, "MOST_RANKED", ITEMS)
    train_run(settings_of(EDGEBANK, dataset="toy"), store.path, tmp_path / "ranked")
