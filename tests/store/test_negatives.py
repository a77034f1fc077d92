"""Stored negatives: another destination, of the right kind, drawn alike whatever is drawn beside it."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stgnn.store import tie_blocks
from stgnn.store.derive import Derived, derive
from stgnn.store.negatives import KINDS, SOMETIMES_LACKING
from stgnn.store.split import TRAIN, Protocol
from tests.streams import Stream, random_stream

MANY = Protocol(negatives=100)


def derived_of(stream: Stream, protocol: Protocol = MANY) -> Derived:
    return derive(stream.src, stream.dst, stream.t, stream.num_nodes, protocol)


def pools_by_hand(stream: Stream, derived: Derived, event: int) -> dict[str, set[int]]:
    """What each kind may draw for an event."""
    source, t = stream.src[event], stream.t[event]
    mine = stream.src == source
    training = derived.split.role == TRAIN
    later = np.arange(len(stream)) >= derived.split.first_validation
    trained = set(stream.dst[mine & training].tolist())
    since = set(stream.dst[mine & later & (stream.t < t)].tolist())
    pools = {"random": set(stream.dst.tolist()), "historical": trained, "inductive": since - trained}
    happened = set(stream.dst[mine & (stream.t == t)].tolist())
    return {kind: pool - happened for kind, pool in pools.items()}


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    num_events=st.integers(20, 80),
    nodes=st.integers(3, 8),
    times=st.integers(10, 60),
    bipartite=st.booleans(),
)
def test_each_kind_draws_from_exactly_its_own_pool(
    seed: int, num_events: int, nodes: int, times: int, bipartite: bool
) -> None:
    stream = random_stream(seed, num_events, nodes=nodes, times=times, bipartite=bipartite)
    derived = derived_of(stream)
    lacking = dict.fromkeys(KINDS, 0)
    evaluated = range(derived.split.first_validation, num_events)
    for row, event in enumerate(evaluated):
        pools = pools_by_hand(stream, derived, event)
        for kind in KINDS:
            drawn = set(derived.drawn[kind].destination[row].tolist())
            lacking[kind] += not pools[kind]
            is_fallback = derived.drawn[kind].is_fallback
            assert (kind == "random") == (is_fallback is None)
            assert is_fallback is None or is_fallback[row] == (not pools[kind])
            pool = pools[kind] or pools["random"] or set(stream.dst.tolist()) - {int(stream.dst[event])}
            assert drawn <= pool
            assert drawn == pool or len(pool) > 4  # 100 draws miss one of four once in 10^12
    for kind in ("historical", "inductive"):
        assert derived.drawn[kind].fallback == lacking[kind] / max(len(evaluated), 1)
    assert derived.drawn["random"].unavoidable == lacking["random"] / max(len(evaluated), 1)


def test_random_negatives_are_uniform_over_what_did_not_happen() -> None:
    t = np.arange(20)
    src, dst = np.zeros(20, np.int32), np.tile(np.arange(1, 11, dtype=np.int32), 2)
    derived = derive(src, dst, t, 11, Protocol(negatives=20_000, new_nodes=0.0))
    for row, event in enumerate(range(derived.split.first_validation, 20)):
        counts = np.bincount(derived.drawn["random"].destination[row], minlength=11)
        assert counts[0] == counts[dst[event]] == 0
        expected = 20_000 / 9
        chi_square = ((np.delete(counts, [0, dst[event]]) - expected) ** 2 / expected).sum()
        assert chi_square < 8 + 5 * np.sqrt(16)


def test_kinds_are_drawn_independently() -> None:
    """One source has met the same ten in training and never another: all kinds draw from the same nine."""
    dst = np.random.default_rng(0).integers(1, 11, 3_000).astype(np.int32)
    derived = derive(np.zeros_like(dst), dst, np.arange(3_000), 11, Protocol(new_nodes=0.0))
    for first, second in combinations(KINDS, 2):
        same = derived.drawn[first].destination == derived.drawn[second].destination
        assert same.mean() == pytest.approx(1 / 9, abs=5 * np.sqrt(8) / 9 / np.sqrt(same.size))


def test_negatives_do_not_depend_on_the_blocks_they_are_drawn_in(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = random_stream(5, 300, nodes=20, times=80)
    whole = derived_of(stream, Protocol(negatives=3))
    monkeypatch.setattr(tie_blocks, "EVENTS_AT_ONCE", 7)
    in_parts = derived_of(stream, Protocol(negatives=3))
    for kind in KINDS:
        np.testing.assert_array_equal(whole.drawn[kind].destination, in_parts.drawn[kind].destination)
        assert whole.drawn[kind].sha256 == in_parts.drawn[kind].sha256
    for kind in SOMETIMES_LACKING:
        masks = [derived.drawn[kind].is_fallback for derived in (whole, in_parts)]
        np.testing.assert_array_equal(*masks)
        assert 0 < masks[0].mean() < 1


def test_more_negatives_begin_with_the_fewer() -> None:
    stream = random_stream(6, 200, times=80)
    few, many = (derived_of(stream, Protocol(negatives=count)) for count in (2, 5))
    for kind in KINDS:
        np.testing.assert_array_equal(few.drawn[kind].destination, many.drawn[kind].destination[:, :2])


def test_the_hash_tells_seeds_apart_and_nothing_else() -> None:
    stream = random_stream(7, 200, times=80)
    first, again, other = (derived_of(stream, Protocol(seed=seed, new_nodes=0.0)) for seed in (1, 1, 2))
    for kind in KINDS:
        assert first.drawn[kind].sha256 == again.drawn[kind].sha256 != other.drawn[kind].sha256


def test_the_surprise_index_is_the_share_of_test_pairs_that_training_never_met() -> None:
    stream = random_stream(8, 120, nodes=12, times=100)
    derived = derived_of(stream)
    pairs = list(zip(stream.src.tolist(), stream.dst.tolist(), strict=True))
    tested = set(pairs[derived.split.first_test :])
    trained = {pair for pair, role in zip(pairs, derived.split.role, strict=True) if role == TRAIN}
    assert derived.surprise == pytest.approx(len(tested - trained) / len(tested))


def test_repeats_are_counted_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    src = np.array([0, 1, 0, 0, 2, 2, 2], np.int32)
    dst = np.array([1, 1, 1, 1, 2, 2, 2], np.int32)
    t = np.array([1, 1, 1, 2, 2, 2, 3])
    for size in (1, 100):
        monkeypatch.setattr(tie_blocks, "EVENTS_AT_ONCE", size)
        assert tie_blocks.count_repeats(src, dst, t) == tie_blocks.Repeats(ties=4, duplicates=2, self_loops=4)


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("t", [[2, 1], [1, 2, 3, 0, 4], [9, 8, 7, 6, 5], [0, 0, 5, 5, 1, 1]])
def test_blocks_of_times_in_disorder_are_an_error(
    monkeypatch: pytest.MonkeyPatch, size: int, t: list[int]
) -> None:
    """A search among them ends anywhere, so that going on from there might never end."""
    monkeypatch.setattr(tie_blocks, "EVENTS_AT_ONCE", size)
    with pytest.raises(ValueError, match="not in time order"):
        list(tie_blocks.tie_blocks(np.array(t)))
