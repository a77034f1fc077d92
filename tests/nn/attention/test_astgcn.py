"""Facts about ASTGCN. Its attentions equal those of PyTorch Geometric Temporal (PGT); its graph convolution has a dense
reference here, for PGT's departs from the paper.
"""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.graph import Normalization
from stgnn.nn.attention import ASTGCN, ASTGCNBlock, ChebConvAttention, SpatialAttention, TemporalAttention
from tests.nn.attention.parity import assert_same, both_precisions, close, draw, needs_pgt, pgt
from tests.nn.dense import directed_edges

EDGES = directed_edges()
GRAPH, N = EDGES.graph, EDGES.num_nodes


def signal(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def laplacian(adjacency: Tensor, normalization: Normalization, lambda_max: float | Tensor | None) -> Tensor:
    """The scaled Laplacian [i, j] of edges i -> j."""
    adjacency = adjacency - torch.diag(adjacency.diagonal())
    degree, eye = adjacency.sum(1), torch.eye(len(adjacency), dtype=adjacency.dtype)
    inverse = torch.where(degree > 0, 1 / degree, 0)
    if normalization == "sym":
        matrix = eye - inverse.sqrt()[:, None] * adjacency * inverse.sqrt()
    else:
        matrix = eye - inverse[:, None] * adjacency if normalization else torch.diag(degree) - adjacency
    if lambda_max is None:
        values = torch.linalg.eigvals(matrix)
        lambda_max = 2.0 if normalization == "sym" else values[values.abs().argmax()].real
    scale = torch.as_tensor(lambda_max, dtype=adjacency.dtype).expand(len(degree))
    return 2 * matrix / scale[:, None] - eye


def attended_convolution(
    conv: ChebConvAttention, x_BNF: Tensor, matrix: Tensor, attention_BNN: Tensor
) -> Tensor:
    terms = [torch.eye(len(matrix), dtype=matrix.dtype), matrix]
    while len(terms) < len(conv._weight):
        terms.append(2 * matrix @ terms[-1] - terms[-2])
    out = torch.zeros((), dtype=x_BNF.dtype) if conv._bias is None else conv._bias
    for term, weight in zip(terms, conv._weight, strict=False):
        out = out + torch.einsum("ij,bij,bif,fc->bjc", term.to(x_BNF), attention_BNN, x_BNF, weight)
    return out


def dense_astgcn(
    model: ASTGCN, x: Tensor, adjacencies: Sequence[Tensor], normalization: Normalization
) -> Tensor:
    for i, module in enumerate(model._blocklist):
        block: Any = module
        mixture = block._temporal_attention(x)
        attention = block._spatial_attention(torch.einsum("bnft,bts->bnfs", x, mixture))
        each = adjacencies if len(adjacencies) > 1 else list(adjacencies) * x.shape[3]
        each = each[:: model.time_strides] if i and len(adjacencies) > 1 else each
        mixed = torch.stack(
            [
                attended_convolution(
                    block._chebconv_attention, x[..., t], laplacian(a, normalization, None), attention
                )
                for t, a in enumerate(each)
            ],
            dim=3,
        ).relu()
        time = block._time_convolution(mixed.permute(0, 2, 1, 3))
        both = (time + block._residual_convolution(x.permute(0, 2, 1, 3))).relu()
        x = block._layer_norm(both.permute(0, 3, 2, 1)).permute(0, 2, 3, 1)
    return model._final_conv(x.permute(0, 3, 1, 2))[..., -1].permute(0, 2, 1)


@needs_pgt
@both_precisions
@pytest.mark.parametrize("name", ["SpatialAttention", "TemporalAttention"])
def test_attentions_equal_pgts(name: str, dtype: torch.dtype) -> None:
    ours: Any = {"SpatialAttention": SpatialAttention, "TemporalAttention": TemporalAttention}[name]
    theirs = getattr(pgt("astgcn"), name)(3, N, 6)
    x = signal(2, N, 3, 6, dtype=dtype)
    assert_same(ours(3, N, 6), theirs, lambda layer, x: layer(x), lambda layer, x: layer(x), x)


def test_spatial_attention_of_mixed_entries_never_makes_them() -> None:
    layer = SpatialAttention(3, N, 6).double()
    x, mixture = signal(2, N, 3, 6), signal(2, 6, 6)
    mixed = torch.einsum("bnft,bts->bnfs", x, mixture)
    close(layer.of_mixed(x.transpose(2, 3), mixture), layer(mixed), 1e-12)


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("K, bias, lambda_max", [(1, True, None), (2, False, 3.0), (4, True, None)])
def test_a_graph_convolution_is_that_of_the_paper(
    normalization: Normalization, K: int, bias: bool, lambda_max: float | None
) -> None:
    conv = ChebConvAttention(3, 5, K, normalization, bias).double()
    x, attention = signal(2, N, 3).requires_grad_(), signal(2, N, N).requires_grad_()
    found = conv(x, EDGES.index, attention, EDGES.weight, lambda_max=lambda_max)
    matrix = laplacian(EDGES.adjacency, normalization, lambda_max)
    expected = attended_convolution(conv, x, matrix, attention)
    close(found, expected, 1e-10)
    wanted = [x, attention, *conv.parameters()]
    truths = torch.autograd.grad(expected.square().sum(), wanted)
    for gradient, truth in zip(torch.autograd.grad(found.square().sum(), wanted), truths, strict=True):
        close(gradient, truth, 1e-9)


@needs_pgt
@both_precisions
def test_one_term_equals_pgts(dtype: torch.dtype) -> None:
    ours, theirs = ChebConvAttention(3, 5, 1, "sym"), pgt("astgcn").ChebConvAttention(3, 5, 1, "sym")
    attention = signal(2, N, N, dtype=dtype)
    run = lambda layer, x: layer(x, EDGES.index, attention)  # noqa: E731
    assert_same(ours, theirs, run, run, signal(2, N, 3, dtype=dtype))


def test_each_of_several_graphs_has_its_own_largest_eigenvalue() -> None:
    index, weight = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]]), signal(4, seed=2).abs()
    conv, x, attention = ChebConvAttention(3, 5, 3, "sym").double(), signal(2, 4, 3), signal(2, 4, 4)
    batch, lambda_max = torch.tensor([0, 0, 1, 1]), torch.tensor([2.0, 3.0])
    found = conv(x, index, attention, weight, batch, lambda_max)
    for half, scale in ((slice(0, 2), 2.0), (slice(2, 4), 3.0)):
        alone = conv(
            x[:, half], torch.tensor([[0, 1], [1, 0]]), attention[:, half, half], weight[half], None, scale
        )
        close(found[:, half], alone, 1e-12)
    with pytest.raises(InputError, match="say for each of 4 graph nodes"):
        conv(x, index, attention, weight, None, lambda_max)


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("strides, bias", [(1, True), (2, False)])
def test_a_network_is_its_equations(normalization: Normalization, strides: int, bias: bool) -> None:
    model = ASTGCN(2, 2, 3, 4, 5, strides, 3, 8, N, normalization, bias).double()
    draw(model)
    x = signal(2, N, 2, 8).requires_grad_()
    found, expected = model(x, GRAPH), dense_astgcn(model, x, [EDGES.adjacency], normalization)
    close(found, expected, 1e-10)
    wanted = [x, *model.parameters()]
    truths = torch.autograd.grad(expected.square().sum(), wanted)
    for gradient, truth in zip(torch.autograd.grad(found.square().sum(), wanted), truths, strict=True):
        close(gradient, truth, 1e-8)


