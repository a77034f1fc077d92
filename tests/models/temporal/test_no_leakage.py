"""What holds for every named model on events: no score depends on what comes later, on names, order or clock."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.nn.functional import binary_cross_entropy_with_logits as link_loss

from stgnn.data.events.batches import VISIBILITIES, EventStream, view_of
from stgnn.models.temporal.base import StreamShape
from stgnn.store.event_store import events_in_memory
from stgnn.store.split import HELD_OUT, TEST, TRAIN, VALIDATION

ROOT = Path(__file__).parents[3]
MODELS = {
    name: spec
    for name, spec in yaml.safe_load((ROOT / "config/models.yaml").read_text()).items()
    if spec["class"].startswith("stgnn.models.temporal.")
}
NODES, EVENTS, BATCH, CANDIDATES, FEATURES = 24, 240, 30, 4, 3
ALL = (TRAIN, VALIDATION, TEST, HELD_OUT)
NARROW = {"memory_channels": 8, "time_channels": 6, "embedding_channels": 8, "neighbours": 4}
LATER = 2_000_000_000  # seconds, which float32 would round to 128


@pytest.fixture(scope="module")
def stream():
    """Columns of a stream in which nodes meet each other and themselves, at times of which some are equal."""
    random = np.random.default_rng(0)
    src, dst = random.integers(0, NODES, (2, EVENTS))
    t = np.sort(random.integers(0, 150, EVENTS))
    return {"src": src, "dst": dst, "t": t, "feature": random.normal(0, 1, (EVENTS, FEATURES))}


@pytest.fixture(scope="module")
def candidates():
    """Candidates [E, Q] of every event."""
    return torch.from_numpy(np.random.default_rng(1).integers(0, NODES, (EVENTS, CANDIDATES)))


def store_of(stream):
    label = np.arange(EVENTS) % 2 if "label" not in stream else stream["label"]
    return events_in_memory(**{**stream, "label": label}, num_nodes=NODES)


def model_of(name, store, seed=0):
    """The named model with few channels, its weights drawn by `seed`, without dropout's chance."""
    module, _, class_name = MODELS[name]["class"].rpartition(".")
    settings = MODELS[name]["settings"]
    settings = settings | {key: value for key, value in NARROW.items() if key in settings}
    shape = StreamShape(
        NODES, FEATURES, 0, bipartite=False, time_mean=7.0, time_std=9.0, first_time=int(store.t[0])
    )
    torch.manual_seed(seed)
    return getattr(importlib.import_module(module), class_name)(shape, **settings).eval()


def scored(model, store, candidates, visibility="strict_time", state=None):
    """Scores [B, Q] of each batch, one after the other."""
    view, state, scores = view_of(store, visibility), model.initial_state(), []
    with torch.no_grad():
        for batch in EventStream(store, ALL, BATCH).batches():
            score_BQ, state = model.step(state, batch, candidates[batch.event_B], view)
            scores.append(score_BQ)
    return scores


