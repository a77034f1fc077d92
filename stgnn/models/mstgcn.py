"""MSTGCN as a forecaster; its network lives in `stgnn.nn.attention.mstgcn`.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input channels, F features to forecast.
"""

from typing import cast

from torch import Tensor

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import DirectForecaster
from stgnn.nn.attention.mstgcn import MSTGCN


class MSTGCNForecaster(DirectForecaster):
    """Blocks of graph and temporal convolutions, and one convolution at the end: ASTGCN without attention.

    The paper's recent component: its daily and weekly ones see entries before the window.

    Source: Guo, Lin, Feng, Song, Wan, "Attention Based Spatial-Temporal Graph Convolutional Networks for Traffic Flow
    Forecasting", AAAI 2019, where it is the baseline that attention is added to.

    Args:
        hidden_channels: width of graph and temporal convolutions (paper: 64).
        num_blocks: blocks on top of each other (paper: 2).
        filter_taps: K, terms of each Chebyshev filter (paper: 3).
    """

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        hidden_channels: PositiveInt,
        num_blocks: PositiveInt,
        filter_taps: PositiveInt,
    ) -> None:
        require_positive(hidden_channels=hidden_channels, num_blocks=num_blocks, filter_taps=filter_taps)
        super().__init__(shape, graph)
        self.network = MSTGCN(
            num_blocks,
            shape.num_inputs,
            filter_taps,
            hidden_channels,
            hidden_channels,
            time_strides=1,
            num_for_predict=shape.horizon * shape.num_outputs,
            len_input=shape.input_len,
        )

    def values(self, x_BTNC: Tensor) -> Tensor:
        """The network's outputs, `[B, N, H * F]`."""
        return cast("Tensor", self.network(x_BTNC.permute(0, 2, 3, 1), self.graph))
