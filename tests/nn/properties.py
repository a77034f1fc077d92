"""The layers that `test_properties` holds to the facts that every layer obeys: a line a layer.

A case says how to make a small layer, which axes its input and output have, and what it gets beside its input.

Axes: B samples, T entries, P periods, N graph nodes, F input features, C output channels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.nn.attention.astgcn import ASTGCN
from stgnn.nn.attention.dnntsp import DNNTSP
from stgnn.nn.attention.gman import GMAN
from stgnn.nn.attention.mstgcn import MSTGCN
from stgnn.nn.attention.mtgnn import MTGNN
from stgnn.nn.attention.stgcn import STConv, TemporalConv
from stgnn.nn.attention.tsagcn import AAGCN
from stgnn.nn.hetero.heterogclstm import HeteroGCLSTM
from stgnn.nn.recurrent.a3tgcn import A3TGCN, A3TGCN2
from stgnn.nn.recurrent.agcrn import AGCRN, AVWGCN
from stgnn.nn.recurrent.dcrnn import DCRNN, BatchedDCRNN, DConv
from stgnn.nn.recurrent.dygrae import DyGrEncoder
from stgnn.nn.recurrent.evolvegcn import EvolveGCNH, EvolveGCNO
from stgnn.nn.recurrent.gclstm import GCLSTM
from stgnn.nn.recurrent.gconv_gru import GConvGRU
from stgnn.nn.recurrent.gconv_lstm import GConvLSTM
from stgnn.nn.recurrent.lrgcn import LRGCN
from stgnn.nn.recurrent.mpnn_lstm import MPNNLSTM
from stgnn.nn.recurrent.tgcn import TGCN, TGCN2
from tests.nn.dense import Edges

# Of the inputs that cases name by axes; N is that of the graph.
SIZES = {"B": 3, "T": 4, "P": 4, "F": 2}


NORM = ("weight", "bias", "running_mean", "running_var")  # of a batch normalisation


def one_graph(edges: Edges) -> tuple[Any, ...]:
    return (edges.graph,)


def two_relations(edges: Edges) -> tuple[Any, ...]:
    """The lighter and the heavier edges."""
    heavy = edges.weight > 0.6
    return ([Graph(edges.index[:, kind], None, edges.num_nodes) for kind in (~heavy, heavy)],)


@dataclass(frozen=True)
class Case:
    """One layer: `layer(x, *arguments(edges))` with x of `axes` gives a tensor (or several) of axes `output`."""

    make: Callable[[int], nn.Module]  # from the number of graph nodes; drawn anew after torch.manual_seed
    axes: str = "BNF"
    output: str = "BNC"  # of every tensor that it returns
    arguments: Callable[[Edges], tuple[Any, ...]] = one_graph
    name: str = ""  # where the class of the layer is not its name
    cell: bool = False  # steps and unrolls, any leading dimensions
    states: int = 1  # of a cell
    either: bool = True  # takes edge_index and edge_weight in the Graph's place
    adds_edges: bool = True  # an edge of weight a + b is a pair of edges of weights a and b
    per_node: Mapping[str, int] = field(
        default_factory=dict
    )  # parameters and buffers with an axis of graph nodes
    relabels: bool = True  # False where the numbers of graph nodes count beyond `per_node`
    gradient: bool = True  # finite differences are possible: no ties, no kinks near by
    evolves: bool = False  # each call leaves weights for the next

    @property
    def title(self) -> str:
        return self.name or type(self.make(5)).__name__

    def layer(self, num_nodes: int, seed: int = 0) -> nn.Module:
        """The layer in float64 and evaluation mode, no parameter zero."""
        torch.manual_seed(seed)
        layer = self.make(num_nodes).double().eval()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return layer

    def input(self, num_nodes: int, axes: str | None = None) -> Tensor:
        sizes = [(SIZES | {"N": num_nodes})[axis] for axis in axes or self.axes]
        return torch.randn(sizes, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def run(self, layer: nn.Module, x: Tensor, edges: Edges) -> list[Tensor]:
        return tensors(layer(x, *self.arguments(edges)))


class TwoTypes(nn.Module):
    """HeteroGCLSTM on the first three graph nodes and the rest, with the edges between them."""

    def __init__(self) -> None:
        super().__init__()
        types = [("a", "to", "b"), ("b", "to", "a"), ("b", "to", "b")]
        self.layer = HeteroGCLSTM({"a": 2, "b": 2}, 4, (["a", "b"], types))

    def forward(self, x: Tensor, graph: Graph, *states: Tensor) -> Any:
        return self._joined(self.layer(_split(x), self._edges(graph), *map(_split, states)))

    def unroll(self, x: Tensor, graph: Graph, *states: Tensor) -> Any:
        return self._joined(self.layer.unroll(_split(x), self._edges(graph), *map(_split, states)))

    def _edges(self, graph: Graph) -> Any:
        first, low = graph.edge_index < 3, {"a": 0, "b": 3}
        ends = {"a": first, "b": ~first}
        every = {}
        for source, name, target in self.layer.edge_types:
            index = graph.edge_index[:, ends[source][0] & ends[target][1]]
            every[source, name, target] = index - torch.tensor([[low[source]], [low[target]]])
        return every

    def _joined(self, results: Any) -> list[Tensor]:
        return [torch.cat([result["a"], result["b"]], -2) for result in results]


def _split(x: Tensor) -> dict[str, Tensor]:
    return {"a": x[..., :3, :], "b": x[..., 3:, :]}


def no_graph(edges: Edges) -> tuple[Any, ...]:
    return ()


class Located(nn.Module):
    """GMAN with embeddings of the graph nodes of its own, and the same times for every sample."""

    def __init__(self, num_nodes: int, mask: bool) -> None:
        super().__init__()
        self.layer = GMAN(1, 2, 3, SIZES["T"], 0.1, 12, True, mask)
        self.places = nn.Parameter(torch.randn(num_nodes, 6))

    def forward(self, x: Tensor) -> Any:
        at = torch.arange(SIZES["T"] + 2, device=x.device)
        return self.layer(x, self.places, torch.stack([at // 3, at], 1).expand(len(x), -1, -1))


def mtgnn(num_nodes: int, learned: bool) -> MTGNN:
    sizes = (2, num_nodes, [2, 3], 3, 0.3, 3, 4, 2, 4, 4, 5, 6, SIZES["T"], 2, 3, 1, 0.05, 0.7)
    return MTGNN(True, learned, *sizes, True)


def of_mtgnn(*names: str) -> dict[str, int]:
    norm = "_mtgnn_layers.0._normalization."
    return {norm + "_weight": 1, norm + "_bias": 1} | dict.fromkeys(names, 0)


def aagcn(num_nodes: int, adaptive: bool) -> AAGCN:
    ahead = torch.stack([torch.arange(num_nodes), (torch.arange(num_nodes) + 1) % num_nodes])
    return AAGCN(2, 4, ahead, num_nodes, adaptive=adaptive)


class WithEmbedding(nn.Module):
    """A layer that takes node embeddings in the graph's place, with embeddings of its own."""

    def __init__(self, num_nodes: int, layer: nn.Module) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(num_nodes, 3))
        self.layer = layer

    def forward(self, x: Tensor, graph: Any, *states: Tensor) -> Any:
        return self.layer(x, self.embedding, *states)

    def unroll(self, x: Tensor, graph: Any, *states: Tensor) -> Any:
        return self.layer.unroll(x, self.embedding, *states)  # type: ignore[operator]


