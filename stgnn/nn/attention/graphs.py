"""Graph arguments of layers that see a whole window: one graph for all entries, or one for each."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.arguments import GraphArguments

OneOrEach = Graph | Tensor | Sequence[Graph] | Sequence[Tensor]
Weights = Tensor | Sequence[Tensor] | None

Given = TypeVar("Given")
Own = TypeVar("Own")


def every(given: Given, stride: int) -> Given:
    """Of a list each `stride`-th element; anything else as it is."""
    return cast("Given", given[::stride]) if isinstance(given, list | tuple) else given


def entry_by_entry(
    x: Tensor, dim: int, owns: Sequence[Own], apply: Callable[[Tensor, Own], Tensor]
) -> Tensor:
    """apply(x, own) where one serves all entries, which lie along `dim`; else of each entry with its own."""
    if len(owns) == 1:
        return apply(x, owns[0])
    return torch.cat([apply(entry, own) for entry, own in zip(x.split(1, dim), owns, strict=True)], dim)


class WindowGraphs:
    """`GraphArguments` for a graph or a list of graphs, one an entry; not copied or pickled with its module."""

    def __init__(self) -> None:
        self._arguments: dict[int, GraphArguments] = {}

    def graphs(
        self, given: OneOrEach | None, edge_weight: Weights, num_nodes: int, entries: int
    ) -> list[Graph]:
        """One graph that serves all entries, or a graph for each; `InputError` where their number is wrong."""
        if given is None or isinstance(given, Graph | Tensor):
            if isinstance(edge_weight, Sequence):
                raise InputError("edge_weight", "is a list beside one graph", "give one tensor")
            return [self._at(0).graph(given, edge_weight, num_nodes)]
        weights = [None] * len(given) if edge_weight is None else list(edge_weight)
        if not len(given) == len(weights) == entries:
            found = f"there are {len(given)} graphs and {len(weights)} weights for {entries} entries"
            raise InputError("graph", found, "give one for all entries or one for each")
        each = cast("Sequence[Graph | Tensor]", given)
        pairs = enumerate(zip(each, weights, strict=True))
        return [self._at(i).graph(graph, weight, num_nodes) for i, (graph, weight) in pairs]

    def _at(self, entry: int) -> GraphArguments:
        return self._arguments.setdefault(entry, GraphArguments())

    def __getstate__(self) -> dict[str, Any]:
        return {"_arguments": {}}
