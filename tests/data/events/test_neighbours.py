"""Temporal neighbourhoods equal brute force at any cut, and random ones are uniform whatever they are asked with."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stgnn.data.events.neighbours import Neighbours, TemporalNeighbours
from stgnn.store.temporal_csr import build_temporal_csr
from tests.streams import Stream, neighbours_by_hand, random_stream

FOUR = Stream(np.array([0, 1, 0, 0]), np.array([2, 2, 3, 2]), np.array([1, 2, 2, 5]), 4, False)


def finder(stream: Stream, events: np.ndarray | None = None) -> TemporalNeighbours:
    csr = build_temporal_csr(stream.src, stream.dst, events, stream.num_nodes)
    return TemporalNeighbours(csr, stream.t)


def all_queries(stream: Stream) -> tuple[Tensor, Tensor]:
    """Every node at every cut."""
    node, cut = np.meshgrid(np.arange(stream.num_nodes), np.arange(len(stream) + 1))
    return torch.from_numpy(node.ravel()), torch.from_numpy(cut.ravel())


def rows_of(found: Neighbours) -> list[list[tuple[int, int, int]]]:
    """(neighbour, event, time) of the valid entries of each query."""
    columns = (found.node_RK, found.event_RK, found.time_RK, found.valid_RK)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        [entry[:3] for entry in zip(*row, strict=True) if entry[3]]  # type: ignore[misc]
        for row in rows
    ]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    num_events=st.integers(1, 25),
    nodes=st.integers(1, 5),
    bipartite=st.booleans(),
    k=st.integers(1, 6),
)
def test_both_samplers_equal_brute_force_on_multigraphs_with_ties_and_loops(
    seed: int, num_events: int, nodes: int, bipartite: bool, k: int
) -> None:
    stream = random_stream(seed, num_events, nodes=nodes, times=6, bipartite=bipartite)
    neighbours, (node_R, cut_R) = finder(stream), all_queries(stream)
    recent, uniform = neighbours.recent(node_R, cut_R, k), neighbours.uniform(node_R, cut_R, k, seed)
    counted = zip(
        *(count(node_R, cut_R).tolist() for count in (neighbours.degree, neighbours.num_events)), strict=True
    )
    queries = zip(node_R.tolist(), cut_R.tolist(), rows_of(recent), rows_of(uniform), counted, strict=True)
    for node, cut, most_recent, drawn, counts in queries:
        history = neighbours_by_hand(stream, node, cut)
        assert most_recent == history[:k] and counts == (
            len(history),
            len({event for _, event, _ in history}),
        )
        assert set(drawn) <= set(history) and len(drawn) == (k if history else 0)
    for found in (recent, uniform):
        for column in (found.node_RK, found.event_RK, found.time_RK):
            assert not column[~found.valid_RK].any()


def test_the_events_of_a_part_keep_their_numbers_in_the_whole_stream() -> None:
    stream = random_stream(3, 40)
    chosen = np.flatnonzero(np.random.default_rng(0).random(40) < 0.5)
    mask = np.isin(np.arange(40), chosen)
    node_R, cut_R = all_queries(stream)
    of_indices, of_mask = (rows_of(finder(stream, part).recent(node_R, cut_R, 40)) for part in (chosen, mask))
    for node, cut, found in zip(node_R.tolist(), cut_R.tolist(), of_indices, strict=True):
        assert found == [entry for entry in neighbours_by_hand(stream, node, cut) if mask[entry[1]]]
    assert of_mask == of_indices


def test_no_events_at_all_are_no_neighbours() -> None:
    neighbours = finder(FOUR, np.zeros(4, dtype=bool))
    node_R = torch.arange(4)
    for found in (neighbours.recent(node_R, node_R, 3), neighbours.uniform(node_R, node_R, 3, 0)):
        assert not found.valid_RK.any() and not found.event_RK.any()
    assert neighbours.degree(node_R, node_R).tolist() == [0, 0, 0, 0]


def at(t: int, node: int, k: int) -> list[tuple[int, int]]:
    """(neighbour, time) of a node of the hand-computed stream before time t."""
    neighbours = finder(FOUR)
    (found,) = rows_of(neighbours.recent(torch.tensor([node]), neighbours.cut_at(torch.tensor([t])), k))
    return [(entry[0], entry[2]) for entry in found]


def test_the_four_events_have_the_neighbours_computed_by_hand() -> None:
    assert at(5, node=0, k=10) == [(3, 2), (2, 1)]
    assert at(2, node=0, k=10) == [(2, 1)]  # its event at t = 2 is not before t = 2
    assert at(5, node=2, k=1) == [(1, 2)]
    assert at(6, node=0, k=10) == [(2, 5), (3, 2), (2, 1)]
    assert at(1, node=0, k=10) == []


@pytest.mark.parametrize("t", [0, 1, 2, 3, 5, 6])
def test_a_time_cuts_in_front_of_all_events_at_it(t: int) -> None:
    assert finder(FOUR).cut_at(torch.tensor([t])).item() == int((FOUR.t < t).sum())


def test_random_neighbours_are_uniform_over_the_history() -> None:
    stream = random_stream(0, 60, nodes=3)
    neighbours = finder(stream)
    node_R, cut_R = torch.full((4000,), 1), torch.full((4000,), 50)
    degree = int(neighbours.degree(node_R[:1], cut_R[:1]))
    draws = torch.cat(
        [neighbours.uniform(node_R[:1], cut_R[:1], 4000, seed).event_RK[0] for seed in range(5)]
    )
    history = [event for _, event, _ in neighbours_by_hand(stream, 1, 50)]
    counts = torch.bincount(draws, minlength=60).double()
    expected = 20_000 * torch.bincount(torch.tensor(history), minlength=60).double() / degree
    assert not counts[expected == 0].any()
    seen = expected > 0
    chi_square = (((counts - expected) ** 2)[seen] / expected[seen]).sum().item()
    freedom = int(seen.sum()) - 1
    assert abs(chi_square - freedom) < 4 * np.sqrt(2 * freedom)


def test_seeds_nodes_and_cuts_draw_apart_from_each_other() -> None:
    stream = random_stream(1, 400, nodes=2, times=400)
    neighbours = finder(stream)
    node_R, cut_R = torch.tensor([0, 0, 1]), torch.tensor([399, 400, 399])
    places = [
        torch.where(found.valid_RK, found.event_RK, -1)
        for found in (neighbours.uniform(node_R, cut_R, 20, seed) for seed in (0, 1))
    ]
    rows = [tuple(row) for each in places for row in each.tolist()]
    assert len(set(rows)) == 6


def test_a_draw_depends_on_no_other_query() -> None:
    stream = random_stream(2, 80)
    neighbours, (node_R, cut_R) = finder(stream), all_queries(stream)
    together = neighbours.uniform(node_R, cut_R, 5, seed=9).event_RK
    order = torch.randperm(len(node_R), generator=torch.Generator().manual_seed(0))
    shuffled = neighbours.uniform(node_R[order], cut_R[order], 5, seed=9).event_RK
    in_parts = [
        neighbours.uniform(node_R[i : i + 7], cut_R[i : i + 7], 5, seed=9).event_RK for i in range(0, 70, 7)
    ]
    assert torch.equal(shuffled, together[order]) and torch.equal(torch.cat(in_parts), together[:70])
    assert torch.equal(neighbours.uniform(node_R, cut_R, 3, seed=9).event_RK, together[:, :3])


def test_times_beyond_float32_stay_apart() -> None:
    late = 1_600_000_000_000_000_000
    stream = Stream(np.array([0, 0, 0]), np.array([1, 1, 1]), np.array([late, late + 1, late + 2]), 2, False)
    neighbours = finder(stream)
    found = neighbours.recent(torch.tensor([0]), neighbours.cut_at(torch.tensor([late + 2])), 5)
    assert found.time_RK[found.valid_RK].tolist() == [late + 1, late]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_answers_as_the_cpu() -> None:
    stream = random_stream(4, 300)
    csr = build_temporal_csr(stream.src, stream.dst, None, stream.num_nodes)
    node_R, cut_R = all_queries(stream)
    answers = []
    for device in ("cpu", "cuda"):
        neighbours = TemporalNeighbours(csr, stream.t, device)
        node, cut = node_R.to(device), cut_R.to(device)
        found = (neighbours.recent(node, cut, 7), neighbours.uniform(node, cut, 7, seed=3))
        answers.append([tensor.cpu() for each in found for tensor in vars(each).values()])
    assert all(torch.equal(*pair) for pair in zip(*answers, strict=True))
