"""Streams are split by time quantiles, equal times never apart, and new nodes are in no training event."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stgnn.errors import InputError
from stgnn.store.split import HELD_OUT, TEST, TRAIN, VALIDATION, Protocol, Split, require_parts, split_events
from tests.streams import random_stream


def split_of(stream: int, num_events: int, times: int, **protocol: Any) -> tuple[Split, np.ndarray]:
    drawn = random_stream(stream, num_events, times=times)
    return split_events(drawn.src, drawn.dst, drawn.t, drawn.num_nodes, Protocol(**protocol)), drawn.t


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), num_events=st.integers(1, 60), times=st.integers(1, 40))
def test_the_parts_are_those_of_the_time_quantiles(seed: int, num_events: int, times: int) -> None:
    split, t = split_of(seed, num_events, times)
    first, second = np.quantile(t, [0.70, 0.85])
    np.testing.assert_array_equal(np.isin(split.role, [TRAIN, HELD_OUT]), t <= first)
    np.testing.assert_array_equal(split.role == VALIDATION, (t > first) & (t <= second))
    np.testing.assert_array_equal(split.role == TEST, t > second)
    assert (split.first_validation, split.first_test) == ((t <= first).sum(), (t <= second).sum())


def test_the_counts_of_a_stream_with_ties() -> None:
    t = np.array(
        [0, 1, 2, 3, 4, 5, 6, 6, 6, 7, 7, 8]
    )  # the 0.70 quantile is 6.0 (place 7.7), the 0.85 one 7.0
    zeros = np.zeros(12, np.int32)
    split = split_events(zeros, zeros, t, 1, Protocol(new_nodes=0.0))
    assert split.role.tolist() == [TRAIN] * 9 + [VALIDATION] * 2 + [TEST]


def test_times_that_no_float_tells_apart_are_split_exactly() -> None:
    late = 1_600_000_000_000_000_000
    zeros = np.zeros(10, np.int32)
    split = split_events(zeros, zeros, late + np.arange(10), 1, Protocol(new_nodes=0.0))
    assert np.bincount(split.role).tolist() == [7, 1, 2]


def test_shares_are_added_as_they_are_written() -> None:
    """In floats 0.7 + 0.1 is less than 0.8, whose quantile of these times is exactly 8."""
    zeros = np.zeros(11, np.int32)
    split = split_events(zeros, zeros, np.arange(11), 1, Protocol(split=(0.7, 0.1, 0.2), new_nodes=0.0))
    assert np.bincount(split.role).tolist() == [8, 1, 2]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), num_events=st.integers(4, 60), share=st.sampled_from([0.0, 0.2, 0.5]))
def test_new_nodes_are_those_of_no_training_event(seed: int, num_events: int, share: float) -> None:
    stream = random_stream(seed, num_events, nodes=10, times=30)
    split = split_events(stream.src, stream.dst, stream.t, 10, Protocol(new_nodes=share))
    ends = np.stack([stream.src, stream.dst])
    trained = np.unique(ends[:, split.role == TRAIN])
    assert not split.new_node[trained].any() and split.new_node.sum() == 10 - len(trained)
    early, late = ends[:, : split.first_validation], ends[:, split.first_validation :]
    held_out = split.role[: split.first_validation] == HELD_OUT
    # Only nodes that are met later are drawn; who met none but them in training is as new as they are.
    new_and_late = np.intersect1d(late, np.flatnonzero(split.new_node))
    np.testing.assert_array_equal(held_out, np.isin(early, new_and_late).any(axis=0))
    if share == 0.0:
        assert not held_out.any()


def test_the_drawn_nodes_follow_from_the_seed() -> None:
    first, again, other = (split_of(0, 200, 100, seed=seed, new_nodes=0.3)[0].new_node for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.sum() == other.sum() == int(0.3 * 8)


@pytest.mark.parametrize("share, drawn", [(0.1, 10), (0.5, 20)])
def test_new_nodes_are_a_share_of_all_nodes_drawn_among_those_met_later(share: float, drawn: int) -> None:
    """A hundred nodes meet themselves in training, twenty of them again: no more than these can be drawn."""
    node = np.concatenate([np.arange(100), np.tile(np.arange(80, 100), 3)[:43]]).astype(np.int32)
    split = split_events(node, node, np.arange(143), 100, Protocol(new_nodes=share))
    assert split.first_validation == 100
    assert split.new_node.sum() == drawn == split.new_node[80:].sum()
    np.testing.assert_array_equal(split.role[:100] == HELD_OUT, split.new_node)


def test_a_stream_whose_training_events_all_touch_new_nodes_is_refused() -> None:
    protocol = Protocol(new_nodes=0.9)
    hub, others = np.zeros(30, np.int32), 1 + np.arange(30, dtype=np.int32) % 5
    split = split_events(hub, others, np.arange(30), 6, protocol)
    with pytest.raises(InputError, match="star: every training event touches a new node; lower `new_nodes`"):
        require_parts(split, protocol, "star")
    few = Protocol(new_nodes=0.2)  # one node: the hub is not it
    require_parts(split_events(hub, others, np.arange(30), 6, few), few, "star")


@pytest.mark.parametrize(
    "wrong, problem",
    [
        ({"split": (0.7, 0.3, 0.0)}, "split"),
        ({"split": (0.7, 0.2, 0.2)}, "split"),
        ({"new_nodes": 1.0}, "new_nodes"),
        ({"negatives": 0}, "negatives"),
    ],
)
def test_a_protocol_that_cannot_be_followed_is_named(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Protocol(**wrong)
