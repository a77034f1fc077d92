"""DCRNN on single snapshots; the layer lives in `stgnn.nn.recurrent.dcrnn`."""

from typing import cast

from torch import Tensor

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.snapshot.regressor import SnapshotRegressor
from stgnn.nn.recurrent.dcrnn import DCRNN


class SnapshotDCRNN(SnapshotRegressor):
    """Diffusion convolutional gated recurrent unit, one step.

    Args:
        hidden_channels: width of the layer (theirs: 32).
        max_diffusion_step: hops of each random walk (theirs: 0, which sees no neighbour).
        dropout: share of channels that training leaves out (theirs: 0.5).
    """

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        hidden_channels: PositiveInt,
        max_diffusion_step: int,
        dropout: float,
    ) -> None:
        require_positive(hidden_channels=hidden_channels)
        super().__init__(shape, graph, hidden_channels, dropout)
        self.cell = DCRNN(self.num_features(shape), hidden_channels, max_diffusion_step + 1)

    def step_once(self, x_BNF: Tensor, graph: Graph) -> Tensor:
        """The state after the step."""
        return cast("Tensor", self.cell(x_BNF, graph))
