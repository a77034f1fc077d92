"""EdgeBank, popularity and last destination against a dictionary that is filled event by event."""

import numpy as np
import pytest
import torch

from stgnn.data.events.batches import VISIBILITIES, EventStream, view_of
from stgnn.errors import InputError
from stgnn.learnable import sticky
from stgnn.models.temporal.base import StreamShape
from stgnn.models.temporal.edgebank import EdgeBank
from stgnn.models.temporal.last_destination import LastDestination
from stgnn.models.temporal.popularity import Popularity
from stgnn.store.event_store import events_in_memory
from stgnn.store.split import HELD_OUT, TEST, TRAIN, VALIDATION
from stgnn.training.link_metrics import LinkScores

NODES, EVENTS = 13, 400
SHAPE = StreamShape(NODES, 0, 0, bipartite=False)
EVERYBODY = torch.arange(NODES)


@pytest.fixture(scope="module")
def store():
    """A multigraph with self-loops and equal times; some nodes are only met, some only meet others."""
    random = np.random.default_rng(0)
    src = random.integers(0, 9, EVENTS) ** 2 // 8 + random.integers(0, 3, EVENTS)
    dst = random.integers(3, NODES, EVENTS)
    return events_in_memory(src, dst, np.sort(random.integers(0, 150, EVENTS)), num_nodes=NODES)


@pytest.fixture(params=VISIBILITIES)
def view(request, store):
    return view_of(store, request.param)


def batches_of(store):
    return list(EventStream(store, [TRAIN, VALIDATION, TEST, HELD_OUT], 17).batches())


def scores_of(model, store, view):
    """The scores of all nodes for every event, [E, N], by `rank`, which must be what `step` says."""
    every_E = []
    for batch in batches_of(store):
        ranked_BN = model.rank(model.initial_state(), batch, EVERYBODY, view)
        candidate_BQ = torch.stack([torch.randperm(NODES) for _ in range(len(batch))])
        stepped_BQ, _ = model.step(model.initial_state(), batch, candidate_BQ, view)
        assert torch.equal(stepped_BQ, ranked_BN.gather(1, candidate_BQ))
        few_BQ, _ = model.step(model.initial_state(), batch, candidate_BQ[:, :2], view)
        assert torch.equal(few_BQ, stepped_BQ[:, :2])
        every_E.append(ranked_BN)
    return torch.cat(every_E).numpy()


def by_dictionary(store, view, score):
    """`score(events, source)` of the events [(src, dst), ..] that a query may see, for every event: [E, N]."""
    expected = np.zeros((EVENTS, NODES), dtype=np.float32)
    pairs = list(zip(store.src.tolist(), store.dst.tolist(), strict=True))
    for batch in batches_of(store):
        for event in batch.event_B.tolist():
            earlier = np.searchsorted(store.t, store.t[event])
            visible = pairs[: earlier if view.visibility == "strict_time" else batch.first]
            for node, value in score(visible, int(store.src[event])).items():
                expected[event, node] = value
    return expected


def test_edgebank_remembers_every_pair_it_has_seen(store, view):
    def remembered(events, source):
        bank = dict.fromkeys(events, 1)
        return {node: bank.get((source, node), 0) for node in range(NODES)}

    assert np.array_equal(scores_of(EdgeBank(SHAPE), store, view), by_dictionary(store, view, remembered))


def test_edgebank_with_a_window_remembers_the_last_events_only_and_cuts_no_time_in_two(store, view):
    def remembered(events, source):
        first = int(np.searchsorted(store.t, store.t[int(0.9 * len(events))]))
        bank = dict.fromkeys(events[first:], 1)
        return {node: bank.get((source, node), 0) for node in range(NODES)}

    scores = scores_of(EdgeBank(SHAPE, window=0.1), store, view)
    assert np.array_equal(scores, by_dictionary(store, view, remembered))
    assert scores.sum() < scores_of(EdgeBank(SHAPE), store, view).sum() / 2


def test_edgebank_looks_up_in_parts_what_does_not_fit_at_once(store, monkeypatch):
    view = view_of(store)
    whole = scores_of(EdgeBank(SHAPE), store, view)
    monkeypatch.setattr("stgnn.models.temporal.edgebank.LARGEST", 20)
    monkeypatch.setattr("stgnn.models.temporal.baseline.LARGEST", 20)
    assert np.array_equal(scores_of(EdgeBank(SHAPE), store, view), whole)


def test_popularity_counts_each_event_of_a_candidate_once_self_loops_too(store, view):
    assert (store.src == store.dst).sum() > 9

    def counted(events, source):
        return {node: sum(node in pair for pair in events) for node in range(NODES)}

    assert np.array_equal(scores_of(Popularity(SHAPE), store, view), by_dictionary(store, view, counted))


def test_last_destination_is_that_of_the_last_event_the_source_began(store, view):
    def last(events, source):
        return dict.fromkeys([dst for src, dst in events if src == source][-1:], 1)

    assert np.array_equal(scores_of(LastDestination(SHAPE), store, view), by_dictionary(store, view, last))


@pytest.mark.parametrize("window", [0.0, -0.1, 1.5])
def test_window_is_a_share(window):
    with pytest.raises(InputError, match=f"window: is {window}"):
        EdgeBank(SHAPE, window=window)


def test_last_destination_is_as_good_as_can_be_on_a_sticky_stream():
    stream = sticky(20_000)
    users = int(stream.src.max()) + 1
    store = events_in_memory(stream.src, stream.dst + users, stream.t, bipartite=True)
    view, model = view_of(store), LastDestination(StreamShape(store.num_nodes, 0, 0, bipartite=True))
    scores, first = LinkScores(), 0
    for batch in EventStream(store, [VALIDATION, TEST], 200).batches():
        negative_BQ = torch.from_numpy(store.negatives["random"][first : first + len(batch)].astype(np.int64))
        candidate_BQ = torch.cat([batch.dst_B[:, None], negative_BQ], 1)
        score_BQ, _ = model.step(model.initial_state(), batch, candidate_BQ, view)
        scores.add(score_BQ[:, 0], {"random": score_BQ[:, 1:]}, torch.zeros(len(batch), dtype=torch.bool))
        first += len(batch)
    # 6,000 events: the share of repeats alone has a standard error of 0.005.
    assert scores.summary()["all"]["random"]["ap"] == pytest.approx(stream.best_ap, abs=0.012)
