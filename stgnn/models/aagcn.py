"""AAGCN as a forecaster; its layers live in `stgnn.nn.attention.tsagcn`.

Axes: B batch, T past entries, N graph nodes, C input or hidden channels, S entries that strides leave.
"""

from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import EncodingForecaster
from stgnn.nn.attention.tsagcn import AAGCN

WIDENED = (4, 7)  # blocks that double the channels and halve the entries, counted from 0
LEAST_CHANNELS = 4  # an adjacency that attends to the data is embedded in a quarter of them


class AAGCNForecaster(EncodingForecaster):
    """Blocks of adaptive graph convolution and convolution over entries, and a linear map from what they leave.

    Blocks 5 and 8 double the channels and halve the entries, as in the paper, whose network recognises actions: it
    averages over entries and joints where this keeps the entries of each graph node. The attention over graph nodes
    is a convolution along their order, so the forecasts depend on that order.

    Source: Shi, Zhang, Cheng, Lu, "Skeleton-Based Action Recognition with Multi-Stream Adaptive Graph Convolutional
    Networks", IEEE TIP 2020, figure 5.

    Args:
        hidden_channels: width of the first blocks (paper: 64).
        num_blocks: blocks on top of each other (paper: 10).

    Raises:
        InputError: fewer than 4 hidden channels.
    """

    def __init__(
        self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt, num_blocks: PositiveInt
    ) -> None:
        require_positive(hidden_channels=hidden_channels, num_blocks=num_blocks)
        if hidden_channels < LEAST_CHANNELS:
            raise InputError("hidden_channels", f"is {hidden_channels}", f"give at least {LEAST_CHANNELS}")
        width, channels, left = shape.num_inputs, hidden_channels, shape.input_len
        blocks = []
        for block in range(num_blocks):
            stride = 2 if block in WIDENED else 1
            channels, left = channels * stride, -(-left // stride)
            blocks.append(AAGCN(width, channels, graph, shape.num_nodes, stride, residual=block > 0))
            width = channels
        super().__init__(shape, graph, left * channels)
        self.blocks = nn.ModuleList(blocks)

    def encode(self, x_BTNC: Tensor) -> Tensor:
        """All entries and channels left in one row, `[B, N, S * C]`."""
        x_BCTN = x_BTNC.permute(0, 3, 1, 2)
        for block in self.blocks:
            x_BCTN = block(x_BCTN)
        return x_BCTN.permute(0, 3, 2, 1).flatten(2)
