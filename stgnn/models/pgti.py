"""The one-cell DCRNN that the PGT-I paper trains; the full DCRNN of its own paper lives in `dcrnn`.

Axes: B batch, T past entries, H future entries (horizon, here equal to T), N graph nodes, C input
channels, which are also the hidden ones, F features.
"""

from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import NOTHING, Forecaster, Known, PositiveInt, TaskShape, require_positive
from stgnn.models.walk import walk
from stgnn.nn.recurrent.dcrnn import DCRNN


class OneCellDCRNN(Forecaster):
    """One DCRNN cell whose state is the forecast: hidden channels = input channels, nothing else.

    No decoder, no output layer: the state after past entry t is read as the forecast of entry
    t + horizon, so it has seen entries 0..t only, and it is confined to (-1, 1) in scaled units. Kept
    to reproduce that paper's tables; not comparable with any DCRNN result. At 2 channels and K = 3
    terms it has 126 parameters (theirs 150: they give the zeroth term two matrices that add up).

    Source: PGT-I, "Scaling Spatiotemporal GNNs with Memory-Efficient Distributed Training", SC'25, and
    its code's `BatchedDCRNN(F, F, K=3)`.

    Args:
        max_diffusion_step: hops of each random walk (theirs: 2, that is K = 3 terms).

    Raises:
        InputError: the horizon differs from the input length.
    """

    needs_equal_lengths = True
    needs_past_target = True
    reads_past_edges = True

    def __init__(self, shape: TaskShape, graph: Graph, *, max_diffusion_step: PositiveInt) -> None:
        super().__init__(shape, graph)
        require_positive(max_diffusion_step=max_diffusion_step)
        if shape.input_len != shape.horizon:
            raise InputError(
                "task",
                f"input_len is {shape.input_len} and horizon {shape.horizon}, but the state after each past "
                "entry is the forecast of one future entry",
                "make them equal",
            )
        self.cell = DCRNN(shape.num_inputs, shape.num_inputs, max_diffusion_step + 1)

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        state_BTNC = walk(self.cell, x_BTNC, self.graphs(known))[0]
        return state_BTNC[..., : self.shape.num_outputs].to(x_BTNC.dtype)
