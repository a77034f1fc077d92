"""Facts about the diffusion convolution and the DCRNN cell."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph import operators
from stgnn.graph.graph import Graph
from stgnn.nn.recurrent.dcrnn import DCRNN, DConv
from stgnn.raw.network_files import read_adjacency
from tests.nn.dense import Edges, dcrnn, diffusion_convolution, directed_edges, random_walks

EDGES = directed_edges(isolated=True)
GRAPH, WALKS = EDGES.graph, random_walks(EDGES.adjacency)
N = EDGES.num_nodes


def cell_of(inputs: int = 2, outputs: int = 4, terms: int = 3, bias: bool = True) -> DCRNN:
    torch.manual_seed(0)
    return DCRNN(inputs, outputs, terms, bias).double()


def signal(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(shape, dtype=torch.float64)


def gradients(loss: Tensor, module: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(module.parameters())))


@pytest.mark.parametrize("terms", [1, 2, 3, 5])
@pytest.mark.parametrize("bias", [True, False])
def test_diffusion_convolution_sums_powers_of_both_weighted_walks(terms: int, bias: bool) -> None:
    layer = DConv(3, 5, terms, bias).double()
    x = signal(2, 4, N, 3).requires_grad_()
    y, expected = layer(x, GRAPH), diffusion_convolution(x, layer.weight, layer.bias, WALKS)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    wanted = [x, *layer.parameters()]
    for found, truth in zip(
        torch.autograd.grad(y.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("terms, bias", [(1, True), (2, False), (3, True), (4, True)])
@pytest.mark.parametrize("channels", [1, 4, 12])
@pytest.mark.parametrize("batch", [1, 7, 37])
def test_a_cell_unrolls_the_papers_equations_with_their_gradients(
    terms: int, bias: bool, channels: int, batch: int
) -> None:
    cell, x = cell_of(2, channels, terms, bias), signal(batch, 3, N, 2)
    states, last = cell.unroll(x, GRAPH)
    expected = dcrnn(cell, x, EDGES.adjacency)
    torch.testing.assert_close(states, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(last, expected[:, -1], rtol=0, atol=1e-12)
    probe = torch.randn_like(states)
    for found, truth in zip(
        gradients((states * probe).sum(), cell), gradients((expected * probe).sum(), cell), strict=True
    ):
        torch.testing.assert_close(found, truth, rtol=1e-9, atol=1e-10)


def test_states_on_metr_las_graph_are_the_papers(shared_data: Path) -> None:
    network = read_adjacency(shared_data / "metr-la" / "adj_mx.pkl", None, {})
    index, weight = torch.from_numpy(network.edge_index), torch.from_numpy(network.edge_weight)
    edges = Edges(index, weight, network.num_nodes)
    cell, x = cell_of(2, 16), signal(2, 3, network.num_nodes, 2)
    torch.testing.assert_close(
        cell.unroll(x, edges.graph)[0], dcrnn(cell, x, edges.adjacency), rtol=0, atol=1e-12
    )


def test_gradients_reach_input_and_first_state() -> None:
    cell, x, h = cell_of(), signal(2, 3, N, 2).requires_grad_(), signal(2, N, 4).requires_grad_()
    found = torch.autograd.grad(cell.unroll(x, GRAPH, h)[0].square().sum(), [x, h])
    expected = torch.autograd.grad(dcrnn(cell, x, EDGES.adjacency, h).square().sum(), [x, h])
    for gradient, truth in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, truth, rtol=1e-9, atol=1e-11)


def test_unrolling_is_stepping() -> None:
    cell, x = cell_of(), signal(5, 4, N, 2)
    states, last = cell.unroll(x, GRAPH)
    h = None
    for t in range(4):
        h = cell(x[:, t], GRAPH, h)
        torch.testing.assert_close(states[:, t], h, rtol=0, atol=1e-13)
    torch.testing.assert_close(last, h, rtol=0, atol=1e-13)


def test_a_carried_state_continues_a_sequence_with_its_gradient() -> None:
    cell, x = cell_of(), signal(3, 6, N, 2)
    whole, _ = cell.unroll(x, GRAPH)
    first, carried = cell.unroll(x[:, :2], GRAPH)
    second, _ = cell.unroll(x[:, 2:], GRAPH, carried)
    halves = torch.cat([first, second], 1)
    torch.testing.assert_close(halves, whole, rtol=0, atol=1e-13)
    for found, truth in zip(
        gradients(halves.square().sum(), cell), gradients(whole.square().sum(), cell), strict=True
    ):
        torch.testing.assert_close(found, truth, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (2, 1, 3)])
def test_any_leading_dimensions_are_batch_dimensions(lead: tuple[int, ...]) -> None:
    cell, x, h = cell_of(), signal(*lead, 3, N, 2), signal(*lead, N, 4)
    states, last = cell.unroll(x, GRAPH, h)
    flat, flat_last = cell.unroll(x.reshape(-1, 3, N, 2), GRAPH, h.reshape(-1, N, 4))
    assert states.shape == (*lead, 3, N, 4) and last.shape == (*lead, N, 4)
    torch.testing.assert_close(states.reshape(flat.shape), flat, rtol=0, atol=1e-13)
    torch.testing.assert_close(cell(x[..., 0, :, :], GRAPH, h), states[..., 0, :, :], rtol=0, atol=1e-13)
    torch.testing.assert_close(last.reshape(flat_last.shape), flat_last, rtol=0, atol=1e-13)


def test_samples_do_not_depend_on_their_batch() -> None:
    cell, x = cell_of(), signal(9, 3, N, 2)
    order = torch.randperm(9)
    together, _ = cell.unroll(x, GRAPH)
    torch.testing.assert_close(cell.unroll(x[order], GRAPH)[0], together[order], rtol=0, atol=1e-13)
    torch.testing.assert_close(cell.unroll(x[4:5], GRAPH)[0], together[4:5], rtol=0, atol=1e-13)


def test_relabelled_nodes_and_reordered_edges_relabel_the_states() -> None:
    cell, x, label = cell_of(), signal(2, 3, N, 2), torch.randperm(N)
    shuffle = torch.randperm(EDGES.index.shape[1])
    graph = Graph(label[EDGES.index[:, shuffle]], EDGES.weight[shuffle], N)
    moved = torch.empty_like(x).index_copy_(2, label, x)
    states, _ = cell.unroll(moved, graph)
    torch.testing.assert_close(states[:, :, label], cell.unroll(x, GRAPH)[0], rtol=0, atol=1e-13)


def test_the_states_of_isolated_nodes_are_finite() -> None:
    graph = Graph(torch.tensor([[0], [1]]), torch.ones(1), N)
    states, _ = cell_of().unroll(signal(2, 3, N, 2), graph)
    assert states.isfinite().all()


def test_edge_tensors_may_be_passed_as_to_pgts_cell() -> None:
    cell, layer, x, h = cell_of(), DConv(2, 4, 3).double(), signal(2, N, 2), signal(2, N, 4)
    index, weight = EDGES.index, EDGES.weight
    expected = cell(x, GRAPH, h)
    torch.testing.assert_close(cell(x, index, weight, h), expected, rtol=0, atol=0)
    torch.testing.assert_close(cell(x, edge_index=index, edge_weight=weight, H=h), expected, rtol=0, atol=0)
    torch.testing.assert_close(cell(x, GRAPH, H=h), expected, rtol=0, atol=0)
    torch.testing.assert_close(layer(x, index, weight), layer(x, GRAPH), rtol=0, atol=0)
    assert not torch.equal(cell(x, index, None, h), expected)


@pytest.mark.parametrize("given", [torch.float64, torch.float32, torch.bfloat16])
def test_states_have_the_type_of_the_input(given: torch.dtype) -> None:
    cell, x = cell_of(), signal(3, 4, N, 2)
    expected = dcrnn(cell, x, EDGES.adjacency)
    states, last = cell.to(given).unroll(x.to(given), GRAPH)
    assert states.dtype == last.dtype == given
    error = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.03}[given]
    torch.testing.assert_close(states.double(), expected, rtol=0, atol=error)


def test_autocast_keeps_states_in_float32_within_a_hundredth() -> None:
    cell, x = cell_of(2, 64).float(), signal(4, 12, N, 2).float()
    exact, _ = cell.unroll(x, GRAPH)
    with torch.autocast("cpu", torch.bfloat16):
        reduced, _ = cell.unroll(x, GRAPH)
        loss = reduced.square().mean()
        loss.backward()
    assert reduced.dtype == torch.float32 and not torch.equal(reduced, exact)
    torch.testing.assert_close(reduced, exact, rtol=0, atol=0.01)
    for parameter, truth in zip(cell.parameters(), gradients(exact.square().mean(), cell), strict=True):
        assert parameter.grad is not None and parameter.grad.dtype == torch.float32
        assert (parameter.grad - truth).norm() < 0.02 * truth.norm()
        assert not torch.equal(parameter.grad, parameter.grad.bfloat16().float())  # summed in float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("dense_up_to", [0, 1_000])
@pytest.mark.parametrize("channels", [2, 64])
def test_a_gpu_computes_what_the_cpu_does(
    dense_up_to: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "DENSE_NODES_ON_GPU", dense_up_to)
    edges = directed_edges(isolated=True)
    cell, x = cell_of(2, channels), signal(5, 4, N, 2)
    expected, _ = cell.unroll(x, edges.graph)
    truths = gradients(expected.square().sum(), cell)
    states, _ = cell.cuda().unroll(x.cuda(), edges.graph)
    torch.testing.assert_close(states.cpu(), expected, rtol=0, atol=1e-12)
    for found, truth in zip(gradients(states.square().sum(), cell), truths, strict=True):
        torch.testing.assert_close(found.cpu(), truth, rtol=1e-9, atol=1e-10)
    with torch.autocast("cuda", torch.bfloat16):
        reduced, _ = cell.float().unroll(x.float().cuda(), edges.graph)
    torch.testing.assert_close(reduced.cpu().double(), expected, rtol=0, atol=0.02)


def test_the_state_dict_is_complete_and_copies_compute_the_same() -> None:
    cell, x = cell_of(), signal(2, 3, N, 2)
    expected, _ = cell.unroll(x, GRAPH)
    cell(x[:, 0], EDGES.index, EDGES.weight)
    loaded = DCRNN(2, 4, 3).double()
    loaded.load_state_dict(cell.state_dict())
    for twin in (loaded, copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        torch.testing.assert_close(twin.unroll(x, GRAPH)[0], expected, rtol=0, atol=0)


def test_initial_values_are_the_authors() -> None:
    torch.manual_seed(0)
    cell = DCRNN(2, 64, 3)
    assert cell.gates.bias is not None and cell.gates.bias.eq(1).all()
    assert cell.candidate.bias is not None and cell.candidate.bias.eq(0).all()
    bound = (6 / (5 * 66 + 128)) ** 0.5
    assert 0.99 * bound < cell.gates.weight.abs().max() <= bound


def test_the_papers_network_has_its_published_number_of_parameters() -> None:
    layers = [DCRNN(2, 64, 3), DCRNN(64, 64, 3), DCRNN(1, 64, 3), DCRNN(64, 64, 3), nn.Linear(64, 1)]
    assert sum(parameter.numel() for layer in layers for parameter in layer.parameters()) == 372_353


def test_a_cell_used_twice_under_ddp_sums_both_gradients() -> None:
    cell, x = cell_of(), signal(2, 4, N, 2)

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell

        def forward(self, x: Tensor) -> Tensor:
            _, carried = self.cell.unroll(x[:, :2], GRAPH)
            states: Tensor = self.cell.unroll(x[:, 2:], GRAPH, carried)[0]
            return states

    expected = gradients(dcrnn(cell, x, EDGES.adjacency)[:, 2:].square().sum(), cell)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        nn.parallel.DistributedDataParallel(Twice())(x).square().sum().backward()
    finally:
        dist.destroy_process_group()
    for parameter, truth in zip(cell.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, truth, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "x, h, message",
    [
        ((2, N, 3), None, r"X: .*\(2, 11, 3\).*2 channels"),
        ((2, N + 1, 2), None, "has 11 graph nodes, the input 12"),
        ((2, N, 2), (2, N, 3), r"H: has shape \(2, 11, 3\), expected \(2, 11, 4\)"),
        ((N,), None, "X: "),
    ],
)
def test_shapes_that_do_not_fit_are_refused_by_name(
    x: tuple[int, ...], h: tuple[int, ...] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        cell_of()(signal(*x), GRAPH, None if h is None else signal(*h))


def test_sizes_that_make_no_layer_are_refused() -> None:
    for arguments in ((2, 4, 0), (0, 4, 3), (2, 0, 3)):
        with pytest.raises(InputError, match="at least 1"):
            DCRNN(*arguments)
    with pytest.raises(InputError, match="no entries"):
        cell_of().unroll(signal(2, 0, N, 2), GRAPH)
