"""EvolveGCN-O and -H as forecasters; their layers live in `stgnn.nn.recurrent.evolvegcn`.

Axes: B batch, T past entries, N graph nodes, C input or hidden channels.
"""

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from stgnn.data.edges import WindowEdges
from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import WalkingForecaster
from stgnn.nn.recurrent.evolvegcn import EvolveGCNH, EvolveGCNO, EvolvingConvolution


class _EvolvingForecaster(WalkingForecaster):
    """Layers of graph convolutions whose weights evolve over the entries of a window, and a head of all entries.

    Every window starts from the layers' initial weights. A convolution sees its own entry alone, and what passes on
    to later ones are weights, so the head maps the outputs at all entries and not the last one's.
    """

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        hidden_channels: int,
        num_layers: int,
        make_layer: Callable[[], EvolvingConvolution],
    ) -> None:
        require_positive(hidden_channels=hidden_channels, num_layers=num_layers)
        super().__init__(shape, graph, shape.input_len * hidden_channels)
        self.widen = nn.Linear(shape.num_inputs, hidden_channels)  # the layers' weights are square
        self.layers = nn.ModuleList(make_layer() for _ in range(num_layers))

    def encode_on(self, x_BTNC: Tensor, graphs: Graph | WindowEdges) -> Tensor:
        """The outputs at all entries in one row, `[B, N, T * C]`."""
        each = graphs if isinstance(graphs, Graph) else graphs.graphs
        hidden_BTNC = self.widen(x_BTNC)
        for layer in self.layers:
            hidden_BTNC = cast("EvolvingConvolution", layer).unroll(hidden_BTNC, each)[0].relu()
        return cast("Tensor", hidden_BTNC.transpose(1, 2).flatten(2))


class EvolveGCNOForecaster(_EvolvingForecaster):
    """EvolveGCN-O: each layer's weight is the output of a GRU that sees the weight itself.

    The weights are therefore the same for every window; the head maps the layers' outputs at all entries.

    Source: Pareja et al., "EvolveGCN: Evolving Graph Convolutional Networks for Dynamic Graphs", AAAI 2020. The paper
    classifies nodes and edges of graphs that change; this forecasts signals, on such graphs or on one.

    Args:
        hidden_channels: width of every layer.
        num_layers: graph convolutions on top of each other (paper: 2).
    """

    def __init__(
        self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt, num_layers: PositiveInt
    ) -> None:
        super().__init__(shape, graph, hidden_channels, num_layers, lambda: EvolveGCNO(hidden_channels))


class EvolveGCNHForecaster(_EvolvingForecaster):
    """EvolveGCN-H: each layer's weight is the output of a GRU that sees the graph nodes which score highest.

    Every window of a batch has weights of its own; the head maps the layers' outputs at all entries.

    Source: Pareja et al., "EvolveGCN: Evolving Graph Convolutional Networks for Dynamic Graphs", AAAI 2020. The paper
    classifies nodes and edges of graphs that change; this forecasts signals, on such graphs or on one.

    Args:
        hidden_channels: width of every layer, and how many graph nodes its GRU sees.
        num_layers: graph convolutions on top of each other (paper: 2).
    """

    def __init__(
        self, shape: TaskShape, graph: Graph, *, hidden_channels: PositiveInt, num_layers: PositiveInt
    ) -> None:
        nodes = shape.num_nodes
        super().__init__(
            shape, graph, hidden_channels, num_layers, lambda: EvolveGCNH(nodes, hidden_channels)
        )
