"""Facts about AGCRN and its convolution; PyTorch Geometric Temporal's are right, so they are the oracle."""

import pytest
import torch

from stgnn.errors import InputError
from stgnn.nn.recurrent.agcrn import AGCRN, AVWGCN
from tests.nn.parity import assert_same, signal, twins
from tests.pgt_oracle import has_pgt, load_pgt

N, D = 7, 3
needs_pgt = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")


@needs_pgt
@pytest.mark.parametrize("taps", [1, 2, 4])
def test_the_convolution_is_pgts_with_its_gradients(taps: int) -> None:
    ours, theirs = AVWGCN(2, 4, taps, D), load_pgt().agcrn.AVWGCN(2, 4, taps, D)
    twins(theirs, ours)
    x, embedding = signal(3, N, 2), signal(N, D)
    assert_same([ours(x, embedding)], [theirs(x, embedding)], ours, theirs)


@needs_pgt
@pytest.mark.parametrize("taps", [1, 2, 4])
@pytest.mark.parametrize("zero", [True, False])
def test_unrolling_is_stepping_pgts_cell_with_its_gradients(taps: int, zero: bool) -> None:
    ours, theirs = AGCRN(N, 2, 4, taps, D), load_pgt().AGCRN(N, 2, 4, taps, D)
    twins(theirs, ours)
    x, given = signal(3, 5, N, 2), signal(3, N, 4)
    embeddings = [signal(N, D, seed=3).requires_grad_() for _ in range(2)]
    h, expected = torch.zeros_like(given) if zero else given, []
    for entry in x.unbind(1):
        h = theirs(entry, embeddings[1], h)
        expected.append(h)
    states, last = ours.unroll(x, embeddings[0], None if zero else given)
    assert_same([states, last], [torch.stack(expected, 1), h], ours, theirs)
    torch.testing.assert_close(embeddings[0].grad, embeddings[1].grad, rtol=1e-10, atol=1e-10)


def test_wrong_sizes_are_refused_by_name() -> None:
    cell, x, embedding = AGCRN(N, 2, 4, 2, D).double(), signal(3, N, 2), signal(N, D)
    with pytest.raises(InputError, match=r"E: has shape \(7, 2\), expected \(7, 3\)"):
        cell(x, embedding[:, :2])
    with pytest.raises(InputError, match="x: has 6 graph nodes, the layer 7"):
        cell(x[:, 1:], embedding)
    with pytest.raises(InputError, match=r"H: has shape \(3, 7, 3\)"):
        cell(x, embedding, signal(3, N, 3))
    with pytest.raises(InputError, match="x: has no entries"):
        cell.unroll(x.unsqueeze(1)[:, :0], embedding)
    with pytest.raises(InputError, match="K: is 0"):
        AGCRN(N, 2, 4, 0, D)
