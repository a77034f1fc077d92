"""Graph arguments of layers: a `Graph`, or PyTorch Geometric's `edge_index, edge_weight`."""

from typing import Any

import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.graph import Graph


class GraphArguments:
    """Turns either way of passing a graph into a `Graph`.

    The same edge tensors in a row give the same `Graph`, so that its operators are computed once. Objects and
    their version counters are compared, never values: no device has to be waited for. What it remembers is not
    copied or pickled with the module that owns it.
    """

    def __init__(self) -> None:
        self._given: tuple[Any, ...] | None = None
        self._graph: Graph | None = None

    def graph(self, given: Graph | Tensor | None, edge_weight: Tensor | None, num_nodes: int) -> Graph:
        """The graph; `InputError` if there is none or it has another number of graph nodes than the input."""
        if isinstance(given, Graph):
            if given.num_nodes != num_nodes:
                found = f"has {given.num_nodes} graph nodes, the input {num_nodes}"
                raise InputError("graph", found, "the input's last axes are graph nodes, features")
            return given
        if given is None:
            raise InputError("graph", "is missing", "pass a Graph, or edge_index and edge_weight")
        versions = (_version(given), _version(edge_weight), num_nodes)
        if self._graph is None or not self._same(given, edge_weight, versions):
            self._graph = Graph(given, edge_weight, num_nodes)
            self._given = (given, edge_weight, versions)
        return self._graph

    def _same(self, edge_index: Tensor, edge_weight: Tensor | None, versions: tuple[Any, ...]) -> bool:
        if self._given is None:
            return False
        return self._given[0] is edge_index and self._given[1] is edge_weight and self._given[2] == versions

    def __getstate__(self) -> dict[str, Any]:
        return {"_given": None, "_graph": None}


def state_argument(
    given: Any, edge_weight: Tensor | None, *states: Tensor | None
) -> tuple[Tensor | None, ...]:
    """(edge_weight, H ..) of a call `cell(X, graph, H ..)` or `cell(X, edge_index, edge_weight, H ..)`."""
    if isinstance(given, Graph) and edge_weight is not None:
        if states[-1] is not None:
            raise InputError("edge_weight", "is given beside a Graph", "a Graph holds its weights")
        return None, edge_weight, *states[:-1]
    return edge_weight, *states


def check_features(name: str, x: Tensor, axes: str, channels: int) -> None:
    """Raise `InputError` unless x is floating point, has the named axes and ends in `channels` features."""
    count = len(axes.split(", "))
    if x.dim() < count or x.shape[-1] != channels or not x.is_floating_point():
        found = f"is {x.dtype} of shape {tuple(x.shape)}, expected floating point [..., {axes}]"
        raise InputError(name, found, f"with {channels} channels on the last axis")


def _version(tensor: Tensor | None) -> object:
    if tensor is None:
        return None
    return object() if tensor.is_inference() else tensor._version  # inference tensors count no versions


def state_dtype(x: Tensor) -> torch.dtype:
    """The type that states and sums are kept in for an input x."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def product_dtype(x: Tensor) -> torch.dtype:
    """The type of matrix products for an input x: that of autocast where it is on, else x's own."""
    if torch.is_autocast_enabled(x.device.type) and x.dtype != torch.float64:
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype
