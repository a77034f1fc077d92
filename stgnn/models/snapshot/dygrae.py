"""DyGrAE on single snapshots; the layer lives in `stgnn.nn.recurrent.dygrae`."""

from typing import cast

from torch import Tensor

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.snapshot.regressor import SnapshotRegressor
from stgnn.nn.recurrent.dygrae import DyGrEncoder


class SnapshotDyGrAE(SnapshotRegressor):
    """The encoder of DyGrAE, one step.

    Args:
        hidden_channels: width of the layer (theirs: 32).
        conv_layers: rounds of the gated graph convolution (theirs: 1).
        dropout: share of channels that training leaves out (theirs: 0.5).
    """

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        hidden_channels: PositiveInt,
        conv_layers: PositiveInt,
        dropout: float,
    ) -> None:
        require_positive(hidden_channels=hidden_channels, conv_layers=conv_layers)
        super().__init__(shape, graph, hidden_channels, dropout)
        width = max(hidden_channels, self.num_features(shape))  # the convolution pads, it does not cut
        self.layer = DyGrEncoder(width, conv_layers, "mean", hidden_channels, 1)

    def step_once(self, x_BNF: Tensor, graph: Graph) -> Tensor:
        """The state after the step."""
        return cast("Tensor", self.layer(x_BNF, graph)[0])
