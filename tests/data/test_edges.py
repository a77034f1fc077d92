"""Batches of windows on a dynamic graph: every entry of every window has exactly its own edges."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from stgnn.data import PLACEMENTS, EntryEdges, IndexPlacement, WindowEdges, WindowLoader, split_windows
from stgnn.data.partition import PartitionPlacement
from stgnn.data.snapshots import stored_signal
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.store import SignalStore, open_store, write_store
from tests.conftest import make_signal

T, N, L, H = 60, 5, 4, 2
RNG = np.random.default_rng(7)
COUNTS = np.where(RNG.random(T) < 0.2, 0, RNG.integers(1, 9, T))  # some entries have no edges
PTR = np.concatenate([[0], np.cumsum(COUNTS)])
INDEX = RNG.integers(0, N, (2, PTR[-1]))
WEIGHT = RNG.random(PTR[-1]).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SignalStore:
    """A store that was written and opened, with a graph for each entry."""
    path = tmp_path_factory.mktemp("dynamic") / "dynamic.zarr"
    signal = make_signal(RNG.normal(size=(T, N, 1)), dated=False)
    write_store(replace(signal, edge_index=INDEX, edge_weight=WEIGHT, edge_ptr=PTR), path)
    return open_store(path)


def edges_of(entry: int) -> tuple[np.ndarray, np.ndarray]:
    """An entry's edges the plain way."""
    mine = slice(PTR[entry], PTR[entry + 1])
    return INDEX[:, mine], WEIGHT[mine]


def assert_edges_of(edges: WindowEdges | None, first_B: list[int], length: int) -> None:
    assert edges is not None and len(edges) == length and edges.num_windows == len(first_B)
    for step in range(length):
        index, weight = edges.step(step)
        graphs = []
        for window, first in enumerate(first_B):
            expected, weights = edges_of(first + step)
            alone, its_weight = edges.entry(window, step)
            np.testing.assert_array_equal(alone, expected)
            np.testing.assert_array_equal(its_weight, weights)
            graphs.append(
                Data(edge_index=torch.from_numpy(expected), edge_attr=torch.from_numpy(weights), num_nodes=N)
            )
        plain = Batch.from_data_list(graphs)
        assert torch.equal(index, plain.edge_index) and torch.equal(weight, plain.edge_attr)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_entry_of_every_window_has_its_own_edges(store: SignalStore, placement: str) -> None:
    windows = split_windows(T, L, H)
    loader = WindowLoader(PLACEMENTS[placement](store, windows), windows.train, 8, shuffle=True, seed=3)
    seen = 0
    for batch in loader.epoch(1):
        starts = batch.start.tolist()
        assert_edges_of(batch.x_edges, starts, L)
        assert_edges_of(batch.last_edges, [start + L - 1 for start in starts], 1)
        assert_edges_of(batch.y_edges, [start + L for start in starts], H)
        seen += len(batch)
    assert seen == len(windows.train)


def test_a_partition_has_the_edges_of_its_windows(store: SignalStore) -> None:
    windows = split_windows(T, L, H)
    placement = PartitionPlacement(store, windows, World(), 8)
    for batch in placement.batches([torch.tensor([0, 3]), torch.tensor([20, 21, 22])]):
        assert_edges_of(batch.x_edges, batch.start.tolist(), L)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, T - L), min_size=1, max_size=12), st.integers(1, L))
def test_edges_of_any_windows(store: SignalStore, starts: list[int], length: int) -> None:
    assert_edges_of(EntryEdges(store).of(torch.tensor(starts), length), starts, length)


def test_all_steps_together_are_one_graph(store: SignalStore) -> None:
    """A sum over neighbours on the joined graph is the sum on every entry's graph by itself."""
    starts = torch.tensor([11, 2, 30])
    x_BSNF = torch.randn(3, L, N, 2)
    edges = EntryEdges(store).of(starts, L)
    (source, target), weight = edges.joined()
    x = x_BSNF.transpose(0, 1).flatten(0, 2)
    summed = torch.zeros_like(x).index_add_(0, target, weight[:, None] * x[source]).view(L, 3, N, 2)
    for window, start in enumerate(starts.tolist()):
        for step in range(L):
            index, weights = edges_of(start + step)
            plain = np.zeros((N, 2), np.float32)
            np.add.at(plain, index[1], weights[:, None] * x_BSNF[window, step].numpy()[index[0]])
            np.testing.assert_allclose(summed[step, window], plain, rtol=1e-5, atol=1e-6)
    ahead = edges.step(1)
    assert torch.equal(edges.joined()[0][:, edges.ptr[3] : edges.ptr[6]], ahead[0] + 3 * N)
    assert torch.equal(edges.step(-1)[0], edges.step(L - 1)[0])
    with pytest.raises(IndexError):
        edges.step(L)


def test_a_window_has_the_graphs_of_its_snapshots(store: SignalStore) -> None:
    """Index-batches and the snapshots of PyTorch Geometric Temporal's protocol see the same graphs."""
    windows = split_windows(T, L, 1)
    oldest, newest = (stored_signal(store, L, graph=graph) for graph in ("oldest", "newest"))
    for batch in WindowLoader(IndexPlacement(store, windows), windows.test, 5):
        assert batch.x_edges is not None
        for window, start in enumerate(batch.start.tolist()):
            assert torch.equal(batch.x_edges.entry(window, 0)[0], oldest[start].edge_index)
            assert torch.equal(batch.x_edges.entry(window, L - 1)[1], newest[start].edge_attr)


def test_a_static_graph_has_no_edges_by_entry(make_store: Callable[..., SignalStore]) -> None:
    static = make_store(np.ones((T, N, 1)))
    windows = split_windows(T, L, H)
    batch = next(iter(WindowLoader(IndexPlacement(static, windows), windows.train, 8)))
    assert batch.x_edges is None and batch.y_edges is None
    with pytest.raises(InputError, match="one graph for all entries"):
        EntryEdges(static)


def test_edges_outlive_their_batch(store: SignalStore) -> None:
    windows = split_windows(T, L, H)
    loader = WindowLoader(IndexPlacement(store, windows), windows.train, 8)
    kept = [(batch.start.tolist(), batch.x_edges) for batch in loader]
    for starts, edges in kept:
        assert_edges_of(edges, starts, L)
