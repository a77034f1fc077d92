"""Facts about GConvGRU, GConvLSTM and GCLSTM; PyTorch Geometric Temporal's cells are right, so they are the oracle."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.nn.recurrent import GCLSTM, GConvGRU, GConvLSTM
from tests.nn.parity import assert_same, plain_edges, signal, twins
from tests.nn.properties import tensors
from tests.pgt_oracle import has_pgt, load_pgt

EDGES = plain_edges()
GRAPH, N = EDGES.graph, EDGES.num_nodes
needs_pgt = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")
CELLS = pytest.mark.parametrize("cell", [GConvGRU, GConvLSTM, GCLSTM])
Cell = type[GConvGRU] | type[GConvLSTM] | type[GCLSTM]


def pair(cell: Cell, *arguments: Any) -> tuple[Any, Any]:
    ours, theirs = cell(*arguments), getattr(load_pgt(), cell.__name__)(*arguments)
    twins(theirs, ours)
    return ours, theirs


def states(cell: Cell) -> list[Tensor]:
    return [signal(N, 4, seed=2), signal(N, 4, seed=3)][: 1 if cell is GConvGRU else 2]


def stepped(theirs: Any, x_TNF: Tensor, carried: list[Tensor], **options: Any) -> list[Tensor]:
    every = []
    for x in x_TNF:
        carried = tensors(theirs(x, EDGES.index, EDGES.weight, *carried, **options))
        every.append(carried[0])
    return [torch.stack(every), *carried]


@needs_pgt
@CELLS
@pytest.mark.parametrize("taps", [1, 2, 3, 5])
@pytest.mark.parametrize("bias", [True, False])
def test_unrolling_is_stepping_pgts_cell_with_its_gradients(cell: Cell, taps: int, bias: bool) -> None:
    ours, theirs = pair(cell, 2, 4, taps, "sym", bias)
    x = signal(3, N, 2)
    found = list(ours.unroll(x, GRAPH, *states(cell)))
    assert_same(found, stepped(theirs, x, states(cell)), ours, theirs)


@needs_pgt
@CELLS
@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("lambda_max", [None, 1.7, torch.tensor(2.5, dtype=torch.float64)])
def test_laplacians_are_pgts(cell: Cell, normalization: Any, lambda_max: Any) -> None:
    ours, theirs = pair(cell, 2, 4, 3, normalization)
    x = signal(2, N, 2)
    found = list(ours.unroll(x, GRAPH, *states(cell), lambda_max=lambda_max))
    assert_same(found, stepped(theirs, x, states(cell), lambda_max=lambda_max), ours, theirs)


@needs_pgt
@CELLS
def test_a_wide_input_and_a_zero_first_state_are_pgts_too(cell: Cell) -> None:
    ours, theirs = pair(cell, 20, 12, 3)
    zeros = [torch.zeros(N, 12, dtype=torch.float64)] * (1 if cell is GConvGRU else 2)
    x = signal(3, N, 20)
    assert_same(list(ours.unroll(x, GRAPH)), stepped(theirs, x, zeros), ours, theirs)


@needs_pgt
@CELLS
def test_a_call_with_edge_tensors_is_pgts_call(cell: Cell) -> None:
    ours, theirs = pair(cell, 2, 4, 3)
    arguments = signal(N, 2), EDGES.index, EDGES.weight, *states(cell)
    assert_same(tensors(ours(*arguments)), tensors(theirs(*arguments)), ours, theirs)
    assert_same(tensors(ours(*arguments, 3.0)), tensors(theirs(*arguments, 3.0)), ours, theirs)


@CELLS
def test_half_a_state_counts_the_other_half_as_zero(cell: Cell) -> None:
    if cell is GConvGRU:
        pytest.skip("its state is one tensor")
    layer = cell(2, 4, 3).double()
    x, (h, c) = signal(3, N, 2), states(cell)
    for given, whole in (((h, None), (h, 0 * c)), ((None, c), (0 * h, c))):
        found, expected = layer.unroll(x, GRAPH, *given), layer.unroll(x, GRAPH, *whole)
        for one, truth in zip(found, expected, strict=True):
            torch.testing.assert_close(one, truth, rtol=0, atol=1e-13)


@CELLS
def test_wrong_arguments_are_refused_by_name(cell: Cell) -> None:
    layer, x = cell(2, 4, 3).double(), signal(N, 2)
    with pytest.raises(InputError, match=r"lambda_max: holds 2"):
        layer(x, GRAPH, lambda_max=torch.ones(2))
    with pytest.raises(InputError, match=r"lambda_max: is -1"):
        layer(x, GRAPH, lambda_max=-1.0)
    with pytest.raises(InputError, match=r"H: has shape \(11, 3\), expected \(11, 4\)"):
        layer(x, GRAPH, H=signal(N, 3))
    with pytest.raises(InputError, match="normalization"):
        cell(2, 4, 3, "symmetric").double()(x, GRAPH)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least 1"):
        cell(2, 4, 0)
