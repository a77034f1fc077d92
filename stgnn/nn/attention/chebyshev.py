"""Chebyshev graph convolution of whole signals: one sparse product a hop for all samples, entries and channels.

Parameters are in `stgnn.nn.chebyshev`.

Axes: G blocks (samples, or samples and entries), N graph nodes, M rows a graph node (entries, or 1), F input channels,
O output channels, S terms, X = M * O columns, R = G * N * M rows.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stgnn.graph.operators import Operator
from stgnn.nn import buffers
from stgnn.nn.arguments import product_dtype, state_dtype
from stgnn.nn.chebyshev import ChebyshevFilter, joint_kernel
from stgnn.nn.narrow import linear


class ChebyshevConvolution(ChebyshevFilter):
    """A Chebyshev filter that is applied as it is: `[G, N, M, F] -> [G, N, M, O]`."""

    def forward(self, x_GNMF: Tensor, laplacian: Operator) -> Tensor:
        """The filter of the scaled Laplacian of `Graph.scaled_laplacian`."""
        return _convolution(x_GNMF, joint_kernel([self]), self.bias, laplacian)


def _convolution(x_GNMF: Tensor, kernel_SFO: Tensor, bias_O: Tensor | None, operator: Operator) -> Tensor:
    """sum_s T_s(P) x W_s + b, with hops over the narrower of the two sides."""
    terms, inputs, outputs = kernel_SFO.shape
    if inputs < outputs:
        columns = [x_GNMF.flatten(2)]
        for s in range(1, terms):
            hopped = operator @ columns[-1]
            # 2 hopped - columns[-2], in one operation
            columns.append(hopped if s == 1 else torch.lerp(columns[-2], hopped, 2.0))
        basis = torch.cat([column.view_as(x_GNMF) for column in columns], dim=3)
        bias = None if bias_O is None else bias_O.to(x_GNMF.dtype)
        return linear(basis, kernel_SFO.flatten(0, 1).t().to(x_GNMF.dtype), bias)
    apply = cast("Callable[..., Tensor]", _Clenshaw.apply)
    return apply(x_GNMF, kernel_SFO, bias_O, operator, product_dtype(x_GNMF))


class _Clenshaw(torch.autograd.Function):
    """The filter from its last term on, by Clenshaw's recurrence: nothing but x is kept for the backward pass.

        b_s = x W_s + 2 P b_(s+1) - b_(s+2)        y = x W_0 + P b_1 - b_2

    The backward pass follows t_s = T_s(P^T) dy, of which dW_s = x^T t_s and dx = sum_s t_s W_s^T.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None, operator: Operator, precision: torch.dtype
    ) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.operator, ctx.precision, ctx.biased = operator, precision, bias is not None
        rows = x.reshape(-1, x.shape[3]).to(precision)
        older, total = None, _project(rows, kernel[-1], x, precision)
        for s in reversed(range(len(kernel) - 1)):
            term = _project(rows, kernel[s], x, precision, minus=older)
            scale = 2.0 if s else 1.0
            reduced = _reduced(precision, x)
            operator.hop(total.flatten(2), term.flatten(2), add=True, precision=reduced, scale=scale)
            older, total = total, term
        if bias is not None:
            total += bias.to(total.dtype)
        return total.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel = ctx.saved_tensors
        precision, dtype = ctx.precision, state_dtype(x)
        rows = x.reshape(-1, x.shape[3]).to(precision)
        d_GNX = gradient.to(dtype).flatten(2).contiguous()
        d_bias = d_GNX.reshape(-1, kernel.shape[2]).sum(0).to(kernel.dtype) if ctx.biased else None
        d_kernel, d_rows, older = torch.empty_like(kernel), None, None
        for s, weight in enumerate(kernel):
            if s:
                # written over what is subtracted, but for the first, which may be the caller's
                after = older if s > 2 and older is not None else buffers.empty(d_GNX.shape, dtype, x.device)
                scale = 2.0 if s > 1 else 1.0
                ctx.operator.T.hop(d_GNX, after, precision=_reduced(precision, x), scale=scale, minus=older)
                older, d_GNX = d_GNX, after
            d_RO = d_GNX.view(-1, kernel.shape[2]).to(precision)
            # transposed, because MKL is up to 1.9 times faster at d^T x than at x^T d
            d_kernel[s] = torch.mm(d_RO.t(), rows).t()
            if ctx.needs_input_grad[0]:
                part = weight.t().to(precision)
                if d_rows is None:
                    d_rows = buffers.empty(rows.shape, precision, x.device)
                    torch.mm(d_RO, part, out=d_rows)
                else:
                    d_rows.addmm_(d_RO, part)
        d_x = None if d_rows is None else d_rows.view(x.shape).to(x.dtype)
        return d_x, d_kernel, d_bias, None, None


def _project(
    rows: Tensor, weight_FO: Tensor, x: Tensor, precision: torch.dtype, minus: Tensor | None = None
) -> Tensor:
    """x W `[G, N, M, O]` in the type that sums are kept in; less `minus`, which it is written over."""
    if minus is not None and minus.dtype == precision:
        minus.flatten(0, 2).addmm_(rows, weight_FO.to(precision), beta=-1)
        return minus
    product = buffers.empty((*x.shape[:3], weight_FO.shape[1]), precision, x.device)
    torch.mm(rows, weight_FO.to(precision), out=product.flatten(0, 2))
    return product.to(state_dtype(x)) if minus is None else torch.sub(product, minus, out=minus)


def _reduced(precision: torch.dtype, x: Tensor) -> torch.dtype | None:
    return None if precision == state_dtype(x) else precision
