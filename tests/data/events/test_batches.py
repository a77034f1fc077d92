"""Batches keep the order and never cut equal times apart; a view shows what its visibility says and no more."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stgnn.data.events import batches
from stgnn.data.events.batches import EventStream, EventView, batch_bounds, view_of
from stgnn.data.events.negatives import training_negatives
from stgnn.data.events.neighbours import TemporalNeighbours
from stgnn.errors import InputError
from stgnn.store.event_store import EventStore, events_in_memory
from stgnn.store.split import HELD_OUT, TEST, TRAIN, VALIDATION
from tests.streams import random_stream


def store_of(seed: int, num_events: int, **described: Any) -> EventStore:
    """A stream among enough graph nodes for some to be held out of training."""
    stream = random_stream(seed, num_events, **{"nodes": 20} | described)
    rng = np.random.default_rng(seed)
    return events_in_memory(
        stream.src,
        stream.dst,
        stream.t,
        rng.normal(size=(num_events, 3)),
        label=rng.integers(0, 2, num_events),
        node_feature=rng.normal(size=(stream.num_nodes, 2)),
        num_nodes=stream.num_nodes,
        bipartite=stream.bipartite,
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    num_events=st.integers(1, 60),
    times=st.integers(1, 60),
    size=st.integers(1, 20),
    share=st.sampled_from([0.3, 1.0]),
)
def test_batches_are_about_as_large_as_asked_and_end_where_a_time_ends(
    seed: int, num_events: int, times: int, size: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, times, num_events))
    events = np.flatnonzero(rng.random(num_events) < share)
    bounds = batch_bounds(t, events, size)
    held = [events[(events >= first) & (events < last)] for first, last in pairwise(bounds)]
    assert np.concatenate([*held, np.empty(0, int)]).tolist() == events.tolist()
    assert all(len(batch) for batch in held)
    for before, after in pairwise(held):
        assert t[before[-1]] < t[after[0]]
        assert len(before[t[before] < t[before[-1]]]) < size  # it grew by the events of one time at most
    cuts = {int(np.searchsorted(events, bound)) for bound in bounds[:-1]}
    for place in range(size, len(events), size):
        end = int(np.searchsorted(t[events], t[events[place - 1]], side="right"))
        assert end in cuts or end == len(events)


@pytest.mark.parametrize("block", [1, 5, 10**6])
@pytest.mark.parametrize("roles", [(TRAIN,), (VALIDATION,), (TEST,), (TRAIN, HELD_OUT), (0, 1, 2, 3)])
def test_a_stream_yields_the_events_of_its_roles_in_order(
    monkeypatch: pytest.MonkeyPatch, roles: tuple[int, ...], block: int
) -> None:
    monkeypatch.setattr(batches, "BLOCK", block)
    store = store_of(1, 150, times=50)
    assert set(roles) <= set(store.role.tolist())
    stream = EventStream(store, roles, batch_size=8)
    chosen = np.flatnonzero(np.isin(store.role, roles))
    np.testing.assert_array_equal(stream.bounds, batch_bounds(store.t, chosen, 8))
    found = list(stream.batches())
    assert len(found) == len(stream) and sum(map(len, found)) == len(chosen)
    assert torch.cat([batch.event_B for batch in found]).tolist() == chosen.tolist()
    for batch in found:
        event = batch.event_B.numpy()
        for values, expected in ((batch.src_B, store.src), (batch.dst_B, store.dst), (batch.t_B, store.t)):
            np.testing.assert_array_equal(values, expected[event])
        assert store.edge_feature is not None and store.label is not None
        np.testing.assert_array_equal(batch.feature_BF, store.edge_feature[event])
        np.testing.assert_array_equal(batch.label_B, store.label[event])
        assert batch.first == int((store.t < store.t[event[0]]).sum())


def test_a_stream_begins_at_any_batch() -> None:
    stream = EventStream(store_of(2, 100), (TRAIN,), batch_size=7)
    whole = [batch.event_B.tolist() for batch in stream.batches()]
    assert [batch.event_B.tolist() for batch in stream.batches(3)] == whole[3:]
    assert list(stream.batches(len(stream))) == []


def test_a_batch_stays_as_it_is_while_later_ones_are_read() -> None:
    found = list(EventStream(store_of(3, 100), (TRAIN,), batch_size=5).batches())
    again = EventStream(store_of(3, 100), (TRAIN,), batch_size=5).batches()
    for kept, fresh in zip(found, again, strict=True):
        assert kept.feature_BF is not None and fresh.feature_BF is not None
        assert torch.equal(kept.feature_BF, fresh.feature_BF)


def test_a_role_without_events_has_no_batches() -> None:
    store = events_in_memory([0, 1], [1, 0], [1, 2])
    assert len(EventStream(store, (HELD_OUT,), 5)) == 0
    with pytest.raises(InputError, match="batch_size"):
        EventStream(store, (TRAIN,), 0)


@pytest.mark.parametrize("training", [False, True])
def test_a_view_shows_earlier_times_or_earlier_batches(training: bool) -> None:
    store = store_of(4, 120, times=40)
    shown = np.flatnonzero(store.role == TRAIN) if training else np.arange(120)
    assert (store.role == HELD_OUT).any()
    ends = np.stack([store.src, store.dst], axis=1)
    for batch in EventStream(store, (TRAIN,), batch_size=10).batches():
        for visibility in batches.VISIBILITIES:
            view = view_of(store, visibility, training=training)
            found = view.neighbours.recent(batch.src_B, view.cuts(batch, batch.t_B), k=200)
            for row, (source, t) in enumerate(zip(batch.src_B.tolist(), batch.t_B.tolist(), strict=True)):
                mine = np.repeat(shown, (ends[shown] == source).sum(axis=1))  # a self-loop twice
                earlier = store.t[mine] < (t if visibility == "strict_time" else int(batch.t_B[0]))
                assert found.event_RK[row][found.valid_RK[row]].tolist() == mine[earlier][::-1].tolist()


def test_a_view_gathers_features_of_any_shape() -> None:
    store = store_of(5, 40)
    view = view_of(store)
    event_XY = torch.tensor([[3, 0, 39], [3, 3, 7]])
    found = view.edge_feature(event_XY)
    assert found is not None and store.edge_feature is not None and view.node_feature is not None
    np.testing.assert_array_equal(found, store.edge_feature[event_XY.numpy()])
    np.testing.assert_array_equal(view.node_feature, store.node_feature)
    bare = EventView(TemporalNeighbours(store.graph, store.t))
    assert bare.edge_feature(event_XY) is None and bare.node_feature is None
    with pytest.raises(InputError, match="expected one of strict_time, previous_batches"):
        EventView(view.neighbours, "all")


def test_training_negatives_follow_from_seed_epoch_and_event() -> None:
    pool_D, event_B = torch.tensor([4, 7, 9], dtype=torch.int32), torch.arange(3000)
    drawn = training_negatives(1, 0, event_B, pool_D)
    assert drawn.dtype == torch.int64
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(training_negatives(1, 0, event_B[order], pool_D), drawn[order])
    for seed, epoch in ((2, 0), (1, 1), (0, 1)):
        other = training_negatives(seed, epoch, event_B, pool_D)
        assert 800 < int((other == drawn).sum()) < 1200
    counts = torch.bincount(drawn, minlength=10)[[4, 7, 9]].double()
    assert (
        (counts - 1000) ** 2 / 1000
    ).sum() < 14 and counts.sum() == 3000  # 2 degrees of freedom: 1 in 1000
