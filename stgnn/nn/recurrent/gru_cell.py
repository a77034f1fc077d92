r"""Torch's GRU cell on a CPU, in about half the memory; no graph enters its gates.

    [r, z] = sigmoid(x W + h U + b + d)        n = tanh(x W_n + b_n + r (h U_n + d_n))        h' = z h + (1 - z) n

Torch composes the cell from a dozen operations on a CPU and keeps every result for its backward pass (on a GPU it has
one kernel). Here two products, and in place what can be, on as many rows as the cache holds at a time.

Axes: R rows, F input features, I inputs of the cell, C hidden channels, K columns of a state that are not zero, O = 3C.
"""

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stgnn.nn import buffers
from stgnn.nn.narrow import weight_gradient

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input

ROWS_AT_ONCE = 2048


def run_gru_cell(cell: nn.GRUCell, x_RF: Tensor, h_RK: Tensor, mixing_FI: Tensor | None = None) -> Tensor:
    """The next state `[R, C]` of input x (with `mixing`: x M), in the parameters' type under autocast on a CPU.

    A state of K < C columns is one whose others are zero, for which no product is made. M is multiplied into W.
    """
    if x_RF.device.type != "cpu":
        h_RC = functional.pad(h_RK, (0, cell.hidden_size - h_RK.shape[1]))
        after: Tensor = cell(x_RF if mixing_FI is None else x_RF @ mixing_FI, h_RC)
        return after
    w_OI, u_OC, *biases = cell.parameters()  # of input and state, then their biases
    apply = cast("Callable[..., Tensor]", _Cell.apply)
    with torch.autocast("cpu", enabled=False):
        w_OF = w_OI if mixing_FI is None else w_OI @ mixing_FI.t()
        return apply(x_RF.to(w_OF.dtype), h_RK.to(w_OF.dtype), w_OF, u_OC[:, : h_RK.shape[1]], *biases)


class _Cell(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_RF: Tensor, h_RK: Tensor, w_OF: Tensor, u_OK: Tensor, b_O: Tensor, d_O: Tensor
    ) -> Tensor:
        rows, channels, columns = len(x_RF), len(w_OF) // 3, h_RK.shape[1]
        gates_RO, reset_RC, after_RC = (
            buffers.empty((rows, width), x_RF.dtype, x_RF.device)
            for width in (3 * channels, channels, channels)
        )
        for part in _parts(rows):
            h, gates, after = h_RK[part], gates_RO[part], after_RC[part]
            torch.addmm(b_O, x_RF[part], w_OF.t(), out=gates)
            both, of_reset = torch.addmm(d_O, h, u_OK.t()).tensor_split([2 * channels], dim=1)
            r, z = gates[:, : 2 * channels].add_(both).sigmoid_().chunk(2, dim=1)
            n = gates[:, 2 * channels :].addcmul_(r, of_reset).tanh_()
            reset_RC[part] = of_reset  # what r multiplies
            torch.addcmul(n, n, z, value=-1, out=after)
            after[:, :columns].addcmul_(z[:, :columns], h)
        ctx.save_for_backward(x_RF, h_RK, w_OF, u_OK, gates_RO, reset_RC)
        return after_RC

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_after: Tensor) -> tuple[Tensor | None, ...]:
        x_RF, h_RK, w_OF, u_OK, gates_RO, reset_RC = ctx.saved_tensors
        d_x, d_h = (
            buffers.empty(tensor.shape, tensor.dtype, tensor.device) if wanted else None
            for tensor, wanted in zip((x_RF, h_RK), ctx.needs_input_grad, strict=False)
        )
        d_w, d_u = torch.zeros_like(w_OF), u_OK.new_zeros(u_OK.shape)
        d_b, d_d = (w_OF.new_zeros(len(w_OF)) for _ in range(2))
        for part in _parts(len(x_RF)):
            given, h = d_after[part], h_RK[part]
            d_gates, z = _through_gates(given, h, gates_RO[part], reset_RC[part])
            d_w += weight_gradient(d_gates, x_RF[part])
            d_b += d_gates.sum(0)
            if d_x is not None:
                torch.mm(d_gates, w_OF, out=d_x[part])
            r, d_n = gates_RO[part].chunk(3, dim=1)[0], d_gates.chunk(3, dim=1)[2]
            d_n.mul_(r)
            d_u += weight_gradient(d_gates, h)
            d_d += d_gates.sum(0)
            if d_h is not None:
                torch.mul(given[:, : h.shape[1]], z[:, : h.shape[1]], out=d_h[part]).addmm_(d_gates, u_OK)
        return d_x, d_h, d_w, d_u, d_b, d_d


def _parts(rows: int) -> Iterator[slice]:
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, rows, ROWS_AT_ONCE))


def _through_gates(
    d_after: Tensor, h_RK: Tensor, gates_RO: Tensor, reset_RC: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of r, z and n side by side before sigmoid and tanh, and z."""
    r, z, n = gates_RO.chunk(3, dim=1)
    d_gates = torch.empty_like(gates_RO)
    d_r, d_z, d_n = d_gates.chunk(3, dim=1)
    _tanh_backward(torch.addcmul(d_after, d_after, z, value=-1), n, grad_input=d_n)
    change = n.neg()
    change[:, : h_RK.shape[1]] += h_RK
    _sigmoid_backward(change.mul_(d_after), z, grad_input=d_z)
    _sigmoid_backward(torch.mul(d_n, reset_RC, out=change), r, grad_input=d_r)
    return d_gates, z
