"""Stacked layers over shared places against one place at a time, by recursion."""

from functools import partial

import pytest
import torch

from stgnn.nn.temporal.attention import AttentionLayer
from stgnn.nn.temporal.graph_embedding import GraphEmbedding
from stgnn.nn.temporal.meetings import Meetings
from stgnn.nn.temporal.neighbourhood import Places, neighbourhood
from stgnn.nn.temporal.time_encoding import TimeEncoding
from tests.models.temporal.streams import random_stream

D, M, F, C, K = 4, 3, 3, 5, 4


@pytest.fixture
def stream():
    return random_stream()


def places_of(stream, cut=150):
    """Some twice, some at equal times, one before the first event; as of the events from `cut` on."""
    node = torch.tensor([3, 3, 7, 1, 3, 7, 15, 2])
    time = torch.from_numpy(stream.t)[[cut, cut, cut, cut + 9, cut + 9, cut, 199, 0]]
    return Places(node, time, stream.view().neighbours.cut_at(time))


def alone(embedding, layer, node, time, cut, row_ND, view, phi):
    """The embedding of one place, from all events of the stream in plain Python lists."""
    if layer == 0:
        return row_ND[node]
    near = view.neighbours.recent(torch.tensor([node]), torch.tensor([cut]), K)
    met = [
        (int(n), int(e), int(t))
        for n, e, t, v in zip(
            near.node_RK[0], near.event_RK[0], near.time_RK[0], near.valid_RK[0], strict=True
        )
        if v
    ]
    below = [alone(embedding, layer - 1, node, time, cut, row_ND, view, phi)]
    for neighbour, _, then in met:
        at = (
            (then, int(view.neighbours.cut_at(torch.tensor([then]))))
            if embedding.hop_time == "edge"
            else (time, cut)
        )
        below.append(alone(embedding, layer - 1, neighbour, *at, row_ND, view, phi))
    rows = torch.stack(below)
    features = view.edge_feature(torch.tensor([[e for _, e, _ in met]], dtype=torch.int64)).double()
    span = torch.tensor([[time - t for _, _, t in met]], dtype=torch.int64)
    parts = (rows[1:].unsqueeze(0), features, phi(span))
    valid = torch.ones(1, len(met), dtype=torch.bool)
    own = torch.zeros(1, dtype=torch.int64)
    return embedding.layers[layer - 1](rows, own, phi.of_zero(), Meetings(parts, valid))[0]


@pytest.mark.parametrize("hop_time", ["query", "edge"])
@pytest.mark.parametrize("layers", [1, 2])
def test_layers_over_shared_places_are_the_recursion(stream, layers, hop_time):
    torch.manual_seed(0)
    make = partial(lambda channels: AttentionLayer(channels, M, F, C, heads=1, dropout=0.0))
    embedding = GraphEmbedding(
        make, D, C, layers=layers, neighbours=K, sampling="recent", hop_time=hop_time
    ).double()
    phi, view = TimeEncoding(M).double(), stream.view()
    row_ND, places = torch.randn(stream.num_nodes, D, dtype=torch.float64), places_of(stream)
    around = embedding.lay_out(places, view)
    found = embedding(row_ND, around.node_U, around, view, phi)
    for number, place in enumerate(zip(places.node_R, places.time_R, places.cut_R, strict=True)):
        expected = alone(embedding, layers, *map(int, place), row_ND, view, phi)
        torch.testing.assert_close(found[number], expected)


def test_every_place_is_there_once(stream):
    places, view = places_of(stream), stream.view()
    around = neighbourhood(places, 1, partial(view.neighbours.recent, k=K))
    different = {*zip(places.node_R.tolist(), places.time_R.tolist(), strict=True)}
    assert len(around.blocks[0].self_R) == len(different) < len(places.node_R)
    assert torch.equal(around.node_U, around.node_U.unique())
    assert torch.equal(around.node_U[around.blocks[0].self_R[around.row_P]], places.node_R)


def test_without_layers_only_the_graph_nodes_are_left(stream):
    around = neighbourhood(places_of(stream), 0, partial(stream.view().neighbours.recent, k=K))
    assert around.blocks == ()
    assert torch.equal(around.node_U[around.row_P], places_of(stream).node_R)