def changed_from(stream, first):
    """The stream with other destinations, features and labels from an event on."""
    random = np.random.default_rng(2)
    later = np.arange(EVENTS) >= first
    return stream | {
        "dst": np.where(later, random.integers(0, NODES, EVENTS), stream["dst"]),
        "feature": np.where(later[:, None], random.normal(0, 9, (EVENTS, FEATURES)), stream["feature"]),
        "label": np.where(later, 1, 0),
    }


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("name", MODELS)
def test_scores_of_earlier_batches_do_not_depend_on_what_comes_later(name, visibility, stream, candidates):
    store = store_of(stream | {"label": np.zeros(EVENTS)})
    bounds = EventStream(store, ALL, BATCH).bounds
    before = scored(model_of(name, store), store, candidates, visibility)
    last = len(before) - 1
    for number in (1, 3, last):
        other = store_of(changed_from(stream, bounds[number]))
        after = scored(model_of(name, store), other, candidates, visibility)
        assert all(torch.equal(*pair) for pair in zip(before[:number], after[:number], strict=True))
        assert number == last or not torch.equal(before[last], after[last])
        if visibility == "previous_batches":  # nor do a batch's own events show in its scores
            torch.testing.assert_close(after[number], before[number], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_scores_at_a_time_do_not_depend_on_events_of_that_time(name, stream, candidates):
    """Nor on later ones of the same batch, though its earlier ones are seen."""
    store = store_of(stream | {"label": np.zeros(EVENTS)})
    bounds, t = EventStream(store, ALL, BATCH).bounds, stream["t"]
    before = scored(model_of(name, store), store, candidates)
    for number in (3, 5):
        begin, end = bounds[number], bounds[number + 1]
        time, count = np.unique(t[begin + BATCH // 3 : end], return_counts=True)
        first, later = np.searchsorted(t, time[count > 1][0]), np.searchsorted(t, time[count > 1][0] + 1)
        assert begin < first < later - 1 < end - 1
        after = scored(model_of(name, store), store_of(changed_from(stream, first)), candidates)
        same = slice(0, later - begin)
        torch.testing.assert_close(after[number][same], before[number][same], rtol=1e-4, atol=1e-5)
        assert not torch.equal(after[-1], before[-1])


@pytest.mark.parametrize("name", MODELS)
def test_order_of_candidates_means_nothing(name, stream, candidates):
    store = store_of(stream)
    order_Q = torch.tensor([2, 0, 3, 1])
    plain = scored(model_of(name, store), store, candidates)
    turned = scored(model_of(name, store), store, candidates[:, order_Q])
    for plain_BQ, turned_BQ in zip(plain, turned, strict=True):
        torch.testing.assert_close(turned_BQ, plain_BQ[:, order_Q])


@pytest.mark.parametrize("name", MODELS)
def test_candidates_leave_no_trace(name, stream, candidates):
    store = store_of(stream)
    one = scored(model_of(name, store), store, candidates)
    two = scored(model_of(name, store), store, torch.cat([candidates, candidates.flip(0)], 1))
    for one_BQ, two_BQ in zip(one, two, strict=True):
        torch.testing.assert_close(two_BQ[:, :CANDIDATES], one_BQ, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_ranking_says_what_scoring_says(name, stream):
    store = store_of(stream)
    model, view = model_of(name, store), view_of(store)
    state, everybody = model.initial_state(), torch.arange(NODES)
    with torch.no_grad():
        for batch in EventStream(store, ALL, BATCH).batches():
            ranked_BD = model.rank(state, batch, everybody, view)
            stepped_BD, state = model.step(state, batch, everybody.expand(len(batch), -1), view)
            torch.testing.assert_close(ranked_BD, stepped_BD, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_going_on_without_scores_leaves_the_same_state(name, stream, candidates):
    store = store_of(stream)
    model, view = model_of(name, store), view_of(store)
    scored_on = went_on = model.initial_state()
    with torch.no_grad():
        for batch in EventStream(store, ALL, BATCH).batches():
            _, scored_on = model.step(scored_on, batch, candidates[batch.event_B], view)
            went_on = model.advance(went_on, batch, view)
    for value, other in zip(scored_on.tensors().values(), went_on.tensors().values(), strict=True):
        torch.testing.assert_close(other, value)


@pytest.mark.parametrize("name", MODELS)
def test_moving_the_clock_changes_nothing(name, stream, candidates):
    store, later = store_of(stream), store_of(stream | {"t": stream["t"] + LATER})
    now = scored(model_of(name, store), store, candidates)
    then = scored(model_of(name, later), later, candidates)
    assert all(torch.equal(*pair) for pair in zip(now, then, strict=True))


@pytest.mark.parametrize("name", [name for name in MODELS if "updater" in MODELS[name]["settings"]])
def test_equal_seeds_train_to_equal_bits(name, stream, candidates):
    store = store_of(stream)

    def trained():
        model, view = model_of(name, store).train(), view_of(store, training=True)
        optimiser, state = torch.optim.Adam(model.parameters(), lr=0.01), model.initial_state()
        for batch in EventStream(store, [TRAIN], BATCH).batches():
            candidate_B2 = torch.stack([batch.dst_B, candidates[batch.event_B, 0]], 1)
            score_B2, state = model.step(state, batch, candidate_B2, view)
            truth_B2 = torch.tensor([1.0, 0.0]).expand(len(batch), 2)
            optimiser.zero_grad()
            link_loss(score_B2, truth_B2).backward()
            optimiser.step()
            state = state.detach()
        return [*model.state_dict().values(), *state.tensors().values()]

    assert all(torch.equal(*pair) for pair in zip(trained(), trained(), strict=True))


def test_every_field_of_a_batch_is_changed_or_fixed_above():
    """A new column of events must be thought of here."""
    from stgnn.data.events.batches import EventBatch

    known = {"first", "event_B", "src_B", "dst_B", "t_B", "feature_BF", "label_B"}
    assert {field.name for field in dataclasses.fields(EventBatch)} == known
