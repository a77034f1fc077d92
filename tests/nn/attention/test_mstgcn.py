"""Facts about MSTGCN; PyTorch Geometric Temporal (PGT) is the oracle where it gets a list of graphs."""

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.nn.attention import MSTGCN, MSTGCNBlock
from tests.nn.attention.parity import assert_same, both_precisions, close, needs_pgt, pgt
from tests.nn.dense import directed_edges

INDEX, N = directed_edges().index, directed_edges().num_nodes


def signal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


@needs_pgt
@both_precisions
@pytest.mark.parametrize("filters, K, strides", [((4, 4), 3, 1), ((6, 3), 1, 1), ((2, 5), 4, 2)])
def test_a_network_equals_pgts_with_a_graph_for_each_entry(
    filters: tuple[int, int], K: int, strides: int, dtype: torch.dtype
) -> None:
    settings = (2, 2, K, *filters, strides, 3, 6)
    ours, theirs = MSTGCN(*settings), pgt("mstgcn").MSTGCN(*settings)
    x = signal(3, N, 2, 6, dtype=dtype)
    assert_same(ours, theirs, lambda layer, x: layer(x, INDEX), lambda layer, x: layer(x, [INDEX] * 6), x)


def test_a_graph_for_each_entry_that_is_always_the_same_is_one_graph() -> None:
    model, x = MSTGCN(2, 2, 3, 4, 5, 2, 3, 6).double(), signal(3, N, 2, 6)
    graph = directed_edges().graph
    close(model(x, [graph] * 6), model(x, graph), 1e-12)
    other = directed_edges(seed=1).graph
    assert not torch.allclose(model(x, [graph] * 5 + [other]), model(x, graph))


def test_edge_weights_count() -> None:
    model, x = MSTGCN(1, 2, 3, 4, 5, 1, 3, 6).double(), signal(3, N, 2, 6)
    edges = directed_edges()
    assert not torch.allclose(model(x, edges.index, edges.weight), model(x, edges.index))


@needs_pgt
def test_blocks_load_pgts_checkpoints() -> None:
    MSTGCNBlock(2, 3, 4, 5, 1).load_state_dict(pgt("mstgcn").MSTGCNBlock(2, 3, 4, 5, 1).state_dict())


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"floating point \[samples, graph nodes, 2, entries\]"):
        MSTGCN(1, 2, 3, 4, 5, 1, 3, 6)(signal(2, N, 3, 6), INDEX)
