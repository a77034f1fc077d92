r"""Torch's GRU cell on a CPU, in about half the memory; no graph enters its gates.

    [r, z] = sigmoid(x W + h U + b + d)        n = tanh(x W_n + b_n + r (h U_n + d_n))        h' = z h + (1 - z) n

Torch composes the cell from a dozen operations on a CPU and keeps every result for its backward pass (on a GPU it has
one kernel). Here two products, and in place what can be.

Axes: R rows, F input features, I inputs of the cell, C hidden channels, K columns of a state that are not zero, O = 3C.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def run_gru_cell(cell: nn.GRUCell, x_RF: Tensor, h_RK: Tensor, mixing_FI: Tensor | None = None) -> Tensor:
    """The next state `[R, C]` of input x (with `mixing`: x M), in the parameters' type under autocast on a CPU.

    A state of K < C columns is filled up with zeros, for which no product is made. M is multiplied into W.
    """
    missing = cell.hidden_size - h_RK.shape[1]
    h_RC = functional.pad(h_RK, (0, missing)) if missing else h_RK
    if x_RF.device.type != "cpu":
        after: Tensor = cell(x_RF if mixing_FI is None else x_RF @ mixing_FI, h_RC)
        return after
    w_OI, u_OC, *biases = cell.parameters()  # of input and state, then their biases
    apply = cast("Callable[..., Tensor]", _Cell.apply)
    with torch.autocast("cpu", enabled=False):
        w_OF = w_OI if mixing_FI is None else w_OI @ mixing_FI.t()
        return apply(x_RF.to(w_OF.dtype), h_RC.to(w_OF.dtype), w_OF, u_OC[:, : h_RK.shape[1]], *biases)


class _Cell(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_RF: Tensor, h_RC: Tensor, w_OF: Tensor, u_OK: Tensor, b_O: Tensor, d_O: Tensor
    ) -> Tensor:
        channels, h_RK = h_RC.shape[1], h_RC[:, : u_OK.shape[1]]
        gates, of_state = torch.addmm(b_O, x_RF, w_OF.t()), torch.addmm(d_O, h_RK, u_OK.t())
        both, n = gates.tensor_split([2 * channels], dim=1)
        r, z = both.add_(of_state[:, : 2 * channels]).sigmoid_().chunk(2, dim=1)
        reset = of_state[:, 2 * channels :].clone()  # what r multiplies
        n.addcmul_(r, reset).tanh_()
        ctx.save_for_backward(x_RF, h_RC, w_OF, u_OK, gates, reset)
        return torch.lerp(n, h_RC, z)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_after: Tensor) -> tuple[Tensor | None, ...]:
        x_RF, h_RC, w_OF, u_OK, gates, reset = ctx.saved_tensors
        r, z, n = gates.chunk(3, dim=1)
        d_gates = torch.empty_like(gates)
        d_r, d_z, d_n = d_gates.chunk(3, dim=1)
        _tanh_backward(torch.addcmul(d_after, d_after, z, value=-1), n, grad_input=d_n)
        _sigmoid_backward((h_RC - n).mul_(d_after), z, grad_input=d_z)
        _sigmoid_backward(d_n * reset, r, grad_input=d_r)
        d_x = d_gates @ w_OF if ctx.needs_input_grad[0] else None
        d_w, d_b = d_gates.t() @ x_RF, d_gates.sum(0)
        d_n.mul_(r)
        d_u = d_gates.t() @ h_RC[:, : u_OK.shape[1]]
        d_h = None
        if ctx.needs_input_grad[1]:
            d_h = d_after * z
            d_h[:, : u_OK.shape[1]].addmm_(d_gates, u_OK)
        return d_x, d_h, d_w, d_u, d_b, d_gates.sum(0)
