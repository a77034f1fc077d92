"""The diffusion basis of a graph convolution: one wide row per graph node, so that the convolution is one product.

    a = [D_0 h .. D_{S-1} h | D_0 x .. D_{S-1} x | 1 0 .. 0]        sum_s D_s [h, x] W_s + b = a M

The recurrences over such rows are in `gru` and `lstm`. State and input may have different terms.

Axes: T entries, G blocks of samples, N graph nodes, R = G*N rows, V state columns, X input columns, S terms,
A basis columns, O output channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from stgnn.graph.operators import NARROW, Operator
from stgnn.nn import buffers

# Bytes of rows that one sequence keeps for its backward pass. Filling them again instead costs 6 % of a step in
# float32 and 19 % in bfloat16.
KEEP_AT_MOST = 1 << 29
ALIGN = 16  # columns: rows that start on cache lines make hops 1.4x and weight gradients 1.5x faster


@dataclass(frozen=True)
class Diffusion:
    """The terms D_0 = I and, for each operator P, P^1 .. P^hops, applied inside the columns of one buffer.

    With `chebyshev` they are T_1(P) .. T_hops(P) by their recursion, T_k = 2 P T_(k-1) - T_(k-2). As sums of powers
    they would be wrong from T_7 on in float32: the coefficients grow as 2^(k-1) and cancel.
    """

    operators: tuple[Operator, ...] = ()
    hops: int = 0
    chebyshev: bool = False

    @property
    def terms(self) -> int:
        """S, the number of terms."""
        return 1 + len(self.operators) * self.hops

    def spread(self, columns_GNW: Tensor, precision: torch.dtype | None = None) -> None:
        """The columns are S slots side by side: fill slots 1.. from slot 0."""
        for operator, chain in self._chains(columns_GNW):
            for k in range(1, len(chain)):
                scale, minus = (2.0, chain[k - 2]) if self.chebyshev and k > 1 else (1.0, None)
                operator.hop(chain[k - 1], chain[k], precision=precision, scale=scale, minus=minus)

    def gather(self, columns_GNW: Tensor, precision: torch.dtype | None = None) -> Tensor:
        """Add sum_s D_s^T slot_s into slot 0, in place, and return it: Horner's rule, Clenshaw's for `chebyshev`."""
        for operator, chain in self._chains(columns_GNW):
            for k in range(self.hops, 0, -1):
                recursive = self.chebyshev and k > 1
                scale = 2.0 if recursive else 1.0
                operator.T.hop(chain[k], chain[k - 1], add=True, precision=precision, scale=scale)
                if recursive:
                    chain[k - 2].sub_(chain[k])
        return columns_GNW.chunk(self.terms, dim=2)[0]

    def _chains(self, columns_GNW: Tensor) -> Iterator[tuple[Operator, tuple[Tensor, ...]]]:
        """Each operator and the slots of its terms, from slot 0 on."""
        first, *others = columns_GNW.chunk(self.terms, dim=2)
        for i, operator in enumerate(self.operators):
            yield operator, (first, *others[i * self.hops : (i + 1) * self.hops])


@dataclass(frozen=True)
class Terms:
    """What a convolution applies to the state and to the input."""

    state: Diffusion
    input: Diffusion


def worth_keeping(x_TGNX: Tensor, rows: int, precision: torch.dtype) -> bool:
    """Whether rows of that many columns a graph node stay below KEEP_AT_MOST over the whole sequence."""
    entries, groups, nodes, _ = x_TGNX.shape
    return entries * groups * nodes * rows * precision.itemsize <= KEEP_AT_MOST


def basis_kernel(
    state_SVO: Tensor, input_SXO: Tensor, bias_O: Tensor | None, outputs: int, group: int
) -> Tensor:
    """M: kernels `[S, channels, gates * outputs]` of state and input laid out as the basis is, `[A, gates * V]`.

    With `group` samples side by side in one row (V = group * outputs, X = group * inputs) the kernels repeat along
    a block diagonal.
    """
    total = state_SVO.shape[2]
    same = torch.eye(group, dtype=state_SVO.dtype, device=state_SVO.device)

    def repeated(kernel: Tensor) -> Tensor:
        by_gate = kernel.unflatten(2, (total // outputs, outputs))
        return torch.einsum("sugo,bd->sbugdo", by_gate, same).reshape(-1, group * total)

    bias = state_SVO.new_zeros(total) if bias_O is None else bias_O
    constant = beside(bias.view(-1, outputs), group).reshape(1, -1)
    state, entered = repeated(state_SVO), repeated(input_SXO)
    padding = constant.new_zeros(-(len(state) + len(entered) + 1) % ALIGN, constant.shape[1])
    return torch.cat([state, entered, constant, padding])


def beside(vectors_PO: Tensor, group: int) -> Tensor:
    """Vectors over channels repeated for `group` samples side by side, `[P, V]`."""
    return vectors_PO.unsqueeze(1).expand(-1, group, -1).flatten(1)


class Basis:
    """Fills the rows of one step after another and hands them over as left factors of products.

    Rows are float32 or float64; where products are to run in a smaller `precision` the factors are copies in it.
    With `keep` no factor is overwritten by a later one.
    """

    def __init__(
        self, terms: Terms, x_TGNX: Tensor, columns: int, state: int, precision: torch.dtype, keep: bool
    ) -> None:
        self.terms, self.x, self.keep = terms, x_TGNX, keep
        self.shape, self.dtype, self.device = (*x_TGNX.shape[1:3], columns), x_TGNX.dtype, x_TGNX.device
        self.state = slice(0, terms.state.terms * state)
        self.input = slice(self.state.stop, self.state.stop + terms.input.terms * x_TGNX.shape[3])
        self.reduced = None if precision == self.dtype else precision
        self._shared: Tensor | None = None

    def rows(self) -> Tensor:
        """Rows to fill: fresh ones where they are kept as they are, else the same ones every time."""
        if self.keep and self.reduced is None:
            return self._new()
        if self._shared is None:
            self._shared = self._new()
        return self._shared

    def rows_after(self, rows_GNA: Tensor) -> Tensor:
        """Rows to fill whose input columns are already those of the given ones."""
        after = self.rows()
        if after is not rows_GNA:
            after[..., self.input] = rows_GNA[..., self.input]
        return after

    def enter_input(self, rows_GNA: Tensor, t: int) -> None:
        """Fill the input columns of entry t."""
        columns = rows_GNA[..., self.input]
        if self.x.shape[3] < NARROW:
            columns.copy_(self._diffused_x[t])
        else:
            columns[..., : self.x.shape[3]] = self.x[t]
            self.terms.input.spread(columns, self.reduced)

    @cached_property
    def _diffused_x(self) -> Tensor:
        """[T, G, N, S*X]: few input columns are diffused for all entries at once."""
        entries, groups, nodes, inputs = self.x.shape
        columns = self.empty(entries * groups, nodes, self.terms.input.terms * inputs)
        columns[..., :inputs] = self.x.flatten(0, 1)
        self.terms.input.spread(columns, self.reduced)
        return columns.view(entries, groups, nodes, columns.shape[2])

    def enter_state(self, rows_GNA: Tensor, h_RV: Tensor, reset_RV: Tensor | None = None) -> None:
        """Fill the state columns from h, or from reset * h."""
        columns = rows_GNA[..., self.state]
        first = columns.flatten(0, 1)[:, : h_RV.shape[1]]
        first.copy_(h_RV) if reset_RV is None else torch.mul(reset_RV, h_RV, out=first)
        self.terms.state.spread(columns, self.reduced)

    def used(self, from_zero: bool) -> slice:
        """The columns that count: all, or without the state's where that is zero."""
        return slice(self.input.start if from_zero else 0, self.shape[2])

    def factor(self, rows_GNA: Tensor, from_zero: bool) -> Tensor:
        """The used columns as the left factor `[R, A]` of a product."""
        factor = rows_GNA.flatten(0, 1)[:, self.used(from_zero)]
        return factor if self.reduced is None else self.rounded(factor)

    def rounded(self, matrix: Tensor) -> Tensor:
        """A copy in the products' precision, or the matrix itself where it has it already."""
        if self.reduced is None:
            return matrix
        return self.empty(*matrix.shape, dtype=self.reduced).copy_(matrix)

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """left @ right, of factors in the products' precision, in the rows' type."""
        result = self.empty(left.shape[0], right.shape[1])
        if self.reduced is None:
            return torch.mm(left, right, out=result)
        rounded = self.empty(*result.shape, dtype=self.reduced)
        return result.copy_(torch.mm(left, right, out=rounded))

    def empty(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """A new tensor of the rows' type (or the given one) on their device."""
        return buffers.empty(shape, dtype or self.dtype, self.device)

    def _new(self) -> Tensor:
        rows = self.empty(*self.shape)
        rows[..., self.input.stop] = 1
        rows[..., self.input.stop + 1 :] = 0
        return rows
