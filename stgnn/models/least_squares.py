"""The linear baseline at its optimum: the affine map from window to forecast with the least squared error.

Axes: B batch, T past entries, H future entries, N graph nodes, C input channels, F features to forecast, R rows (the
graph nodes of all windows of a batch), P = T * C + 1 (the last is the constant), M = H * F.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import NOTHING, FittedOnWindows, Known, ScaledWindows, TaskShape, split_horizon

SMALLEST_EIGENVALUE = (
    1e-12  # relative; below are combinations of inputs that are constant, such as sums of one-hots
)


class LeastSquares(FittedOnWindows):
    """y_n = W vec(x_n) + b with `W [H*F, T*C]`: what `linear` is after training, without training.

    Exact for the squared error in scaled units, over the targets that are not null; so too in raw units unless each
    graph node has its own scale. Where inputs determine each other the smallest weights are taken. Normal equations:
    memory O(M P^2), whatever the signal's length, and the same result for any number of workers.

    Source: ordinary least squares, an autoregression of order T that all graph nodes share.
    """

    uses_graph = False

    weight_MP: Tensor

    def __init__(self, shape: TaskShape, graph: Graph) -> None:
        super().__init__(shape, graph)
        self.register_buffer("weight_MP", torch.empty(0))

    def fit(self, windows: Iterable[ScaledWindows], add_up: Callable[[Tensor], Tensor]) -> None:
        """Solve the normal equations of each step and feature, summed in float64.

        Raises:
            InputError: a feature has no target that is not null.
        """
        outputs, inputs = self.shape.horizon * self.shape.num_outputs, self._num_inputs + 1
        gram_MPP = self.weight_MP.new_zeros(outputs, inputs, inputs, dtype=torch.float64)
        moment_MP = self.weight_MP.new_zeros(outputs, inputs, dtype=torch.float64)
        for x_BTNC, y_BHNF, valid_BHNF in windows:
            x_RP = functional.pad(self._rows(x_BTNC).flatten(0, 1).double(), (0, 1), value=1.0)
            columns = zip(_by_output(y_BHNF), _by_output(valid_BHNF), strict=True)
            for output, (y_R, valid_R) in enumerate(columns):
                valid_x_PR = torch.where(valid_R[:, None], x_RP, 0.0).T
                gram_MPP[output] += valid_x_PR @ x_RP
                moment_MP[output] += valid_x_PR @ y_R.double()
        weight_MP = _solve(add_up(gram_MPP), add_up(moment_MP))
        self.weight_MP = weight_MP.to(self.weight_MP)

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        if self.weight_MP.numel() == 0:
            raise RuntimeError("fit the baseline, or load a fitted state, before forecasting")
        weight_MP = self.weight_MP.to(x_BTNC.dtype)
        y_BNM = functional.linear(self._rows(x_BTNC), weight_MP[:, :-1], weight_MP[:, -1])
        return split_horizon(y_BNM, self.shape).to(x_BTNC.dtype)

    @property
    def _num_inputs(self) -> int:
        return self.shape.input_len * self.shape.num_inputs

    def _rows(self, x_BTNC: Tensor) -> Tensor:
        """The window of each graph node in one row, `[B, N, T * C]`."""
        return x_BTNC.transpose(1, 2).flatten(2)


def _by_output(y_BHNF: Tensor) -> Tensor:
    """The entries of each step and feature, `[M, R]`, steps before features as in a head."""
    return y_BHNF.permute(1, 3, 0, 2).flatten(2).flatten(0, 1)


def _solve(gram_MPP: Tensor, moment_MP: Tensor) -> Tensor:
    """The smallest weights `[M, P]` with the least squared error."""
    if (gram_MPP[:, -1, -1] == 0).any():
        raise InputError(
            "training windows", "a feature has no target that is not null", "widen the training split"
        )
    # In units of each input's own size, so that what is small is small whatever the inputs' units.
    size_MP = gram_MPP.diagonal(dim1=1, dim2=2).sqrt()
    size_MP = torch.where(size_MP > 0, size_MP, 1.0)
    alike_MPP = gram_MPP / (size_MP[:, :, None] * size_MP[:, None])
    inverse_MPP = torch.linalg.pinv(alike_MPP, rtol=SMALLEST_EIGENVALUE, hermitian=True)
    weight_MP: Tensor = (inverse_MPP @ (moment_MP / size_MP)[..., None])[..., 0] / size_MP
    return weight_MP
