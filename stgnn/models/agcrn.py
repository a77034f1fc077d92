"""AGCRN as a forecaster; its recurrent cell lives in `stgnn.nn.recurrent.agcrn`.

Axes: B batch, T past entries, N graph nodes, C input or hidden channels, D embedding dimensions.
"""

from typing import cast

import torch
from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import EncodingForecaster
from stgnn.nn.recurrent.agcrn import AGCRN


class AGCRNForecaster(EncodingForecaster):
    """Layers of adaptive graph convolutional GRUs over the window, and a linear map from the top one's last state.

    The graph is learned: one embedding of each graph node serves all layers, and the dataset's edges take no part.

    Source: Bai, Yao, Li, Wang, Wang, "Adaptive Graph Convolutional Recurrent Network for Traffic Forecasting",
    NeurIPS 2020, section 3.4.

    Args:
        hidden_channels: width of each recurrent layer (paper: 64).
        num_layers: recurrent layers (paper: 2).
        filter_taps: K, terms of each Chebyshev filter of the learned graph (paper: 2).
        embedding_dimensions: D, numbers that describe a graph node (paper: 10 on PeMSD4, 2 on PeMSD8).
    """

    uses_graph = False

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        hidden_channels: PositiveInt,
        num_layers: PositiveInt,
        filter_taps: PositiveInt,
        embedding_dimensions: PositiveInt,
    ) -> None:
        require_positive(
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            filter_taps=filter_taps,
            embedding_dimensions=embedding_dimensions,
        )
        super().__init__(shape, graph, hidden_channels)
        self.embedding_ND = nn.Parameter(torch.randn(shape.num_nodes, embedding_dimensions))
        widths = [shape.num_inputs] + [hidden_channels] * (num_layers - 1)
        self.layers = nn.ModuleList(
            AGCRN(shape.num_nodes, width, hidden_channels, filter_taps, embedding_dimensions)
            for width in widths
        )

    def encode(self, x_BTNC: Tensor) -> Tensor:
        """The top layer's state after the last entry, `[B, N, C]`."""
        for layer in self.layers:
            x_BTNC, last_BNC = cast("AGCRN", layer).unroll(x_BTNC, self.embedding_ND)
        return last_BNC
