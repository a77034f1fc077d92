"""Convolutions over entries of signals whose channels lie last, as products that read them in place.

    plain:   out[t] = sum_k x[t + k - K // 2] W_k + b                                zeros around the window
    gated:   out[t] = relu(p * sigmoid(q) + r)        [p, q, r] = sum_k x[t + k] W_k + b

On a CPU one sample after another: what its gate reads and writes is in the cache still, and no gradient of [p, q, r] is
ever whole.

Axes: B samples, G of them at once, T entries, N graph nodes, F input channels, C output channels, O = 3C columns of p,
q and r, K taps, R rows (entries left, graph nodes).
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stgnn.graph.operators import NARROW
from stgnn.nn import buffers
from stgnn.nn.arguments import product_dtype
from stgnn.nn.narrow import weight_gradient

_relu_backward = torch.ops.aten.threshold_backward.grad_input


def gated_convolution(x_BTNF: Tensor, kernel_KFO: Tensor, bias_O: Tensor) -> Tensor:
    """`[B, T - K + 1, N, C]`; the kernel's columns are those of p, then q, then r."""
    apply = cast("Callable[..., Tensor]", _GatedConvolution.apply)
    return apply(x_BTNF.contiguous(), kernel_KFO, bias_O, product_dtype(x_BTNF))


def convolution(x_BTNF: Tensor, kernel_KFO: Tensor, bias_O: Tensor) -> Tensor:
    """`[B, T, N, O]`, for an odd kernel: no product with the zeros around the window is made."""
    apply = cast("Callable[..., Tensor]", _Convolution.apply)
    return apply(x_BTNF.contiguous(), kernel_KFO, bias_O, product_dtype(x_BTNF))


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor, precision: torch.dtype) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.precision, weights = precision, kernel.to(precision)
        out = buffers.empty((*x.shape[:3], kernel.shape[2]), precision, x.device)
        for x_TNF, out_TNO in zip(x.to(precision), out, strict=True):
            out_TNO.copy_(bias)
            for weight, to, seen in _shifts(weights):
                out_TNO[to].flatten(0, 1).addmm_(x_TNF[seen].flatten(0, 1), weight)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel = ctx.saved_tensors
        d_out, reduced = gradient.to(ctx.precision).contiguous(), x.to(ctx.precision)
        d_x = torch.zeros_like(reduced) if ctx.needs_input_grad[0] else None
        d_kernel_KOF = kernel.new_zeros(len(kernel), *kernel.shape[:0:-1])
        for b, (x_TNF, d_TNO) in enumerate(zip(reduced, d_out, strict=True)):
            for k, (weight, to, seen) in enumerate(_shifts(kernel.to(ctx.precision))):
                d_RO, x_RF = d_TNO[to].flatten(0, 1), x_TNF[seen].flatten(0, 1)
                d_kernel_KOF[k] += weight_gradient(d_RO, x_RF)
                if d_x is not None:
                    d_x[b, seen].flatten(0, 1).addmm_(d_RO, weight.t())
        d_bias = d_out.flatten(0, 2).sum(0).to(kernel.dtype)
        return None if d_x is None else d_x.to(x.dtype), d_kernel_KOF.transpose(1, 2), d_bias, None


