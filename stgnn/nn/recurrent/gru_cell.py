r"""Torch's GRU cell on a CPU, in about half the memory; no graph enters its gates.

    [r, z] = sigmoid(x W + h U + b + d)        n = tanh(x W_n + b_n + r (h U_n + d_n))        h' = z h + (1 - z) n

Torch composes the cell from a dozen operations on a CPU and keeps every result for its backward pass (on a GPU it has
one kernel). Here two products, and in place what can be.

Axes: R rows, F input features, C hidden channels.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def run_gru_cell(cell: nn.GRUCell, x_RF: Tensor, h_RC: Tensor) -> Tensor:
    """The next state `[R, C]`, in the parameters' type under autocast on a CPU."""
    if x_RF.device.type != "cpu":
        after: Tensor = cell(x_RF, h_RC)
        return after
    weights = list(cell.parameters())  # of input and state, then their biases
    dtype = weights[0].dtype
    apply = cast("Callable[..., Tensor]", _Cell.apply)
    with torch.autocast("cpu", enabled=False):
        return apply(x_RF.to(dtype), h_RC.to(dtype), *weights)


class _Cell(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_RF: Tensor, h_RC: Tensor, w_OF: Tensor, u_OC: Tensor, b_O: Tensor, d_O: Tensor
    ) -> Tensor:
        channels = h_RC.shape[1]
        gates, of_state = torch.addmm(b_O, x_RF, w_OF.t()), torch.addmm(d_O, h_RC, u_OC.t())
        both, n = gates.tensor_split([2 * channels], dim=1)
        r, z = both.add_(of_state[:, : 2 * channels]).sigmoid_().chunk(2, dim=1)
        reset = of_state[:, 2 * channels :].clone()  # what r multiplies
        n.addcmul_(r, reset).tanh_()
        ctx.save_for_backward(x_RF, h_RC, w_OF, u_OC, gates, reset)
        return torch.lerp(n, h_RC, z)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_after: Tensor) -> tuple[Tensor, ...]:
        x_RF, h_RC, w_OF, u_OC, gates, reset = ctx.saved_tensors
        r, z, n = gates.chunk(3, dim=1)
        d_gates = torch.empty_like(gates)
        d_r, d_z, d_n = d_gates.chunk(3, dim=1)
        _tanh_backward(torch.addcmul(d_after, d_after, z, value=-1), n, grad_input=d_n)
        _sigmoid_backward((h_RC - n).mul_(d_after), z, grad_input=d_z)
        _sigmoid_backward(d_n * reset, r, grad_input=d_r)
        d_x, d_w, d_b = d_gates @ w_OF, d_gates.t() @ x_RF, d_gates.sum(0)
        d_n.mul_(r)
        d_h = torch.addmm(d_after * z, d_gates, u_OC)
        return d_x, d_h, d_w, d_gates.t() @ h_RC, d_b, d_gates.sum(0)
