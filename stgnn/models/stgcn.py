"""STGCN as a forecaster; its blocks live in `stgnn.nn.attention.stgcn`.

Axes: B batch, T past entries, N graph nodes, C input or hidden channels.
"""

from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import EncodingForecaster
from stgnn.nn.attention.stgcn import STConv, TemporalConv


class STGCNForecaster(EncodingForecaster):
    """Spatio-temporal convolutional blocks, a temporal convolution over what they leave, and a linear map.

    The paper forecasts one entry and feeds it back; this maps to the whole horizon at once.

    Source: Yu, Yin, Zhu, "Spatio-Temporal Graph Convolutional Networks: A Deep Learning Framework for Traffic
    Forecasting", IJCAI 2018, figure 2.

    Args:
        hidden_channels: width of the blocks' outputs (paper: 64).
        bottleneck_channels: width of the graph convolution inside each block (paper: 16).
        num_blocks: blocks on top of each other (paper: 2).
        kernel_size: entries that a temporal convolution sees; each block has two (paper: 3).
        filter_taps: K, terms of each Chebyshev filter (paper: 3).

    Raises:
        InputError: the blocks leave no entry of the window.
    """

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        hidden_channels: PositiveInt,
        bottleneck_channels: PositiveInt,
        num_blocks: PositiveInt,
        kernel_size: PositiveInt,
        filter_taps: PositiveInt,
    ) -> None:
        require_positive(
            hidden_channels=hidden_channels,
            bottleneck_channels=bottleneck_channels,
            num_blocks=num_blocks,
            kernel_size=kernel_size,
            filter_taps=filter_taps,
        )
        least = self.least_input_len(num_blocks, kernel_size)
        if shape.input_len < least:
            raise InputError(
                "input_len",
                f"is {shape.input_len}, but {num_blocks} blocks of kernel_size {kernel_size} need {least} entries",
                "set a longer input_len, a smaller kernel_size or fewer num_blocks",
            )
        super().__init__(shape, graph, hidden_channels)
        widths = [shape.num_inputs] + [hidden_channels] * (num_blocks - 1)
        self.blocks = nn.ModuleList(
            STConv(shape.num_nodes, width, bottleneck_channels, hidden_channels, kernel_size, filter_taps)
            for width in widths
        )
        self.last = TemporalConv(hidden_channels, hidden_channels, shape.input_len - least + 1)

    @staticmethod
    def least_input_len(num_blocks: int, kernel_size: int) -> int:
        """Entries of which the blocks, two convolutions each, leave one."""
        return 2 * num_blocks * (kernel_size - 1) + 1

    def encode(self, x_BTNC: Tensor) -> Tensor:
        """What the last temporal convolution makes of all entries left, `[B, N, C]`."""
        for block in self.blocks:
            x_BTNC = block(x_BTNC, self.graph)
        encoded_B1NC: Tensor = self.last(x_BTNC)
        return encoded_B1NC.squeeze(1)
