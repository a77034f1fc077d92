"""What the forecasters share that map the window alone, in one go, to the whole horizon.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input or hidden channels,
F features to forecast.
"""

from typing import Protocol, cast

from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.models.base import NOTHING, Forecaster, Known, TaskShape, split_horizon


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


class RecurrentCell(Protocol):
    """The part of a recurrent layer that a forecaster needs."""

    def unroll(self, x_BTNF: Tensor, graph: Graph, /) -> tuple[Tensor, ...]:
        """Return all states `[B, T, N, C]`, the last one `[B, N, C]`, and whatever else the layer carries."""


class RecurrentForecaster(EncodingForecaster):
    """A recurrent cell over the window, and the head of its last state."""

    def __init__(self, shape: TaskShape, graph: Graph, cell: RecurrentCell, hidden_channels: int) -> None:
        super().__init__(shape, graph, hidden_channels)
        self.cell = cell

    def encode(self, x_BTNC: Tensor) -> Tensor:
        """The state after the last entry."""
        return self.cell.unroll(x_BTNC, self.graph)[1]
