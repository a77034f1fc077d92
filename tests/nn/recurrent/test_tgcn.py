"""Facts about the T-GCN cell; PyTorch Geometric Temporal's is right, so it is the oracle where installed."""

import copy
import pickle

import pytest
import torch
from torch import Tensor

from stgnn.nn.recurrent.tgcn import TGCN, TGCN2
from tests.nn.dense import directed_edges, gcn_matrix, tgcn
from tests.pgt_oracle import has_pgt, load_pgt

EDGES = directed_edges(isolated=True)
GRAPH, N = EDGES.graph, EDGES.num_nodes


def signal(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("channels", [2, 16])
@pytest.mark.parametrize("improved, add_self_loops", [(False, True), (True, True), (False, False)])
def test_a_cell_unrolls_its_equations_with_their_gradients(
    channels: int, improved: bool, add_self_loops: bool
) -> None:
    cell = TGCN(3, channels, improved, add_self_loops=add_self_loops).double()
    x, h = signal(5, 4, N, 3).requires_grad_(), signal(5, N, channels).requires_grad_()
    states, last = cell.unroll(x, GRAPH, h)
    expected = tgcn(cell, x, gcn_matrix(EDGES.adjacency, improved, add_self_loops), h)
    torch.testing.assert_close(states, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(last, expected[:, -1], rtol=0, atol=1e-12)
    wanted = [x, h, *cell.parameters()]
    found = torch.autograd.grad(states.square().sum(), wanted)
    for gradient, truth in zip(found, torch.autograd.grad(expected.square().sum(), wanted), strict=True):
        torch.testing.assert_close(gradient, truth, rtol=1e-9, atol=1e-11)


@pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")
@pytest.mark.parametrize("improved, add_self_loops", [(False, True), (True, True), (False, False)])
def test_a_checkpoint_of_pgts_cell_loads_and_computes_the_same(improved: bool, add_self_loops: bool) -> None:
    adjacency = EDGES.adjacency  # PGT drops duplicate self loops: give it none
    index = adjacency.nonzero().t()
    weight = adjacency[index[0], index[1]]
    theirs = load_pgt().TGCN(3, 8, improved=improved, add_self_loops=add_self_loops).double()
    ours = TGCN(3, 8, improved=improved, add_self_loops=add_self_loops).double()
    ours.load_state_dict(theirs.state_dict())
    x, h = signal(N, 3), signal(N, 8)
    found, expected = ours(x, index, weight, h), theirs(x, index, weight, h)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    found.square().sum().backward(), expected.square().sum().backward()
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad, rtol=1e-10, atol=1e-10)


def test_the_layer_for_batches_takes_pgts_arguments_and_checkpoint() -> None:
    cell, twin = TGCN(3, 8).double(), TGCN2(3, 8, 5).double()
    twin.load_state_dict(cell.state_dict())
    x, h = signal(5, N, 3), signal(5, N, 8)
    alone = [cell(x_NF, GRAPH, h_NC) for x_NF, h_NC in zip(x, h, strict=True)]
    found = twin(x, EDGES.index, EDGES.weight, h)
    torch.testing.assert_close(found, torch.stack(alone), rtol=0, atol=1e-13)


def test_unrolling_is_stepping_and_a_state_carries_over() -> None:
    cell, x = TGCN(2, 5).double(), signal(3, 4, N, 2)
    states, _ = cell.unroll(x, GRAPH)
    h = None
    for t in range(4):
        h = cell(x[:, t], GRAPH, h)
        torch.testing.assert_close(states[:, t], h, rtol=0, atol=1e-13)
    _, carried = cell.unroll(x[:, :3], GRAPH)
    torch.testing.assert_close(cell.unroll(x[:, 3:], GRAPH, carried)[1], states[:, -1], rtol=0, atol=1e-13)


def test_autocast_merges_weights_in_float32_and_stays_within_a_hundredth() -> None:
    torch.manual_seed(0)
    cell, x = TGCN(2, 32), signal(4, 12, N, 2).float()
    exact, _ = cell.unroll(x, GRAPH)
    with torch.autocast("cpu", torch.bfloat16):
        reduced, _ = cell.unroll(x, GRAPH)
    assert reduced.dtype == torch.float32 and not torch.equal(reduced, exact)
    torch.testing.assert_close(reduced, exact, rtol=0, atol=0.01)


def test_copies_compute_the_same() -> None:
    cell, x = TGCN(2, 5).double(), signal(3, 4, N, 2)
    expected, _ = cell.unroll(x, GRAPH)
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        torch.testing.assert_close(twin.unroll(x, GRAPH)[0], expected, rtol=0, atol=0)