def _shifts(weights_KFO: Tensor) -> list[tuple[Tensor, slice, slice]]:
    """For each tap its weight, the entries that it adds to and, as many, those that it sees."""
    shifts = []
    for place, weight in enumerate(weights_KFO, start=-(len(weights_KFO) // 2)):
        behind, ahead = max(0, -place), max(0, place)
        shifts.append((weight, slice(behind, -ahead or None), slice(ahead, -behind or None)))
    return shifts


class _GatedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor, precision: torch.dtype) -> Tensor:
        taps, samples = _Taps(kernel, precision), len(x)
        left, channels = x.shape[1] - taps.count + 1, kernel.shape[2] // 3
        pqr_BRO = buffers.empty((samples, left * x.shape[2], 3 * channels), precision, x.device)
        out_BTNC = buffers.empty((samples, left, x.shape[2], channels), precision, x.device)
        for part in _parts(x):
            pqr, out = pqr_BRO[part], out_BTNC[part].flatten(1, 2)
            pqr.copy_(bias)
            taps.multiply(x[part].to(precision), pqr)
            p, q, r = pqr.chunk(3, dim=2)
            torch.sigmoid(q, out=out)
            torch.addcmul(r, p, out, out=out).relu_()
        ctx.save_for_backward(x, kernel, pqr_BRO)
        ctx.precision = precision
        return out_BTNC

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel, pqr_BRO = ctx.saved_tensors
        taps, d_kernel = _Taps(kernel, ctx.precision), kernel.new_zeros(kernel.shape)
        d_x = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        d_bias = kernel.new_zeros(kernel.shape[2])
        d_BRC = gradient.to(ctx.precision).flatten(1, 2)
        for part in _parts(x):
            d_pqr = _through_gate(d_BRC[part], pqr_BRO[part])
            d_bias += d_pqr.flatten(0, 1).sum(0)
            taps.differentiate(x[part].to(ctx.precision), d_pqr, d_kernel, None if d_x is None else d_x[part])
        return d_x, d_kernel, d_bias, None


def _parts(x: Tensor) -> list[slice]:
    """The samples that are computed at once: elsewhere than on a CPU all."""
    return [slice(b, b + 1) for b in range(len(x))] if x.device.type == "cpu" else [slice(None)]


def _through_gate(d_out: Tensor, pqr: Tensor) -> Tensor:
    """The gradient of p, q and r side by side. What entered the relu is computed again: the output is the caller's."""
    p, q, r = pqr.chunk(3, dim=2)
    d_pqr, gate = torch.empty_like(pqr), torch.sigmoid(q)
    d_p, d_q, d_r = d_pqr.chunk(3, dim=2)
    _relu_backward(d_out, torch.addcmul(r, p, gate, out=d_q), 0, grad_input=d_r)
    torch.mul(d_r, gate, out=d_p)
    torch.mul(d_p, p, out=d_q).addcmul_(d_q, gate, value=-1)
    return d_pqr


class _Taps:
    """The products of a convolution: one a tap, or of few channels one of all taps side by side."""

    def __init__(self, kernel_KFO: Tensor, precision: torch.dtype) -> None:
        self.count, self.channels, _ = kernel_KFO.shape
        self.narrow = self.channels < NARROW
        kernel = kernel_KFO.to(precision)
        self.weights = [kernel.flatten(0, 1)] if self.narrow else list(kernel)

    def multiply(self, x_GTNF: Tensor, out_GRO: Tensor) -> None:
        """Add the products to what is there."""
        for rows, weight in zip(self._rows(x_GTNF), self.weights, strict=True):
            out_GRO.baddbmm_(rows, weight.expand(len(rows), -1, -1))

    def differentiate(self, x_GTNF: Tensor, d_GRO: Tensor, d_kernel: Tensor, d_x: Tensor | None) -> None:
        """Add the gradients of kernel and x to what is there."""
        d_weights = [d_kernel.flatten(0, 1)] if self.narrow else list(d_kernel)
        for rows, d_weight in zip(self._rows(x_GTNF), d_weights, strict=True):
            d_weight += weight_gradient(d_GRO.flatten(0, 1), rows.flatten(0, 1)).t()
        if d_x is not None:
            self._into_input(d_GRO, d_x)

    def _into_input(self, d_GRO: Tensor, d_x: Tensor) -> None:
        if self.narrow:
            d_rows = (d_GRO @ self.weights[0].t()).split(self.channels, dim=2)
            for target, d_tap in zip(self._slices(d_x), d_rows, strict=True):
                target += d_tap
            return
        for target, weight in zip(self._slices(d_x), self.weights, strict=True):
            if target.dtype == weight.dtype:
                target.baddbmm_(d_GRO, weight.t().expand(len(d_GRO), -1, -1))
            else:
                target += d_GRO @ weight.t()

    def _rows(self, x_GTNF: Tensor) -> list[Tensor]:
        """The left factors `[G, R, F]`, or all in one `[G, R, K * F]`."""
        slices = self._slices(x_GTNF)
        return [torch.cat(slices, dim=2)] if self.narrow else slices

    def _slices(self, x_GTNF: Tensor) -> list[Tensor]:
        """The entries that each tap sees, graph node below graph node, as views."""
        left = x_GTNF.shape[1] - self.count + 1
        return [x_GTNF[:, k : k + left].flatten(1, 2) for k in range(self.count)]
