"""Facts about the two ways to pass a graph."""

import copy
import pickle

import pytest
import torch

from stgnn.errors import InputError
from stgnn.nn.arguments import GraphArguments
from tests.nn.dense import directed_edges

EDGES = directed_edges()


def test_the_same_edge_tensors_give_the_same_graph() -> None:
    arguments = GraphArguments()
    first = arguments.graph(EDGES.index, EDGES.weight, EDGES.num_nodes)
    assert arguments.graph(EDGES.index, EDGES.weight, EDGES.num_nodes) is first


def test_edges_changed_in_place_or_replaced_give_a_new_graph() -> None:
    arguments, weight = GraphArguments(), EDGES.weight.clone()
    first = arguments.graph(EDGES.index, weight, EDGES.num_nodes)
    weight.mul_(2)
    doubled = arguments.graph(EDGES.index, weight, EDGES.num_nodes)
    assert doubled is not first
    torch.testing.assert_close(doubled.edge_weight, 2 * first.edge_weight)
    assert arguments.graph(EDGES.index.clone(), weight, EDGES.num_nodes) is not doubled
    assert arguments.graph(EDGES.index, None, EDGES.num_nodes).edge_weight.eq(1).all()
    assert arguments.graph(EDGES.index, weight, EDGES.num_nodes + 1).num_nodes == EDGES.num_nodes + 1


def test_inference_tensors_which_count_no_versions_are_read_every_time() -> None:
    arguments = GraphArguments()
    with torch.inference_mode():
        weight = EDGES.weight.clone()
        first = arguments.graph(EDGES.index, weight, EDGES.num_nodes)
        weight.mul_(2)
        assert arguments.graph(EDGES.index, weight, EDGES.num_nodes) is not first


def test_what_is_remembered_is_not_copied() -> None:
    arguments = GraphArguments()
    arguments.graph(EDGES.index, EDGES.weight, EDGES.num_nodes)
    for twin in (copy.deepcopy(arguments), pickle.loads(pickle.dumps(arguments))):
        assert twin._kept is None


def test_a_missing_graph_and_one_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="graph: is missing"):
        GraphArguments().graph(None, None, 3)
    with pytest.raises(InputError, match="has 11 graph nodes, the input 3"):
        GraphArguments().graph(EDGES.graph, None, 3)


def test_relations_are_one_graph_each_and_remembered() -> None:
    arguments, types = GraphArguments(), (EDGES.weight > 0.5).long()
    light, heavy = arguments.relations(EDGES.index, types, EDGES.num_nodes, 2)
    assert light.edge_index.equal(EDGES.index[:, types == 0]) and heavy.edge_weight.eq(1).all()
    assert arguments.relations(EDGES.index, types, EDGES.num_nodes, 2)[0] is light
    assert len(arguments.relations(EDGES.index, types, EDGES.num_nodes, 3)) == 3
    types.zero_()
    assert arguments.relations(EDGES.index, types, EDGES.num_nodes, 2)[0].edge_index.equal(EDGES.index)


def test_neighbours_are_summed_or_averaged_by_their_number() -> None:
    total, mean = (torch.from_numpy(EDGES.graph.neighbours(way).to_dense()) for way in (False, True))
    count = torch.bincount(EDGES.index[1], minlength=EDGES.num_nodes).double()
    torch.testing.assert_close(total, EDGES.adjacency.t())
    torch.testing.assert_close(mean * count[:, None], total)
