r"""The recurrence of a gated cell on a graph, over a whole sequence, with its backward pass written by hand.

Every cell here whose state is a GRU's is this recurrence with kernels of its own (T-GCN's state takes no hops).
D_0 = I and D_1 .. D_{S-1} are powers of graph operators, or Chebyshev polynomials in one:

    [z, r] = sigmoid(sum_s D_s [h, x] W_s + b)
    c      = tanh(sum_s D_s [r h, x] V_s + d)
    h'     = z h + (1 - z) c

**Forward.** Each convolution is one product a M with the rows a of `basis`; what x contributes to a is shared by
both. A zero first state contributes nothing, so its columns are left out.

**Backward.** dh is the gradient of h'; dz, dr, dc are those before the sigmoid or tanh; a' are the candidate's rows:

    dc    = dh (1 - z) (1 - c^2)                   dM_c += a'^T dc             da' = dc M_c^T
    dz    = dh (h - c) z (1 - z)
    d(rh) = sum_s D_s^T da'_s                      dr    = d(rh) h r (1 - r)
    dM_g += a^T [dz, dr]                           da    = [dz, dr] M_g^T
    dh   <- dh z + d(rh) r + sum_s D_s^T da_s      over the state's columns of da
    dx    = sum_s D_s^T (da + da')_s               over the input's columns

Autograd over the same operations takes 1.8 times as long: it allocates every intermediate anew and keeps them all.

**Precision.** Rows, gates, states and sums over steps are float32 (float64 for float64 input); only the factors of
matrix products are rounded to `precision`. bfloat16 moved states by less than 0.003 in 12 steps on METR-LA.

**Memory.** Kept for the backward pass: gates and, up to `basis.KEEP_AT_MOST`, rows, whose first columns are the states
before; beyond that they are filled again from states. Those returned are the caller's, so these are copies.

Axes: T entries, G blocks of samples, N graph nodes, R = G*N rows, V state columns, X input columns, A basis columns,
O output columns of a product.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from stgnn.nn.recurrent.basis import Basis, Terms, worth_keeping
from stgnn.nn.recurrent.rows import RowConvolution

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def gated_recurrence(
    x_TGNX: Tensor,
    h_GNV: Tensor | None,
    gates_A2V: Tensor,
    candidate_AV: Tensor,
    terms: Terms,
    precision: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """All states `[T, G, N, V]` and the last one `[G, N, V]`, starting from h (None: from zero).

    The kernels are those of `basis.basis_kernel`; all tensors are of one type, float32 or float64.
    """
    apply = cast("Callable[..., tuple[Tensor, Tensor]]", _GatedRecurrence.apply)
    recorded = torch.is_grad_enabled()  # inside `forward` it never is
    return apply(x_TGNX, h_GNV, gates_A2V, candidate_AV, terms, precision, recorded)


class _GatedRecurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_TGNX: Tensor,
        h_GNV: Tensor | None,
        gates_A2V: Tensor,
        candidate_AV: Tensor,
        terms: Terms,
        precision: torch.dtype,
        recorded: bool,
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        keep = recorded and worth_keeping(x_TGNX, 2 * len(candidate_AV), precision)
        ctx.basis_arguments = terms, precision, keep
        with torch.autocast(x_TGNX.device.type, enabled=False):
            basis = Basis(terms, x_TGNX, len(candidate_AV), candidate_AV.shape[1], precision, keep)
            states_TGNV, steps = _run(basis, x_TGNX, h_GNV, gates_A2V, candidate_AV, recorded)
            before = _states_to_keep(basis, states_TGNV[:-1]) if recorded else None
        kinds = [tensor for kind in zip(*steps, strict=True) for tensor in kind]
        ctx.save_for_backward(x_TGNX, h_GNV, gates_A2V, candidate_AV, before, *kinds)
        return states_TGNV, states_TGNV[-1].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_states: Tensor | None, d_last: Tensor | None) -> tuple[Tensor | None, ...]:
        x_TGNX, h_GNV, gates_A2V, candidate_AV, *saved = ctx.saved_tensors
        terms, precision, keep = ctx.basis_arguments
        with torch.autocast(x_TGNX.device.type, enabled=False):
            basis = Basis(terms, x_TGNX, len(candidate_AV), candidate_AV.shape[1], precision, keep)
            kernels, wants_x = (gates_A2V, candidate_AV), ctx.needs_input_grad[0]
            backward = _BackwardPass(basis, x_TGNX, h_GNV, kernels, saved, wants_x)
            d_h = backward.run(d_states, d_last)
        of_h = None if h_GNV is None else d_h.view_as(h_GNV)
        of_kernels = backward.gates.d_kernel_OA.t(), backward.candidate.d_kernel_OA.t()
        return backward.d_x, of_h, *of_kernels, None, None, None


def _run(
    basis: Basis,
    x_TGNX: Tensor,
    h_GNV: Tensor | None,
    gates_A2V: Tensor,
    candidate_AV: Tensor,
    recorded: bool,
) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    """The states, and for each step what the backward pass needs: gates, candidate and, if kept, both factors."""
    gates_kernel, candidate_kernel = basis.rounded(gates_A2V), basis.rounded(candidate_AV)
    columns = candidate_AV.shape[1]
    states_TGNV = basis.empty(*x_TGNX.shape[:3], columns)
    h = None if h_GNV is None else h_GNV.flatten(0, 1)
    steps: list[tuple[Tensor, ...]] = []
    for t, state in enumerate(states_TGNV.flatten(1, 2).unbind()):
        zero = h is None
        used = basis.used(zero)
        rows = basis.rows()
        basis.enter_input(rows, t)
        if h is not None:
            basis.enter_state(rows, h)
        factor = candidate_factor = basis.factor(rows, zero)
        gates = basis.product(factor, gates_kernel[used]).sigmoid_()
        z, r = gates[:, :columns], gates[:, columns:]
        if h is not None:
            rows = basis.rows_after(rows)
            basis.enter_state(rows, h, r)
            candidate_factor = basis.factor(rows, zero)
        c = basis.product(candidate_factor, candidate_kernel[used]).tanh_()
        torch.addcmul(c, c, z, value=-1, out=state) if h is None else torch.lerp(c, h, z, out=state)
        if recorded:
            steps.append((gates, c, factor, candidate_factor) if basis.keep else (gates, c))
        h = state
    return states_TGNV, steps


def _states_to_keep(basis: Basis, states_TGNV: Tensor) -> Tensor | None:
    """Copies of the states, unless kept rows hold them as they are."""
    if basis.keep and basis.reduced is None:
        return None
    return basis.empty(*states_TGNV.shape).copy_(states_TGNV)


class _BackwardPass:
    """From the last step to the first, with the gradient of the state in `d_h`."""

    def __init__(
        self,
        basis: Basis,
        x_TGNX: Tensor,
        h_GNV: Tensor | None,
        kernels: tuple[Tensor, Tensor],
        saved: list[Tensor | None],
        wants_x: bool,
    ) -> None:
        self.basis, self.x, self.columns = basis, x_TGNX, kernels[1].shape[1]
        self.gates, self.candidate = (RowConvolution(basis, kernel, wants_x) for kernel in kernels)
        self.d_x = basis.empty(*x_TGNX.shape) if wants_x else None
        states, *others = saved
        self.first = None if h_GNV is None else h_GNV.flatten(0, 1)
        entries, kept = len(x_TGNX), cast("list[Tensor]", others)
        kinds = [kept[i : i + entries] for i in range(0, len(kept), entries)]
        self.gate_values, self.candidates, *self.factors = kinds
        self.states = self._in_rows() if states is None else states.flatten(1, 2).unbind()
        self.d_gates = basis.empty(*self.gate_values[0].shape)
        self.d_c, self.spare = (torch.empty_like(self.candidates[0]) for _ in range(2))

    def _in_rows(self) -> Sequence[Tensor]:
        """The states before all entries but the first, as columns of kept rows."""
        return [factor[:, : self.columns] for factor in self.factors[0][1:]]

    def run(self, d_states_TGNV: Tensor | None, d_last_GNV: Tensor | None) -> Tensor:
        """The gradient of the state before the first step, `[R, V]`; the others gather in the members."""
        d_h = torch.zeros_like(self.spare)
        if d_last_GNV is not None:
            d_h.copy_(d_last_GNV.reshape(d_h.shape))
        for t in reversed(range(len(self.x))):
            if d_states_TGNV is not None:
                d_h.add_(d_states_TGNV[t].reshape(d_h.shape))
            d_h = self._step(t, d_h)
        return d_h

    def _step(self, t: int, d_h: Tensor) -> Tensor:
        h, c = self.states[t - 1] if t else self.first, self.candidates[t]
        z, r = self.gate_values[t].split(self.columns, dim=1)
        d_z, d_r = self.d_gates.split(self.columns, dim=1)
        through_c = torch.addcmul(d_h, d_h, z, value=-1, out=self.spare)
        _tanh_backward(through_c, c, grad_input=self.d_c)
        torch.neg(c, out=d_z) if h is None else torch.sub(h, c, out=d_z)
        d_z.mul_(z).mul_(through_c)
        d_candidate_rows = self.candidate.backward(self.d_c, self._candidate_factor(t, h, r), h is None)
        if h is None:
            d_r.zero_()
        else:
            d_rh = self.candidate.to_state(d_candidate_rows)
            _sigmoid_backward(torch.mul(d_rh, h, out=self.spare), r, grad_input=d_r)
            d_h.mul_(z).addcmul_(d_rh, r)
        d_gates_rows = self.gates.backward(self.d_gates, self._gates_factor(t, h), h is None)
        if h is not None:
            d_h.add_(self.gates.to_state(d_gates_rows))
        if self.d_x is not None:
            self.d_x[t] = self.gates.to_input(d_gates_rows, d_candidate_rows)
        return d_h

    def _candidate_factor(self, t: int, h: Tensor | None, r: Tensor) -> Tensor:
        if self.basis.keep:
            return self.factors[1][t]
        rows = self.basis.rows()
        self.basis.enter_input(rows, t)
        if h is not None:
            self.basis.enter_state(rows, h, r)
        return self.basis.factor(rows, h is None)

    def _gates_factor(self, t: int, h: Tensor | None) -> Tensor:
        if self.basis.keep:
            return self.factors[0][t]
        rows = self.basis.rows()  # those just filled for the candidate: they hold the input already
        if h is not None:
            self.basis.enter_state(rows, h)
        return self.basis.factor(rows, h is None)
