"""Parity with PyTorch Geometric Temporal (PGT) where that is right.

That is where every node has neighbours, the edge pattern is symmetric and sorted, and all weights are one. PGT's
terms are Chebyshev polynomials; up to K = 3 they are another basis of the same space.
"""

import pytest
import torch
from torch import Tensor

from stgnn.nn.recurrent.dcrnn import BatchedDCRNN, DConv
from tests.nn.dense import Edges
from tests.pgt_oracle import has_pgt, load_pgt

N = 11
pytestmark = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")


def ring_edges() -> Edges:
    ahead = (torch.arange(N) + 1) % N
    pairs = torch.cat([torch.stack([torch.arange(N), ahead]), torch.stack([ahead, torch.arange(N)])], 1)
    order = (pairs[0] * N + pairs[1]).argsort()
    return Edges(pairs[:, order], torch.ones(2 * N), N)


def from_chebyshev(weight_2KFC: Tensor) -> Tensor:
    """PGT's kernel as ours: T_0 = I for both walks, T_1 = P, T_2 = 2 P^2 - I."""
    out, back = weight_2KFC.unbind(0)
    terms = [out[0] + back[0], *out[1:2], *(2 * out[2:]), *back[1:2], *(2 * back[2:])]
    terms[0] = terms[0] - out[2:].sum(0) - back[2:].sum(0)
    return torch.stack(terms)


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_diffusion_convolution_equals_pgts_where_that_is_right(terms: int) -> None:
    edges = ring_edges()
    theirs, ours = load_pgt().dcrnn.DConv(3, 5, terms), DConv(3, 5, terms)
    with torch.no_grad():
        theirs.weight.normal_()
        ours.weight.copy_(from_chebyshev(theirs.weight))
        assert ours.bias is not None
        ours.bias.copy_(theirs.bias.normal_())
    x = torch.randn(N, 3)
    expected = theirs(x, edges.index, edges.weight)
    torch.testing.assert_close(ours(x, edges.graph), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_a_batched_unroll_equals_pgts_where_that_is_right(terms: int) -> None:
    edges, x = ring_edges(), torch.randn(4, 5, N, 2)
    theirs, ours = load_pgt().BatchedDCRNN(2, 8, terms), BatchedDCRNN(2, 8, terms)
    convs = [theirs.conv_x_z, theirs.conv_x_r, theirs.conv_x_h]
    with torch.no_grad():
        for conv in convs:
            conv.weight.normal_(std=0.3)
            conv.bias.normal_()
        kernels = [from_chebyshev(conv.weight) for conv in convs]
        ours.gates.weight.copy_(torch.cat(kernels[:2], -1))
        ours.candidate.weight.copy_(kernels[2])
        assert ours.gates.bias is not None and ours.candidate.bias is not None
        ours.gates.bias.copy_(torch.cat([convs[0].bias, convs[1].bias]))
        ours.candidate.bias.copy_(convs[2].bias)
    states = ours(x, edges.index, edges.weight)
    expected = theirs(x, edges.index, edges.weight)
    torch.testing.assert_close(states, expected, rtol=1e-5, atol=1e-5)
    states.square().mean().backward(), expected.square().mean().backward()
    torch.testing.assert_close(ours.candidate.bias.grad, convs[2].bias.grad, rtol=1e-4, atol=1e-6)
    if terms > 1:
        torch.testing.assert_close(
            ours.gates.weight.grad[1],
            torch.cat([c.weight.grad[0, 1] for c in convs[:2]], -1),
            rtol=1e-4,
            atol=1e-6,
        )
