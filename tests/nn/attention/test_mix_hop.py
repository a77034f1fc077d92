"""Facts about propagation from the last hop inwards: the terms of the paper, side by side, are the reference."""

import pytest
import torch
from torch import Tensor

from stgnn.nn.attention.mix_hop import mix_hop

B, N, T, C, OUT, KEEP = 2, 5, 3, 4, 6, 0.3


def signal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def terms(x_BNTC: Tensor, weight_OX: Tensor, spread_NN: Tensor) -> Tensor:
    h, every = x_BNTC, [x_BNTC]
    while len(every) * C < weight_OX.shape[1]:
        h = KEEP * x_BNTC + (1 - KEEP) * torch.einsum("ij,bjtc->bitc", spread_NN, h)
        every.append(h)
    return torch.cat(every, 3) @ weight_OX.t()


@pytest.mark.parametrize("hops", [0, 1, 3])
@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("learned", [True, False])
def test_it_is_the_sum_over_terms_with_its_gradients(hops: int, ways: int, learned: bool) -> None:
    x, bias = signal(B, N, T, C).requires_grad_(), signal(OUT).requires_grad_()
    weights = [signal(OUT, (hops + 1) * C, seed=2 + way).requires_grad_() for way in range(ways)]
    spreads = [signal(N, N, seed=5 + way).requires_grad_(learned) for way in range(ways)]
    found = mix_hop(x, weights, bias, spreads, KEEP)
    pairs = zip(weights, spreads, strict=True)
    expected = sum((terms(x, weight, spread) for weight, spread in pairs), start=bias)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
    wanted = [x, bias, *weights, *(spreads if learned and hops else ())]
    truths = torch.autograd.grad(expected.square().sum(), wanted)
    for gradient, truth in zip(torch.autograd.grad(found.square().sum(), wanted), truths, strict=True):
        torch.testing.assert_close(gradient, truth, rtol=1e-9, atol=1e-9)
