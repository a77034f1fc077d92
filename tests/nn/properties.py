"""The layers that `test_properties` holds to the facts that every layer obeys: a line a layer.

A case says how to make a small layer, which axes its input and output have, and what it gets beside its input.

Axes: B samples, T entries, P periods, N graph nodes, F input features, C output channels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from stgnn.nn.recurrent.a3tgcn import A3TGCN
from stgnn.nn.recurrent.dcrnn import DCRNN, DConv
from stgnn.nn.recurrent.tgcn import TGCN
from tests.nn.dense import Edges

# Of the inputs that cases name by axes; N is that of the graph.
SIZES = {"B": 3, "T": 4, "P": 4, "F": 2}


def one_graph(edges: Edges) -> tuple[Any, ...]:
    return (edges.graph,)


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


def tensors(result: Any) -> list[Tensor]:
    """The tensors of a layer's result, whatever they came in."""
    if isinstance(result, Tensor):
        return [result]
    parts = result.values() if isinstance(result, Mapping) else result
    return [tensor for part in parts for tensor in tensors(part)]


CASES = [
    Case(lambda n: DConv(2, 4, K=3)),
    Case(lambda n: DCRNN(2, 4, K=3), cell=True),
    Case(lambda n: DCRNN(2, 4, K=3, bias=False), cell=True, name="DCRNN without bias"),
    Case(lambda n: TGCN(2, 4), cell=True),
    Case(lambda n: A3TGCN(2, 4, periods=SIZES["P"]), axes="BNFP"),
]
