"""What training may look at is made of training events: neighbours, and destinations to tell them apart from."""

import numpy as np
import pytest

from stgnn.store import derive, temporal_csr
from stgnn.store.split import HELD_OUT, ROLES, TRAIN, Protocol
from tests.streams import random_stream


@pytest.mark.parametrize("block", [7, 10**6])
def test_graphs_and_destinations_are_of_the_events_they_are_named_after(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    for module in (derive, temporal_csr):
        monkeypatch.setattr(module, "BLOCK", block)
    stream = random_stream(2, 60, nodes=25, times=40)
    found = derive.derive(stream.src, stream.dst, stream.t, stream.num_nodes, Protocol())
    trained = found.split.role == TRAIN
    assert set(found.split.role.tolist()) == set(range(len(ROLES)))
    for graph, chosen in ((found.graph, np.arange(60)), (found.train_graph, np.flatnonzero(trained))):
        ends = [(stream.src[event], stream.dst[event]) for event in chosen]
        halves = [
            (*each, event) for pair, event in zip(ends, chosen, strict=True) for each in (pair, pair[::-1])
        ]
        node, other, event = np.array(sorted(halves, key=lambda half: (half[0], half[2]))).T
        np.testing.assert_array_equal(graph.key, node * 61 + event)
        np.testing.assert_array_equal(graph.neighbour, other)
        np.testing.assert_array_equal(graph.indptr, np.searchsorted(node, np.arange(26)))
    assert found.destination.tolist() == np.unique(stream.dst).tolist()
    assert found.train_destination.tolist() == np.unique(stream.dst[trained]).tolist()
    held_out = stream.dst[found.split.role == HELD_OUT]
    assert not np.isin(held_out, found.train_destination).all()
