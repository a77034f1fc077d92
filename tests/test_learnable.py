"""The streams made to be learned from are what they say, and their best scores are those of an oracle."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from stgnn.learnable import COMMUNITIES, ITEMS, USERS, community, reveal, sticky

EVENTS = 60_000


def ap_of(stream, score):
    """AP of `score(src, dst)` against one other destination an event, ties broken at random."""
    random = np.random.default_rng(9)
    negative = (stream.dst + random.integers(1, ITEMS, len(stream.dst))) % ITEMS
    scores = np.concatenate([score(stream.src, stream.dst), score(stream.src, negative)])
    truth = np.arange(len(scores)) < len(stream.dst)
    return average_precision_score(truth, scores + 1e-6 * random.random(len(scores)))


def test_reveal_shows_each_code_once_and_knowing_them_gives_the_best_score():
    stream = reveal(EVENTS)
    users, items = stream.feature[:, :COMMUNITIES], stream.feature[:, COMMUNITIES:]
    assert (users > 0).sum() == USERS and (items > 0).sum() == ITEMS
    user, item = np.zeros(USERS, dtype=int), np.zeros(ITEMS, dtype=int)
    for codes, end, community_of in ((users, stream.src, user), (items, stream.dst, item)):
        shown = np.flatnonzero(codes.any(1))
        assert np.array_equal(shown, np.sort(np.unique(end, return_index=True)[1]))
        community_of[end[shown]] = codes[shown].argmax(1)
    ap = ap_of(stream, lambda src, dst: (user[src] == item[dst]).astype(float))
    assert ap == pytest.approx(stream.best_ap, abs=0.006)


def test_community_shows_the_code_of_the_item_at_every_event():
    stream = community(EVENTS)
    item = np.array([stream.feature[stream.dst == node].mean(0).argmax() for node in range(ITEMS)])
    noise = stream.feature - np.eye(COMMUNITIES)[item[stream.dst]]
    assert noise.std() == pytest.approx(0.1, abs=0.002)
    met = np.zeros((USERS, COMMUNITIES))
    np.add.at(met, (stream.src, item[stream.dst]), 1)
    user = met.argmax(1)
    ap = ap_of(stream, lambda src, dst: (user[src] == item[dst]).astype(float))
    assert ap == pytest.approx(stream.best_ap, abs=0.006)


def test_sticky_repeats_the_last_item_as_often_as_it_says():
    stream = sticky(EVENTS, repeat=0.7)
    order = np.argsort(stream.src, kind="stable")
    same_user = np.diff(stream.src[order]) == 0
    repeats = (np.diff(stream.dst[order]) == 0)[same_user]
    assert repeats.mean() == pytest.approx(0.7, abs=0.01)


def test_events_are_given_in_blocks_and_nothing_is_lost():
    stream = community(150_000)
    blocks = list(stream.events().blocks())
    assert max(map(len, blocks)) <= 65_536
    assert np.array_equal(np.concatenate([block.dst for block in blocks]), stream.dst)
    assert np.array_equal(np.concatenate([block.t for block in blocks]), np.arange(150_000))
