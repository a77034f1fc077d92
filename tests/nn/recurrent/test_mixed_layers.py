"""Facts about LRGCN, MPNNLSTM and DyGrEncoder; PyTorch Geometric Temporal's layers are the oracle."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.recurrent import LRGCN, MPNNLSTM, DyGrEncoder
from tests.nn.parity import assert_same, plain_edges, signal, twins
from tests.nn.properties import two_relations
from tests.pgt_oracle import has_pgt, load_pgt

EDGES = plain_edges()
GRAPH, N, WINDOW = EDGES.graph, EDGES.num_nodes, 4
TYPES = (EDGES.weight > 0.6).long()
needs_pgt = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")


def pair(name: str, *arguments: Any) -> tuple[Any, Any]:
    ours = {"LRGCN": LRGCN, "MPNNLSTM": MPNNLSTM, "DyGrEncoder": DyGrEncoder}[name](*arguments)
    theirs = getattr(load_pgt(), name)(*arguments)
    twins(theirs, ours)
    return ours, theirs


@needs_pgt
@pytest.mark.parametrize("bases", [1, 3, None])
def test_lrgcn_unrolls_pgts_cell_with_its_gradients(bases: int | None) -> None:
    ours, theirs = pair("LRGCN", 2, 4, 2, bases)
    x, h, c = signal(3, N, 2), signal(N, 4, seed=2), signal(N, 4, seed=3)
    found, states = ours.unroll(x, *two_relations(EDGES), h, c), []
    for entry in x:
        h, c = theirs(entry, EDGES.index, TYPES, h, c)
        states.append(h)
    assert_same(found, [torch.stack(states), h, c], ours, theirs)


@needs_pgt
def test_lrgcn_takes_pgts_call_and_counts_duplicate_edges_as_pgt_does() -> None:
    ours, theirs = pair("LRGCN", 2, 4, 2, 3)
    index, types = torch.cat([EDGES.index, EDGES.index[:, :5]], 1), torch.cat([TYPES, TYPES[:5]])
    arguments = signal(N, 2), index, types, signal(N, 4, seed=2), signal(N, 4, seed=3)
    assert_same(ours(*arguments), theirs(*arguments), ours, theirs)


def test_wrong_relations_are_refused_by_name() -> None:
    cell, x = LRGCN(2, 4, 2, 3).double(), signal(N, 2)
    with pytest.raises(InputError, match=r"edge_type: holds 2, expected 0\.\.1"):
        cell(x, EDGES.index, TYPES + 1)
    with pytest.raises(InputError, match="edge_type: is missing"):
        cell(x, EDGES.index)
    with pytest.raises(InputError, match=r"edge_type: is torch\.float64"):
        cell(x, EDGES.index, EDGES.weight)
    with pytest.raises(InputError, match="graphs: are 1"):
        cell(x, [GRAPH])
    with pytest.raises(InputError, match="H: has shape"):
        cell(x, [GRAPH, GRAPH], TYPES)


def rows(batch: int) -> tuple[Tensor, Tensor]:
    """PGT's graph over samples x entries x graph nodes."""
    offsets = (torch.arange(batch * WINDOW) * N).repeat_interleave(EDGES.index.shape[1])
    return EDGES.index.repeat(1, batch * WINDOW) + offsets, EDGES.weight.repeat(batch * WINDOW)