@pytest.mark.parametrize("strides", [1, 2])
def test_each_entry_may_have_its_own_graph(strides: int) -> None:
    model = ASTGCN(2, 2, 3, 4, 5, strides, 3, 4, N).double()
    edges = [directed_edges(seed=seed) for seed in range(4)]
    x = signal(2, N, 2, 4)
    found = model(x, [one.index for one in edges], [one.weight for one in edges])
    close(found, dense_astgcn(model, x, [one.adjacency for one in edges], None), 1e-10)
    close(model(x, [one.graph for one in edges]), found, 1e-12)
    with pytest.raises(InputError, match="3 graphs and 3 weights for 4 entries"):
        model(x, [one.graph for one in edges[:3]])


@needs_pgt
def test_pgts_checkpoints_load() -> None:
    settings = (2, 2, 3, 4, 5, 1, 3, 6, N, "sym")
    ASTGCN(*settings).load_state_dict(pgt("astgcn").ASTGCN(*settings).state_dict())
    block = (2, 3, 4, 5, 1, N, 6)
    ASTGCNBlock(*block).load_state_dict(pgt("astgcn").ASTGCNBlock(*block).state_dict())


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=rf"floating point \[samples, {N}, 2, entries\]"):
        ASTGCN(1, 2, 3, 4, 5, 1, 3, 6, N)(signal(2, N, 3, 6), GRAPH)
    with pytest.raises(InputError, match="which 4 does not divide"):
        ASTGCN(1, 2, 3, 4, 5, 4, 3, 6, N)
    with pytest.raises(InputError, match=r"has no option \{'aggr': 'max'\}"):
        ChebConvAttention(3, 5, 2, "sym", aggr="max")
    assert ChebConvAttention(3, 5, 2, "sym", aggr="add").normalization == "sym"
    with pytest.raises(InputError, match="spatial_attention: is missing"):
        ChebConvAttention(3, 5, 2)(signal(2, N, 3), GRAPH)
