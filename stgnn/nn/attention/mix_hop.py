r"""Mix-hop propagation along several dense adjacencies at once, from the last hop inwards.

    H_0 = x,   H_(j+1) = a x + (1 - a) A H_j,   y = sum_j H_j W_j + b

is, with U_j = W_j + a sum_(i > j) W_i and s_S = x U_S,

    s_j = x U_j + (1 - a) A s_(j+1),   y = s_0 + b

so that only x and, for the gradient of A, the s_j are kept, and no terms are laid side by side. Backwards

    g_0 = dy,   g_(j+1) = (1 - a) A^T g_j,   dU_j = x^T g_j,   dx = sum_j g_j U_j^T,   dA = (1 - a) sum_j g_j s_(j+1)^T

Axes: B samples, N graph nodes, T entries, C channels, O output channels, D adjacencies, S hops, R = B N T rows, X = T O
columns.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stgnn.nn.arguments import product_dtype


def mix_hop(
    x_BNTC: Tensor, weights_DOX: Sequence[Tensor], bias_O: Tensor, spreads_DNN: Sequence[Tensor], keep: float
) -> Tensor:
    """The sum of y over the adjacencies A, `[B, N, T, O]`; each weight holds W_0 .. W_S side by side, a is `keep`."""
    channels, own, later = x_BNTC.shape[3], [], []
    for weight in weights_DOX:
        w_SCO = weight.t().unflatten(0, (-1, channels))
        after_SCO = w_SCO.flip(0).cumsum(0).flip(0) - w_SCO
        first, *others = (w_SCO + keep * after_SCO).unbind()
        own.append(first)
        later.append(others)
    kernels = [sum(own[1:], start=own[0]), *(kernel for others in later for kernel in others)]
    apply = cast("Callable[..., Tensor]", _MixHop.apply)
    hops = len(later[0])
    settings = 1 - keep, hops, product_dtype(x_BNTC)
    return apply(x_BNTC.contiguous(), bias_O, settings, *(spreads_DNN if hops else ()), *kernels)


class _MixHop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor, settings: tuple[float, int, torch.dtype], *matrices: Tensor
    ) -> Tensor:
        ctx.settings = share, hops, precision = settings
        spreads, own, later = _sorted(matrices, hops)
        rows_RC, sizes = x.to(precision).flatten(0, 2), (*x.shape[:2], x.shape[2] * len(bias))
        whole = torch.empty((*x.shape[:3], len(bias)), dtype=precision, device=x.device)
        torch.addmm(bias.to(precision), rows_RC, own.to(precision), out=whole.flatten(0, 2))
        out = whole.flatten(2)
        sums = []
        for spread, kernels in zip(spreads, later, strict=True):
            batched_BNN = spread.to(precision).expand(len(x), -1, -1)
            *before, last = [kernel.to(precision) for kernel in kernels]
            sums.append((rows_RC @ last).view(sizes))
            for kernel in reversed(before):
                term_BNX = (rows_RC @ kernel).view(sizes)
                sums.append(term_BNX.baddbmm_(batched_BNN, sums[-1], alpha=share))
            out.baddbmm_(batched_BNN, sums[-1], alpha=share)
        kept = sums if any(ctx.needs_input_grad[3 : 3 + len(spreads)]) else []
        ctx.save_for_backward(x, bias, *matrices, *kept)
        ctx.matrices = len(matrices)
        return whole

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Any, ...]:
        x, bias, *saved = ctx.saved_tensors
        share, hops, precision = ctx.settings
        spreads, own, later = _sorted(saved[: ctx.matrices], hops)
        sums, sizes = saved[ctx.matrices :], (*x.shape[:2], x.shape[2] * len(bias))
        rows_RC, outer = x.to(precision).flatten(0, 2), d_out.to(precision).reshape(-1, len(bias))
        d_rows = outer @ own.to(precision).t()
        d_kernels, d_spreads = [(outer.t() @ rows_RC).t().to(own.dtype)], []
        for d, (spread, kernels) in enumerate(zip(spreads, later, strict=True)):
            gradient, d_spread = outer.view(sizes), torch.zeros_like(spread)
            backwards_BNN = spread.to(precision).t().expand(len(x), -1, -1)
            for j, kernel in enumerate(kernels):
                if sums:
                    inner = sums[(d + 1) * hops - 1 - j]
                    d_spread.add_((gradient @ inner.transpose(1, 2)).sum(0), alpha=share)
                gradient = (backwards_BNN @ gradient).mul_(share)
                of_rows = gradient.view(outer.shape)
                d_rows.addmm_(of_rows, kernel.to(precision).t())
                d_kernels.append((of_rows.t() @ rows_RC).t().to(kernel.dtype))
            d_spreads.append(d_spread if sums else None)
        d_bias = outer.sum(0).to(bias.dtype)
        return d_rows.view(x.shape).to(x.dtype), d_bias, None, *d_spreads, *d_kernels


def _sorted(matrices: Sequence[Tensor], hops: int) -> tuple[Sequence[Tensor], Tensor, list[Sequence[Tensor]]]:
    """The adjacencies, U_0 added up over them, and U_1 .. U_S of each."""
    count = (len(matrices) - 1) // (hops + 1)
    later = matrices[count + 1 :]
    return matrices[:count], matrices[count], [later[d * hops : (d + 1) * hops] for d in range(count)]