def tensors(result: Any) -> list[Tensor]:
    """The tensors of a layer's result, whatever they came in."""
    if isinstance(result, Tensor):
        return [result]
    parts = result.values() if isinstance(result, Mapping) else result
    return [tensor for part in parts for tensor in tensors(part)]


RECURRENT = [
    Case(lambda n: DConv(2, 4, K=3)),
    Case(lambda n: DCRNN(2, 4, K=3), cell=True),
    Case(lambda n: DCRNN(2, 4, K=3, bias=False), cell=True, name="DCRNN without bias"),
    Case(lambda n: TGCN(2, 4), cell=True),
    Case(lambda n: GConvGRU(2, 4, K=3), cell=True),
    Case(lambda n: GConvLSTM(2, 4, K=3), cell=True, states=2),
    Case(lambda n: GConvLSTM(2, 4, K=3, bias=False), cell=True, states=2, name="GConvLSTM without bias"),
    Case(lambda n: GCLSTM(2, 4, K=3), cell=True, states=2),
    Case(lambda n: TGCN2(2, 4, 3), cell=True),
    Case(lambda n: A3TGCN(2, 4, periods=SIZES["P"]), axes="BNFP"),
    Case(lambda n: A3TGCN2(2, 4, SIZES["P"], 3), axes="BNFP"),
    Case(lambda n: BatchedDCRNN(2, 4, K=3), axes="BTNF", output="BTNC"),
    Case(
        lambda n: LRGCN(2, 4, 2, 3),
        cell=True,
        states=2,
        arguments=two_relations,
        either=False,
        adds_edges=False,
    ),
    Case(
        lambda n: MPNNLSTM(2, 4, n, SIZES["T"], 0.5),
        axes="BTNF",
        output="BNC",
    ),
    Case(lambda n: DyGrEncoder(4, 2, "add", 5, 1), cell=True, states=2),
    Case(
        lambda n: DyGrEncoder(4, 1, "mean", 5, 1),
        cell=True,
        states=2,
        adds_edges=False,
        name="DyGrEncoder mean",
    ),
    Case(lambda n: DyGrEncoder(4, 1, "max", 5, 1), cell=True, states=2, name="DyGrEncoder max"),
    Case(
        lambda n: TwoTypes(),
        cell=True,
        states=2,
        either=False,
        adds_edges=False,
        relabels=False,
        name="HeteroGCLSTM",
    ),
    Case(lambda n: EvolveGCNO(2), output="BNF", evolves=True),
    Case(lambda n: EvolveGCNH(n, 2), output="BNF", evolves=True),
    Case(
        lambda n: WithEmbedding(n, AVWGCN(2, 4, 2, 3)), either=False, per_node={"embedding": 0}, name="AVWGCN"
    ),
    Case(
        lambda n: WithEmbedding(n, AGCRN(n, 2, 4, 3, 3)),
        cell=True,
        either=False,
        per_node={"embedding": 0},
        name="AGCRN",
    ),
]

