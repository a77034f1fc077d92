"""What the forecasters share that map the window alone, in one go, to the whole horizon.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input or hidden channels,
F features to forecast.
"""

from typing import cast

from torch import Tensor, nn

from stgnn.data.edges import WindowEdges
from stgnn.graph.graph import Graph
from stgnn.models.base import NOTHING, Forecaster, Known, TaskShape, split_horizon
from stgnn.models.walk import RecurrentCell, walk


class DirectForecaster(Forecaster):
    """A forecaster of the window alone. A subclass implements `values` in the place of `forward`."""

    def values(self, x_BTNC: Tensor) -> Tensor:
        """Return all values of the horizon `[B, N, H * F]`, entry after entry, in any floating type."""
        raise NotImplementedError(f"{type(self).__name__} has no values")

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        return split_horizon(self.values(x_BTNC), self.shape).to(x_BTNC.dtype)


class EncodingForecaster(DirectForecaster):
    """One linear map, the `head`, from the channels that `encode` makes for each graph node to its horizon."""

    def __init__(self, shape: TaskShape, graph: Graph, channels: int) -> None:
        super().__init__(shape, graph)
        self.head = nn.Linear(channels, shape.horizon * shape.num_outputs)

    def encode(self, x_BTNC: Tensor) -> Tensor:
        """Return what the head maps, `[B, N, channels]`."""
        raise NotImplementedError(f"{type(self).__name__} has no encode")

    def values(self, x_BTNC: Tensor) -> Tensor:
        """The head's map of the encoded window."""
        return cast("Tensor", self.head(self.encode(x_BTNC)))


class WalkingForecaster(EncodingForecaster):
    """The same where each entry passes through the graph of its own, if the graph changes with time.

    A subclass implements `encode_on` in the place of `encode`.
    """

    reads_past_edges = True

    def encode_on(self, x_BTNC: Tensor, graphs: Graph | WindowEdges) -> Tensor:
        """Return what the head maps, `[B, N, channels]`, on one graph or on each entry's own."""
        raise NotImplementedError(f"{type(self).__name__} has no encode_on")

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        values_BNM = self.head(self.encode_on(x_BTNC, self.graphs(known)))
        return split_horizon(values_BNM, self.shape).to(x_BTNC.dtype)


class RecurrentForecaster(WalkingForecaster):
    """A recurrent cell over the window, and the head of its last state."""

    def __init__(self, shape: TaskShape, graph: Graph, cell: RecurrentCell, hidden_channels: int) -> None:
        super().__init__(shape, graph, hidden_channels)
        self.cell = cell

    def encode_on(self, x_BTNC: Tensor, graphs: Graph | WindowEdges) -> Tensor:
        """The state after the last entry."""
        return walk(self.cell, x_BTNC, graphs)[1]
