"""Facts about STGCN's layers; PyTorch Geometric Temporal's values are the oracle."""

from itertools import product

import pytest
import torch

from stgnn.errors import InputError
from stgnn.nn.attention import STConv, TemporalConv
from stgnn.nn.attention.chebyshev import ChebyshevConvolution
from tests.nn.attention.parity import assert_same, both_precisions, close, needs_pgt, pgt
from tests.nn.dense import directed_edges

EDGES = directed_edges()
GRAPH, N = EDGES.graph, EDGES.num_nodes


def signal(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


@needs_pgt
@both_precisions
@pytest.mark.parametrize("features, kernel", [(1, 3), (2, 1), (17, 1), (17, 4)])
def test_a_temporal_convolution_equals_pgts(features: int, kernel: int, dtype: torch.dtype) -> None:
    ours, theirs = TemporalConv(features, 6, kernel), pgt("stgcn").TemporalConv(features, 6, kernel)
    x = signal(3, 7, N, features, dtype=dtype)
    assert_same(ours, theirs, lambda layer, x: layer(x), lambda layer, x: layer(x), x)


@needs_pgt
@both_precisions
@pytest.mark.parametrize(
    "hidden, K, normalization, bias",
    [(6, 1, "sym", True), (6, 3, "sym", False), (3, 4, "rw", True), (6, 2, None, True)],
)
def test_a_block_equals_pgts(hidden: int, K: int, normalization: str, bias: bool, dtype: torch.dtype) -> None:
    settings = (N, 2, hidden, 5, 3, K, normalization, bias)
    ours, theirs = STConv(*settings), pgt("stgcn").STConv(*settings)
    x, weight = signal(3, 8, N, 2, dtype=dtype), EDGES.weight.to(dtype)
    assert_same(
        ours, theirs, lambda layer, x: layer(x, GRAPH), lambda layer, x: layer(x, EDGES.index, weight), x
    )


@pytest.mark.parametrize("features, outputs", [(3, 5), (5, 3)])
@pytest.mark.parametrize("K", [1, 2, 5])
def test_a_chebyshev_convolution_is_its_recursion(features: int, outputs: int, K: int) -> None:
    conv = ChebyshevConvolution(features, outputs, K).double()
    x = signal(2, N, 4, features).requires_grad_()
    laplacian = GRAPH.scaled_laplacian("rw")
    matrix = torch.from_numpy(laplacian.to_dense())
    terms = [x, torch.einsum("ij,gjmf->gimf", matrix, x)]
    while len(terms) < K:
        terms.append(2 * torch.einsum("ij,gjmf->gimf", matrix, terms[-1]) - terms[-2])
    expected = sum((linear(term) for linear, term in zip(conv.lins, terms, strict=False)), start=conv.bias)
    found = conv(x, laplacian)
    close(found, expected, 1e-12)
    wanted = [x, *conv.parameters()]
    truths = torch.autograd.grad(expected.square().sum(), wanted)
    for gradient, truth in zip(torch.autograd.grad(found.square().sum(), wanted), truths, strict=True):
        close(gradient, truth, 1e-11)


@pytest.mark.parametrize("samples, extra, nodes, features", list(product((1, 3), (0, 2), (1, 5), (1, 16))))
def test_axes_of_length_one_get_right_gradients(samples: int, extra: int, nodes: int, features: int) -> None:
    """PyTorch's convolutions mistake the layout of such views in places (2.13)."""
    layer, x = TemporalConv(features, 6, 3), signal(samples, 3 + extra, nodes, features, dtype=torch.float32)
    x.requires_grad_()

    def convolution(conv: torch.nn.Conv2d) -> torch.Tensor:
        taps = [x[:, j : 1 + extra + j] @ conv.weight[:, :, 0, j].t() for j in range(3)]
        return sum(taps, start=conv.bias)  # type: ignore[arg-type,return-value]

    expected = (
        convolution(layer.conv_1) * convolution(layer.conv_2).sigmoid() + convolution(layer.conv_3)
    ).relu()
    found, factor = layer(x), torch.randn_like(expected)
    close(found, expected, 1e-5)
    wanted = [x, *layer.parameters()]
    truths = torch.autograd.grad((expected * factor).sum(), wanted)
    for gradient, truth in zip(torch.autograd.grad((found * factor).sum(), wanted), truths, strict=True):
        close(gradient, truth, 1e-4)


def test_windows_shorter_than_the_kernel_and_other_graph_nodes_are_refused() -> None:
    with pytest.raises(InputError, match="has 2 entries, the kernel 3"):
        TemporalConv(2, 4)(signal(1, 2, N, 2))
    with pytest.raises(InputError, match=rf"expected \[samples, entries, {N}, features\]"):
        STConv(N, 2, 4, 4, 3, 2)(signal(1, 9, N + 1, 2), GRAPH)
