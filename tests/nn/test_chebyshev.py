"""Facts about Chebyshev filters: the recursion, and errors that do not grow with the number of taps."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.nn.attention.chebyshev import ChebyshevConvolution
from stgnn.nn.chebyshev import ChebyshevFilter, joint_bias, joint_kernel, laplacian
from stgnn.nn.recurrent import GCLSTM, GConvGRU, GConvLSTM
from stgnn.nn.recurrent.basis import Diffusion
from tests.nn.dense import Edges, directed_edges
from tests.nn.parity import signal, twins
from tests.nn.properties import tensors
from tests.pgt_oracle import has_pgt, load_pgt


def undirected(num_nodes: int) -> Edges:
    """A weighted graph without duplicate edges, symmetric."""
    adjacency = directed_edges(num_nodes).adjacency
    adjacency = adjacency + adjacency.t()
    index = adjacency.nonzero().t()
    return Edges(index, adjacency[index[0], index[1]], num_nodes)


EDGES = directed_edges()
PLAIN = undirected(60)  # the eigenvalues of its Laplacian lie in [-1, 1], so that T_k does not grow
needs_pgt = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")
# Factors of products in bfloat16, or all in float32; in either a filter of powers has lost its digits by then.
PRECISIONS = pytest.mark.parametrize("reduced", [False, True], ids=["float32", "bfloat16"])
TAPS = pytest.mark.parametrize("taps", [9, 12])


@pytest.mark.parametrize("taps", [1, 2, 3, 6])
def test_terms_are_those_of_the_recursion_and_gather_is_the_adjoint(taps: int) -> None:
    operator = laplacian(EDGES.graph, "sym", None)
    diffusion = Diffusion((operator,), taps - 1, chebyshev=True)
    x = signal(2, EDGES.num_nodes, 5)
    terms = operator.chebyshev(taps, x.device, x.dtype) @ x.unsqueeze(1)
    columns = torch.cat([x, *[torch.full_like(x, float("nan"))] * (taps - 1)], dim=2)
    diffusion.spread(columns)
    torch.testing.assert_close(torch.stack(columns.chunk(taps, 2), 1), terms, rtol=0, atol=1e-12)
    probe = signal(*columns.shape, seed=2)
    expected = (probe * columns).sum()
    torch.testing.assert_close((diffusion.gather(probe) * x).sum(), expected, rtol=1e-12, atol=0)


def run(layer: Any, edges: tuple[Any, ...], given: list[Tensor], reduced: bool = False) -> list[list[Tensor]]:
    """Results, and the gradients of parameters in the order of their names."""
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        result = tensors(layer(given[0], *edges, *given[1:]))
    sum(tensor.square().sum() for tensor in result).backward()  # type: ignore[union-attr]
    gradients = [parameter.grad.clone() for _, parameter in sorted(layer.named_parameters())]
    return [[tensor.detach() for tensor in result], gradients]


def errors(
    layer: Any, edges: tuple[Any, ...], given: list[Tensor], truth: list[list[Tensor]], reduced: bool
) -> list[float]:
    """The largest error of results and that of gradients, each as a share of the largest entry of all."""
    found = run(layer.float(), edges, [tensor.float() for tensor in given], reduced)
    kinds = [
        [torch.cat([tensor.double().flatten() for tensor in kind]) for kind in every]
        for every in (found, truth)
    ]
    return [((one - exact).abs().max() / exact.abs().max()).item() for one, exact in zip(*kinds, strict=True)]


def as_exact(found: list[float], theirs: list[float]) -> bool:
    return all(error < 5 * other for error, other in zip(found, theirs, strict=True))


@needs_pgt
@pytest.mark.parametrize("cell", [GConvGRU, GConvLSTM, GCLSTM])
@TAPS
@PRECISIONS
def test_cells_of_many_taps_are_as_exact_as_pgts(cell: Any, taps: int, reduced: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = cell(8, 16, taps).double(), getattr(load_pgt(), cell.__name__)(8, 16, taps).double()
    theirs.load_state_dict(ours.state_dict())
    states = [signal(PLAIN.num_nodes, 16, seed=2), signal(PLAIN.num_nodes, 16, seed=3)]
    given = [signal(PLAIN.num_nodes, 8), *states[: 1 if cell is GConvGRU else 2]]
    truth = run(theirs, (PLAIN.index, PLAIN.weight), given)
    edges = PLAIN.index, PLAIN.weight.float()
    found, of_theirs = (errors(layer, edges, given, truth, reduced) for layer in (ours, theirs))
    assert as_exact(found, of_theirs), (found, of_theirs)


@needs_pgt
@pytest.mark.parametrize("sizes", [(8, 8), (4, 8)], ids=["Clenshaw", "columns"])
@TAPS
@PRECISIONS
def test_convolutions_of_many_taps_are_as_exact_as_pygs(
    sizes: tuple[int, int], taps: int, reduced: bool
) -> None:
    from torch_geometric.nn import ChebConv

    ours, theirs = ChebyshevConvolution(*sizes, taps), ChebConv(*sizes, taps)
    twins(theirs, ours)
    x, operator = signal(3, PLAIN.num_nodes, 1, sizes[0]), laplacian(PLAIN.graph, "sym", None)
    truth = run(theirs, (PLAIN.index, PLAIN.weight), [x.squeeze(2)])
    of_theirs = errors(theirs, (PLAIN.index, PLAIN.weight.float()), [x.squeeze(2)], truth, reduced)
    found = errors(ours, (operator,), [x], truth, reduced)
    assert as_exact(found, of_theirs), (found, of_theirs)


def test_filters_lie_side_by_side() -> None:
    filters = [ChebyshevFilter(2, 3, 4), ChebyshevFilter(2, 5, 4)]
    kernel, bias = joint_kernel(filters), joint_bias(filters)
    assert kernel.shape == (4, 2, 8) and bias is not None and bias.shape == (8,)
    torch.testing.assert_close(kernel[2, :, 3:], filters[1].weights()[2].t())
    assert joint_bias([ChebyshevFilter(2, 3, 4, bias=False)]) is None


def test_the_largest_eigenvalue_is_one_positive_number() -> None:
    graph = EDGES.graph
    assert laplacian(graph, "rw", torch.tensor([2.5])) is laplacian(graph, "rw", 2.5)
    with pytest.raises(InputError, match=r"lambda_max: is 0\.0"):
        laplacian(graph, "rw", 0.0)
