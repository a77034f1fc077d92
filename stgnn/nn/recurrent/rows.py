"""The backward pass of one product of basis rows with a kernel, which the recurrences share.

Axes: G blocks of samples, N graph nodes, R = G*N rows, V state columns, X input columns, A basis columns, O output
columns of the product.
"""

import torch
from torch import Tensor

from stgnn.nn.recurrent.basis import Basis


class RowConvolution:
    """Backward pass of one product a M: sums M's gradient over the steps and returns that of a."""

    def __init__(self, basis: Basis, kernel_AO: Tensor, wants_input: bool) -> None:
        self.basis = basis
        # transposed, because MKL is up to 1.9 times faster at d^T a than at a^T d
        self.d_kernel_OA = kernel_AO.new_zeros(kernel_AO.shape[::-1])
        wanted = basis.input.stop if wants_input else basis.state.stop
        self.transposed_OA = basis.rounded(kernel_AO.t()[:, :wanted])

    def backward(self, d_RO: Tensor, factor_RA: Tensor, from_zero: bool) -> Tensor:
        """Add d^T a to the kernel's gradient; return the wanted columns of d M^T, `[G, N, columns]`."""
        used = self.basis.used(from_zero)
        d_kernel, d_rounded = self.d_kernel_OA[:, used], self.basis.rounded(d_RO)
        if self.basis.reduced is None:
            d_kernel.addmm_(d_rounded.t(), factor_RA)
        else:
            d_kernel.add_(torch.mm(d_rounded.t(), factor_RA))
        d_rows = self.basis.product(d_rounded, self.transposed_OA[:, used])
        return d_rows.view(*self.basis.shape[:2], d_rows.shape[1])

    def to_state(self, d_rows_GNA: Tensor) -> Tensor:
        """What reaches the state through all its terms, `[R, V]`; written over the rows."""
        columns = d_rows_GNA[..., self.basis.state]
        return self.basis.terms.state.gather(columns, self.basis.reduced).flatten(0, 1)

    def to_input(self, d_rows_GNA: Tensor, *d_others_GNA: Tensor) -> Tensor:
        """What reaches the input through all terms of all products, `[G, N, X]`; written over the first rows."""
        inputs = self.basis.input.stop - self.basis.input.start
        columns = d_rows_GNA[..., -inputs:]
        for d_other_GNA in d_others_GNA:
            columns.add_(d_other_GNA[..., -inputs:])
        return self.basis.terms.input.gather(columns, self.basis.reduced)
