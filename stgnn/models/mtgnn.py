"""MTGNN as a forecaster; its network lives in `stgnn.nn.attention.mtgnn`.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input channels, F features to forecast.
"""

from typing import cast

from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import PositiveInt, TaskShape, require_positive
from stgnn.models.direct import DirectForecaster
from stgnn.nn.attention.mtgnn import MTGNN

KERNELS = [2, 3, 6, 7]  # entries that the convolutions of one dilated inception see, as in the paper


class MTGNNForecaster(DirectForecaster):
    """Layers of dilated inception over entries and mix-hop propagation over a graph that is learned or given.

    Trained on the whole horizon and the whole graph from the first step on: the authors' curriculum over the horizon
    and their random parts of the graph are ways of training that the paper studies beside the network.

    Source: Wu, Pan, Long, Jiang, Chang, Zhang, "Connecting the Dots: Multivariate Time Series Forecasting with Graph
    Neural Networks", KDD 2020, section 5.1.2.

    Args:
        learn_graph: whether the graph is learned (paper) or the dataset's.
        num_layers: layers of inception and propagation (paper: 3).
        hop_depth: hops of a propagation (paper: 2).
        keep: share of the first input that each hop keeps, the paper's beta (paper: 0.05).
        neighbours: edges of the learned graph that leave each graph node, at most all (paper: 20).
        embedding_dimensions: numbers that describe a graph node to the learned graph (paper: 40).
        saturation: how sharply the learned graph tells edges, the paper's alpha (paper: 3).
        hidden_channels: width of inception and propagation, a multiple of 4 (paper: 32).
        skip_channels: width of the skip connections (paper: 64).
        end_channels: width of the last hidden layer (paper: 128).
        dropout: share of the inputs and of the inceptions' outputs that training leaves out (paper: 0.3).

    Raises:
        InputError: hidden_channels is no multiple of 4, or a share is not in [0, 1).
    """

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        learn_graph: bool,
        num_layers: PositiveInt,
        hop_depth: PositiveInt,
        keep: float,
        neighbours: PositiveInt,
        embedding_dimensions: PositiveInt,
        saturation: float,
        hidden_channels: PositiveInt,
        skip_channels: PositiveInt,
        end_channels: PositiveInt,
        dropout: float,
    ) -> None:
        require_positive(
            num_layers=num_layers,
            hop_depth=hop_depth,
            neighbours=neighbours,
            embedding_dimensions=embedding_dimensions,
            hidden_channels=hidden_channels,
            skip_channels=skip_channels,
            end_channels=end_channels,
        )
        if hidden_channels % len(KERNELS):
            raise InputError(
                "hidden_channels", f"is {hidden_channels}", f"give a multiple of {len(KERNELS)}, the kernels"
            )
        for name, share in (("keep", keep), ("dropout", dropout)):
            if not 0 <= share < 1:
                raise InputError(name, f"is {share}", "give a share in [0, 1)")
        super().__init__(shape, graph)
        self.learn_graph = learn_graph
        self.network = MTGNN(
            gcn_true=True,
            build_adj=learn_graph,
            gcn_depth=hop_depth,
            num_nodes=shape.num_nodes,
            kernel_set=KERNELS,
            kernel_size=max(KERNELS),
            dropout=dropout,
            subgraph_size=min(neighbours, shape.num_nodes),
            node_dim=embedding_dimensions,
            dilation_exponential=1,
            conv_channels=hidden_channels,
            residual_channels=hidden_channels,
            skip_channels=skip_channels,
            end_channels=end_channels,
            seq_length=shape.input_len,
            in_dim=shape.num_inputs,
            out_dim=shape.horizon * shape.num_outputs,
            layers=num_layers,
            propalpha=keep,
            tanhalpha=saturation,
            layer_norm_affline=True,
        )

    def values(self, x_BTNC: Tensor) -> Tensor:
        """The network's outputs, `[B, N, H * F]`."""
        given = None if self.learn_graph else self.graph
        out_BON1 = cast("Tensor", self.network(x_BTNC.permute(0, 3, 2, 1), given))
        return out_BON1.squeeze(3).transpose(1, 2)
