"""T-GCN as a forecaster; its recurrent cell lives in `stgnn.nn.recurrent.tgcn`."""

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import RecurrentForecaster
from stgnn.nn.recurrent.tgcn import TGCN


class TGCNForecaster(RecurrentForecaster):
    """A T-GCN cell over the window, and one linear map from its last state to the whole horizon.

    Source: Zhao et al., "T-GCN: A Temporal Graph Convolutional Network for Traffic Prediction", IEEE
    T-ITS 2020, figure 6.

    Args:
        hidden_channels: width of the recurrent state (paper: 64 or 100, by dataset).
    """

    def __init__(self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt) -> None:
        require_positive(hidden_channels=hidden_channels)
        super().__init__(shape, graph, TGCN(shape.num_inputs, hidden_channels), hidden_channels)