@needs_pgt
@pytest.mark.parametrize("training", [True, False])
def test_mpnn_lstm_is_pgts_in_both_layouts(training: bool) -> None:
    ours, theirs = pair("MPNNLSTM", 3, 5, N, WINDOW, 0.0)
    ours.train(training), theirs.train(training)
    x = signal(2, WINDOW, N, 3)
    expected = theirs(x.view(-1, 3), *rows(2))
    windows = ours(x, GRAPH)
    assert windows.shape == (2, N, 2 * 5 + 3 + WINDOW - 1)
    torch.testing.assert_close(windows.flatten(0, 1), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(ours(x[0], GRAPH).shape, windows[0].shape)
    assert_same([ours(x.view(-1, 3), *rows(2))], [theirs(x.view(-1, 3), *rows(2))], ours, theirs)


def test_mpnn_lstm_drops_out_in_training_only() -> None:
    layer, x = MPNNLSTM(3, 5, N, WINDOW, 0.5).double(), signal(2, WINDOW, N, 3)
    assert not torch.equal(layer(x, GRAPH), layer(x, GRAPH))
    layer.eval()
    assert torch.equal(layer(x, GRAPH), layer(x, GRAPH))
    with pytest.raises(InputError, match="X: has 5 entries of 11 graph nodes"):
        layer(signal(2, 5, N, 3), GRAPH)
    with pytest.raises(InputError, match="X: has 13 rows"):
        layer(signal(13, 3), EDGES.index, EDGES.weight)


@needs_pgt
@pytest.mark.parametrize("aggr", ["add", "mean", "max"])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_dynamic_graph_encoder_unrolls_pgts_with_its_gradients(aggr: str, weighted: bool) -> None:
    ours, theirs = pair("DyGrEncoder", 4, 2, aggr, 5, 1)
    weight = EDGES.weight if weighted else None
    x, h, c = signal(3, N, 2), signal(N, 5, seed=2), signal(N, 5, seed=3)
    found, states = ours.unroll(x, Graph(EDGES.index, weight, N), h, c), []
    for entry in x:
        state, h, c = theirs(entry, EDGES.index, weight, h, c)
        states.append(state)
    assert_same(found, [torch.stack(states), h, c], ours, theirs)


def test_an_encoder_of_two_lstm_layers_carries_its_state() -> None:
    layer, x = DyGrEncoder(4, 1, "add", 5, 2).double(), signal(3, 4, N, 2)
    whole, *end = layer.unroll(x, GRAPH)
    carried: list[Tensor] = []
    for t in range(4):
        state, *carried = layer(x[:, t], EDGES.index, EDGES.weight, *carried)
        torch.testing.assert_close(state, whole[:, t], rtol=0, atol=1e-13)
    assert end[0].shape == (2, 3, N, 5)
    torch.testing.assert_close(carried, end, rtol=0, atol=1e-13)


def test_an_encoder_refuses_what_it_cannot_take() -> None:
    with pytest.raises(InputError, match="conv_aggr: is 'median'"):
        DyGrEncoder(4, 1, "median", 5, 1)
    layer = DyGrEncoder(4, 1, "add", 5, 1).double()
    with pytest.raises(InputError, match="X: has 6 features"):
        layer(signal(N, 6), GRAPH)
    with pytest.raises(InputError, match="only one of them is given"):
        layer(signal(N, 2), GRAPH, signal(N, 5))
    with pytest.raises(InputError, match="x: has no entries"):
        layer.unroll(signal(0, N, 2), GRAPH)
    with pytest.raises(InputError, match=r"H: has shape \(11, 4\)"):
        layer(signal(N, 2), GRAPH, signal(N, 4), signal(N, 5))


@pytest.mark.parametrize("layers, aggr", [(1, "mean"), (2, "mean"), (1, "max")])
def test_dygrencoder_follows_an_input_of_another_type_than_its_parameters(layers: int, aggr: str) -> None:
    encoder, x = DyGrEncoder(4, 2, aggr, 5, layers), signal(N, 3).bfloat16()
    assert {part.dtype for part in encoder(x, GRAPH)} == {torch.bfloat16}


def test_relations_given_as_a_list_of_edge_tensors_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, x = LRGCN(2, 4, 2, 3).double(), signal(N, 2)
    lists = [EDGES.index[:, kind == TYPES] for kind in range(2)]
    h, _ = cell(x, lists)
    torch.testing.assert_close(h, cell(x, EDGES.index, TYPES)[0], rtol=0, atol=1e-14)
    monkeypatch.setattr(Graph, "__init__", None)
    assert torch.equal(cell(x, lists)[0], h)
