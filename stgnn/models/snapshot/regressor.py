"""What the snapshot models share: one step of a layer, from the past entries as features of their graph nodes.

Axes: B batch, T past entries (lags), N graph nodes, C channels, F = T * C features.
"""

import torch
from torch import Tensor, nn

from stgnn.data.edges import WindowEdges
from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import NOTHING, Forecaster, Known, TaskShape, split_horizon


class SnapshotRegressor(Forecaster):
    """One step of a recurrent layer from a zero state, relu, dropout, and a linear map to the horizon.

    The past entries are features side by side: the layer sees no order among them, and nothing is carried from one
    window to the next. Where the graph changes with time it is that of the last past entry. A subclass implements
    `step_once`.

    Source: Rozemberczki et al., "PyTorch Geometric Temporal", CIKM 2021, section 4.2 and its examples. There the
    loss subtracts `[N]` from `[N, 1]`, whose broadcasting makes the mean of all targets the best forecast; here each
    forecast meets its own target.
    """

    reads_edges = True

    def __init__(self, shape: TaskShape, graph: Graph, channels: int, dropout: float) -> None:
        if not 0 <= dropout < 1:
            raise InputError("dropout", f"is {dropout}", "give a share in [0, 1)")
        super().__init__(shape, graph)
        self.head = nn.Linear(channels, shape.horizon * shape.num_outputs)
        self.dropout = dropout

    @staticmethod
    def num_features(shape: TaskShape) -> int:
        """F: what a layer is made for."""
        return shape.input_len * shape.num_inputs

    def step_once(self, x_BNF: Tensor, graph: Graph) -> Tensor:
        """Return the layer's output `[B, N, channels]`."""
        raise NotImplementedError(f"{type(self).__name__} has no step_once")

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        x_BNF = x_BTNC.transpose(1, 2).flatten(2)
        if known.edges is None or not self.reads_edges:
            out_BNC = self.step_once(x_BNF, self.graph)
        else:
            out_BNC = self.step_on_edges(x_BNF, known.edges)
        hidden_BNC = nn.functional.dropout(out_BNC.relu(), self.dropout, self.training)
        values_BNM: Tensor = self.head(hidden_BNC)
        return split_horizon(values_BNM, self.shape).to(x_BTNC.dtype)

    def step_on_edges(self, x_BNF: Tensor, edges: WindowEdges) -> Tensor:
        """The same with a graph of its own for each window: the windows side by side are one of B * N graph nodes."""
        out_1RC = self.step_once(x_BNF.flatten(0, 1).unsqueeze(0), edges.graphs[-1])
        return out_1RC.view(*x_BNF.shape[:2], -1)

    def step_by_window(self, x_BNF: Tensor, edges: WindowEdges) -> Tensor:
        """The same window after window, for layers that look at all graph nodes of a graph at once."""
        last, nodes = len(edges) - 1, x_BNF.shape[1]
        graphs = (Graph(*edges.entry(window, last), num_nodes=nodes) for window in range(len(x_BNF)))
        return torch.cat([self.step_once(x[None], graph) for x, graph in zip(x_BNF, graphs, strict=True)])
