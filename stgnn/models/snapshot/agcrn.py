"""AGCRN on single snapshots; the layer lives in `stgnn.nn.recurrent.agcrn`.

Axes: N graph nodes, D embedding dimensions.
"""

from typing import cast

import torch
from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.snapshot.regressor import SnapshotRegressor
from stgnn.nn.recurrent.agcrn import AGCRN


class SnapshotAGCRN(SnapshotRegressor):
    """AGCRN, one step on the graph that it learns; that of the dataset is not used.

    Args:
        hidden_channels: width of the layer (theirs: 32).
        filter_taps: terms of each filter (theirs: 2).
        embedding_dimensions: D, of each graph node (theirs: 4).
        dropout: share of channels that training leaves out (theirs: 0.5).
    """

    reads_edges = False
    uses_graph = False

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        hidden_channels: PositiveInt,
        filter_taps: PositiveInt,
        embedding_dimensions: PositiveInt,
        dropout: float,
    ) -> None:
        require_positive(
            hidden_channels=hidden_channels,
            filter_taps=filter_taps,
            embedding_dimensions=embedding_dimensions,
        )
        super().__init__(shape, graph, hidden_channels, dropout)
        features = self.num_features(shape)
        self.cell = AGCRN(shape.num_nodes, features, hidden_channels, filter_taps, embedding_dimensions)
        self.embedding_ND = nn.Parameter(torch.empty(shape.num_nodes, embedding_dimensions))
        nn.init.xavier_uniform_(self.embedding_ND)

    def step_once(self, x_BNF: Tensor, graph: Graph) -> Tensor:
        """The state after the step, whatever the graph."""
        return cast("Tensor", self.cell(x_BNF, self.embedding_ND))