ATTENTION = [
    Case(lambda n: TemporalConv(2, 4), axes="BTNF", output="BTNC", arguments=no_graph, either=False),
    Case(
        lambda n: STConv(n, 2, 4, 4, 2, 3),
        axes="BTNF",
        output="BTNC",
        per_node=dict.fromkeys((f"_batch_norm.{name}" for name in NORM), 0),
    ),
    Case(
        lambda n: ASTGCN(2, 2, 3, 4, 5, 1, 3, SIZES["T"], n), axes="BNFT", relabels=False
    ),  # pairs of graph nodes
    Case(
        lambda n: ASTGCN(1, 2, 2, 4, 5, 2, 3, SIZES["T"], n, "sym", False),
        axes="BNFT",
        relabels=False,
        name="ASTGCN without bias",
    ),
    Case(lambda n: MSTGCN(2, 2, 3, 4, 5, 1, 3, SIZES["T"]), axes="BNFT"),
    Case(
        lambda n: mtgnn(n, learned=False),
        axes="BFNT",
        output="BCNT",
        either=False,
        per_node=of_mtgnn(),
        name="MTGNN on a graph",
    ),
    Case(
        lambda n: mtgnn(n, learned=True),
        axes="BFNT",
        output="BCNT",
        arguments=no_graph,
        either=False,
        per_node=of_mtgnn("_graph_constructor._embedding1.weight", "_graph_constructor._embedding2.weight"),
        name="MTGNN",
    ),
    Case(
        lambda n: Located(n, False),
        axes="BTN",
        output="BTN",
        arguments=no_graph,
        either=False,
        per_node={"places": 0},
        name="GMAN",
    ),
    Case(
        lambda n: Located(n, True),
        axes="BTN",
        output="BTN",
        arguments=no_graph,
        either=False,
        per_node={"places": 0},
        name="GMAN masked",
    ),
    Case(
        lambda n: aagcn(n, adaptive=True),
        axes="BFTN",
        output="BCTN",
        arguments=no_graph,
        either=False,
        relabels=False,  # one gate convolves over the numbers of graph nodes
    ),
    Case(
        lambda n: aagcn(n, adaptive=False),
        axes="BFTN",
        output="BCTN",
        arguments=no_graph,
        either=False,
        relabels=False,
        name="AAGCN fixed",
    ),
    Case(
        lambda n: DNNTSP(n, 2, 2),
        axes="BTNF",
        per_node={"item_embedding.weight": 0, "global_gated_updater.alpha": 0},
    ),
]

CASES = [*RECURRENT, *ATTENTION]
