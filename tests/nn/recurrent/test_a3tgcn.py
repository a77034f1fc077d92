"""Facts about A3T-GCN: a recurrence, then attention that depends on the data."""

import copy
import pickle

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.nn.recurrent.a3tgcn import A3TGCN
from tests.nn.dense import directed_edges, gcn_matrix, tgcn

EDGES = directed_edges(isolated=True)
GRAPH, N = EDGES.graph, EDGES.num_nodes


def layer_of(periods: int = 4) -> A3TGCN:
    torch.manual_seed(0)
    return A3TGCN(2, 5, periods).double()


def signal(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(shape, dtype=torch.float64)


def reference(layer: A3TGCN, x_BNFP: Tensor, h: Tensor | None = None) -> Tensor:
    states_BPNC = tgcn(layer.tgcn, x_BNFP.permute(0, 3, 1, 2), gcn_matrix(EDGES.adjacency), h)
    first, second = layer.score[0], layer.score[2]
    scores = torch.tanh(states_BPNC @ first.weight.t() + first.bias) @ second.weight.t() + second.bias
    shares = scores.exp() / scores.exp().sum(1, keepdim=True)
    return (shares * states_BPNC).sum(1)


def test_the_layer_is_attention_over_recurrent_states_with_its_gradients() -> None:
    layer, x, h = layer_of(), signal(3, N, 2, 4).requires_grad_(), signal(3, N, 5).requires_grad_()
    found, expected = layer(x, GRAPH, h), reference(layer, x, h)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(layer(x, GRAPH), reference(layer, x), rtol=0, atol=1e-12)
    wanted = [x, h, *layer.parameters()]
    truths = torch.autograd.grad(expected.square().sum(), wanted)
    for gradient, truth in zip(torch.autograd.grad(found.square().sum(), wanted), truths, strict=True):
        torch.testing.assert_close(gradient, truth, rtol=1e-9, atol=1e-11)


def test_the_order_of_periods_matters() -> None:
    layer, x = layer_of(), signal(3, N, 2, 4)
    assert (layer(x, GRAPH) - layer(x.flip(-1), GRAPH)).abs().max() > 1e-3


def test_attention_depends_on_the_data() -> None:
    layer, x = layer_of(), signal(2, N, 2, 4)
    states, _ = layer.tgcn.unroll(x.movedim(-1, -3), GRAPH)
    shares = layer.score(states).softmax(-3)
    assert (shares[0] - shares[1]).abs().max() > 1e-3


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_any_leading_dimensions_are_batch_dimensions(lead: tuple[int, ...]) -> None:
    layer, x = layer_of(), signal(*lead, N, 2, 4)
    y = layer(x, EDGES.index, EDGES.weight)
    assert y.shape == (*lead, N, 5)
    torch.testing.assert_close(y.reshape(-1, N, 5), layer(x.reshape(-1, N, 2, 4), GRAPH), rtol=0, atol=1e-13)


def test_copies_compute_the_same() -> None:
    layer, x = layer_of(), signal(2, N, 2, 4)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin(x, GRAPH), layer(x, GRAPH), rtol=0, atol=0)


def test_another_number_of_periods_is_refused() -> None:
    with pytest.raises(InputError, match="periods"):
        layer_of(4)(signal(2, N, 2, 3), GRAPH)
