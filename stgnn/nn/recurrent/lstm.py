r"""The recurrence of a long short-term memory on a graph, over a whole sequence, with its backward pass by hand.

D_0 = I and D_1 .. are the terms of the state, E_0 = I and E_1 .. those of the input; p are peepholes, if any:

    [i, f, o, g] = sum_s D_s h W_s + sum_s E_s x V_s + b
    i, f         = sigmoid(i + p_i c), sigmoid(f + p_f c)         g = tanh(g)
    c'           = f c + i g                                      o = sigmoid(o + p_o c')
    h'           = o tanh(c')

**Forward.** The gates are one product a M with the rows a of `basis`. Zero first states contribute nothing.

**Backward.** dh and dc are the gradients of h' and c'; di, df, do, dg those before the sigmoid or tanh:

    do    = dh tanh(c') o (1 - o)                  dc   += dh o (1 - tanh(c')^2) + do p_o
    di    = dc g i (1 - i)                         dg    = dc i (1 - g^2)
    df    = dc c f (1 - f)                         dM   += a^T [di, df, do, dg],  da = [di, df, do, dg] M^T
    dc   <- dc f + di p_i + df p_f                 dh   <- sum_s D_s^T da_s over the state's columns of da
    dp_i += di c,  dp_f += df c,  dp_o += do c'    dx    = sum_s E_s^T da_s over the input's columns

Precision is that of `gru`; kept for the backward pass are cell states, gates and, up to `basis.KEEP_AT_MOST`, rows.
States are not: they are the caller's, and o tanh(c') where rows are filled again.

Axes: T entries, G blocks of samples, N graph nodes, R = G*N rows, V state columns, X input columns, A basis columns.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from stgnn.nn.recurrent.basis import Basis, Terms, worth_keeping
from stgnn.nn.recurrent.rows import RowConvolution

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input

GATES = "ifoc"  # the order of the columns: input, forget and output gate, then the candidate


def long_short_term_recurrence(
    x_TGNX: Tensor,
    before: tuple[Tensor | None, Tensor | None],
    kernel_A4V: Tensor,
    peepholes_3V: Tensor | None,
    terms: Terms,
    precision: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor]:
    """All states h `[T, G, N, V]`, the last h and the last c `[G, N, V]`, from h and c before (None: zero).

    The kernel is that of `basis.basis_kernel`, its gates i, f, o, g; all tensors are of one type, float32 or float64.
    """
    h, c = before
    if (h is None) != (c is None):
        h, c = (torch.zeros_like(cast("Tensor", c)), c) if h is None else (h, torch.zeros_like(h))
    apply = cast("Callable[..., tuple[Tensor, Tensor, Tensor]]", _LongShortTerm.apply)
    recorded = torch.is_grad_enabled()  # inside `forward` it never is
    return apply(x_TGNX, h, c, kernel_A4V, peepholes_3V, terms, precision, recorded)


class _LongShortTerm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_TGNX: Tensor,
        h_GNV: Tensor | None,
        c_GNV: Tensor | None,
        kernel_A4V: Tensor,
        peepholes_3V: Tensor | None,
        terms: Terms,
        precision: torch.dtype,
        recorded: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        keep = recorded and worth_keeping(x_TGNX, len(kernel_A4V), precision)
        ctx.basis_arguments = terms, precision, keep
        with torch.autocast(x_TGNX.device.type, enabled=False):
            basis = _basis(x_TGNX, kernel_A4V, *ctx.basis_arguments)
            run = _Forward(basis, kernel_A4V, peepholes_3V, recorded)
            run.run(x_TGNX, h_GNV, c_GNV)
        ctx.save_for_backward(
            x_TGNX, h_GNV, c_GNV, kernel_A4V, peepholes_3V, run.cells, *run.gates, *run.factors
        )
        return run.states, run.states[-1].clone(), run.cells[-1].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *d_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        x_TGNX, h_GNV, c_GNV, kernel_A4V, peepholes_3V, *saved = ctx.saved_tensors
        with torch.autocast(x_TGNX.device.type, enabled=False):
            basis = _basis(x_TGNX, kernel_A4V, *ctx.basis_arguments)
            backward = _Backward(basis, kernel_A4V, peepholes_3V, saved, ctx.needs_input_grad[0])
            d_h, d_c = backward.run(h_GNV, c_GNV, *d_outputs)
        of_h, of_c = (None, None) if h_GNV is None else (d_h.view_as(h_GNV), d_c.view_as(h_GNV))
        of_kernel = backward.convolution.d_kernel_OA.t()
        return backward.d_x, of_h, of_c, of_kernel, backward.d_peepholes, None, None, None


def _basis(x_TGNX: Tensor, kernel_A4V: Tensor, terms: Terms, precision: torch.dtype, keep: bool) -> Basis:
    columns, gates = kernel_A4V.shape
    return Basis(terms, x_TGNX, columns, gates // 4, precision, keep)


class _Forward:
    """From the first step to the last; leaves states, cell states, gates and kept rows in its members."""

    def __init__(self, basis: Basis, kernel_A4V: Tensor, peepholes_3V: Tensor | None, recorded: bool) -> None:
        self.basis, self.kernel, self.recorded = basis, basis.rounded(kernel_A4V), recorded
        self.peepholes = None if peepholes_3V is None else peepholes_3V.unbind()
        self.columns = kernel_A4V.shape[1] // 4
        self.gates: list[Tensor] = []
        self.factors: list[Tensor] = []

    def run(self, x_TGNX: Tensor, h_GNV: Tensor | None, c_GNV: Tensor | None) -> None:
        self.states, self.cells = (self.basis.empty(*x_TGNX.shape[:3], self.columns) for _ in range(2))
        h, c = (None if state is None else state.flatten(0, 1) for state in (h_GNV, c_GNV))
        every = zip(self.states.flatten(1, 2).unbind(), self.cells.flatten(1, 2).unbind(), strict=True)
        for t, (state, cell) in enumerate(every):
            self._step(t, h, c, state, cell)
            h, c = state, cell

    def _step(self, t: int, h: Tensor | None, c: Tensor | None, state: Tensor, cell: Tensor) -> None:
        factor = _factor(self.basis, t, h)
        gates = self.basis.product(factor, self.kernel[self.basis.used(h is None)])
        i, f, o, g = gates.split(self.columns, dim=1)
        if self.peepholes is not None and c is not None:
            i.addcmul_(c, self.peepholes[0])
            f.addcmul_(c, self.peepholes[1])
        gates[:, : 2 * self.columns].sigmoid_()
        torch.mul(i, g.tanh_(), out=cell)
        if c is not None:
            cell.addcmul_(f, c)
        if self.peepholes is not None:
            o.addcmul_(cell, self.peepholes[2])
        torch.tanh(cell, out=state).mul_(o.sigmoid_())
        if self.recorded:
            self.gates.append(gates)
            if self.basis.keep:
                self.factors.append(factor)


def _factor(basis: Basis, t: int, h: Tensor | None) -> Tensor:
    """The rows of entry t and the state before it, as the left factor of the product."""
    rows = basis.rows()
    basis.enter_input(rows, t)
    if h is not None:
        basis.enter_state(rows, h)
    return basis.factor(rows, h is None)


class _Backward:
    """From the last step to the first; the gradients that sum over steps gather in the members."""

    def __init__(
        self,
        basis: Basis,
        kernel_A4V: Tensor,
        peepholes_3V: Tensor | None,
        saved: list[Tensor],
        wants_x: bool,
    ) -> None:
        self.basis, self.columns = basis, kernel_A4V.shape[1] // 4
        self.convolution = RowConvolution(basis, kernel_A4V, wants_x)
        self.cells = saved[0].flatten(1, 2)  # [T, R, V]
        self.gates, self.factors = saved[1 : 1 + len(self.cells)], saved[1 + len(self.cells) :]
        self.d_x = basis.empty(*basis.x.shape) if wants_x else None
        self.peepholes = peepholes_3V
        self.d_peepholes = None if peepholes_3V is None else torch.zeros_like(peepholes_3V)
        self.d_gates = basis.empty(self.cells.shape[1], 4 * self.columns)
        self.spare, self.tanh_c = (torch.empty_like(self.cells[0]) for _ in range(2))

    def run(
        self,
        h_GNV: Tensor | None,
        c_GNV: Tensor | None,
        d_states_TGNV: Tensor | None,
        d_last_h: Tensor | None,
        d_last_c: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """The gradients of h and c before the first step, `[R, V]`."""
        first_h, first_c = (None if state is None else state.flatten(0, 1) for state in (h_GNV, c_GNV))
        d_h, d_c = (torch.zeros_like(self.spare) for _ in range(2))
        for gradient, given in ((d_h, d_last_h), (d_c, d_last_c)):
            if given is not None:
                gradient.copy_(given.reshape(gradient.shape))
        for t in reversed(range(len(self.cells))):
            if d_states_TGNV is not None:
                d_h.add_(d_states_TGNV[t].reshape(d_h.shape))
            self._through_gates(t, self.cells[t - 1] if t else first_c, d_h, d_c)
            d_h = self._through_rows(t, first_h)
        return d_h, d_c

    def _through_gates(self, t: int, c: Tensor | None, d_h: Tensor, d_c: Tensor) -> None:
        """Fill d_gates, and turn d_c into the gradient of the cell state before."""
        i, f, o, g = self.gates[t].split(self.columns, dim=1)
        d_i, d_f, d_o, d_g = self.d_gates.split(self.columns, dim=1)
        tanh_c = torch.tanh(self.cells[t], out=self.tanh_c)
        _sigmoid_backward(torch.mul(d_h, tanh_c, out=self.spare), o, grad_input=d_o)
        d_c.add_(_tanh_backward(torch.mul(d_h, o, out=self.spare), tanh_c, grad_input=self.spare))
        if self.peepholes is not None:
            d_c.addcmul_(d_o, self.peepholes[2])
        _sigmoid_backward(torch.mul(d_c, g, out=self.spare), i, grad_input=d_i)
        _tanh_backward(torch.mul(d_c, i, out=self.spare), g, grad_input=d_g)
        if c is None:
            d_f.zero_()
        else:
            _sigmoid_backward(torch.mul(d_c, c, out=self.spare), f, grad_input=d_f)
        d_c.mul_(f)
        if self.peepholes is not None:
            self._through_peepholes(t, c, d_c)

    def _through_peepholes(self, t: int, c: Tensor | None, d_c: Tensor) -> None:
        """Of those of i and f into d_c, and the gradients of all three."""
        assert self.peepholes is not None and self.d_peepholes is not None
        d_i, d_f, d_o, _ = self.d_gates.split(self.columns, dim=1)
        seen = ((0, d_i, c), (1, d_f, c), (2, d_o, self.cells[t]))
        for gate, gradient, cell in seen:
            if cell is not None:
                self.d_peepholes[gate] += torch.mul(gradient, cell, out=self.spare).sum(0)
        d_c.addcmul_(d_i, self.peepholes[0]).addcmul_(d_f, self.peepholes[1])

    def _through_rows(self, t: int, first_h: Tensor | None) -> Tensor:
        """The gradient of the state before; that of the entry goes into d_x."""
        from_zero = not t and first_h is None
        factor = self.factors[t] if self.basis.keep else _factor(self.basis, t, self._before(t, first_h))
        d_rows = self.convolution.backward(self.d_gates, factor, from_zero)
        d_h = torch.zeros_like(self.spare) if from_zero else self.convolution.to_state(d_rows)
        if self.d_x is not None:
            self.d_x[t] = self.convolution.to_input(d_rows)
        return d_h

    def _before(self, t: int, first_h: Tensor | None) -> Tensor | None:
        """The state before entry t, computed again."""
        if not t:
            return first_h
        o = self.gates[t - 1].split(self.columns, dim=1)[2]
        return torch.tanh(self.cells[t - 1], out=self.spare).mul_(o)
