"""Facts about AAGCN; PyTorch Geometric Temporal's values are the oracle."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.nn.attention import AAGCN, GraphAAGCN
from stgnn.nn.attention.tsagcn import UnitTCN
from tests.nn.attention.parity import assert_same, both_precisions, close, needs_pgt, pgt
from tests.nn.dense import directed_edges

EDGES = directed_edges()
N = EDGES.num_nodes


def signal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


@needs_pgt
@both_precisions
@pytest.mark.parametrize(
    "channels, options",
    [
        ((3, 8), {}),
        ((8, 8), {}),
        ((8, 8), {"stride": 2}),
        ((3, 8), {"adaptive": False}),
        ((3, 8), {"attention": False, "residual": False}),
    ],
    ids=str,
)
@pytest.mark.parametrize("nodes, entries", [(11, 7), (12, 3)])
def test_a_layer_equals_pgts(
    channels: tuple[int, int], options: dict[str, Any], dtype: torch.dtype, nodes: int, entries: int
) -> None:
    index = torch.cat([EDGES.index, torch.tensor([[0], [nodes - 1]])], 1)
    theirs = pgt("tsagcn").AAGCN(*channels, index, nodes, **options)
    if not options.get("adaptive", True):  # a plain tensor there, which follows no type
        theirs.gcn1.A = theirs.gcn1.A.to(dtype)
    ours = AAGCN(*channels, index, nodes, **options)
    x = signal(4, channels[0], entries, nodes, dtype=dtype)
    assert_same(ours, theirs, lambda layer, x: layer(x), lambda layer, x: layer(x), x)


@needs_pgt
def test_adjacencies_equal_pgts() -> None:
    close(GraphAAGCN(EDGES.index, N).A, pgt("tsagcn").GraphAAGCN(EDGES.index, N).A, 1e-7)


def test_isolated_graph_nodes_and_weights_are_taken() -> None:
    index, weight = torch.tensor([[0, 1, 0], [1, 2, 2]]), torch.tensor([1.0, 1.0, 3.0])
    identity, inward, outward = GraphAAGCN(EDGES.graph, N).A
    assert torch.equal(identity, torch.eye(N))
    close(inward.double(), torch.nn.functional.normalize(EDGES.adjacency, p=1, dim=0), 1e-6)
    close(outward.double(), torch.nn.functional.normalize(EDGES.adjacency.t(), p=1, dim=0), 1e-6)
    lonely = GraphAAGCN(index, 5).A
    assert lonely.shape == (3, 5, 5) and lonely.isfinite().all() and lonely[1, :, 3:].eq(0).all()
    assert weight.sum() == 5


def test_training_leaves_the_adjacencies_as_they_were() -> None:
    layer = AAGCN(2, 8, EDGES.index, N)
    before = layer.A.clone()
    torch.nn.init.ones_(layer.gcn1.PA)
    assert torch.equal(layer.A, before)
    assert layer.double().A.dtype == torch.float64 and "gcn1.A" not in layer.state_dict()


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=rf"give \[samples, 2, entries, {N}\]"):
        AAGCN(2, 8, EDGES.index, N)(signal(4, 2, 7, N + 1))


@needs_pgt
@pytest.mark.parametrize("entries", [2, 7])
@pytest.mark.parametrize("kernel, stride", [(1, 2), (2, 1), (4, 2), (9, 2), (5, 1), (9, 1)])
def test_a_convolution_over_entries_is_pgts_for_any_kernel(kernel: int, stride: int, entries: int) -> None:
    ours, theirs = UnitTCN(2, 4, kernel, stride), pgt("tsagcn").UnitTCN(2, 4, kernel, stride)
    assert_same(ours, theirs, lambda layer, x: layer(x), lambda layer, x: layer(x), signal(3, 2, entries, N))
