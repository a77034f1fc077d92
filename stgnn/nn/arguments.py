"""Graph arguments of layers: a `Graph`, or PyTorch Geometric's `edge_index, edge_weight`."""

import operator
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.graph import Graph

_Built = TypeVar("_Built")


class GraphArguments:
    """Turns either way of passing a graph into a `Graph`.

    The same edge tensors in a row give the same `Graph`, so that its operators are computed once. Objects and
    their version counters are compared, never values: no device has to be waited for. Writes that count no
    version are therefore not noticed: those through `.data`, and through a numpy array that shares the memory.
    What it remembers is not copied or pickled with the module that owns it.
    """

    def __init__(self) -> None:
        self._kept: tuple[tuple[Tensor | None, ...], tuple[object, ...], Any] | None = None

    def graph(self, given: Graph | Tensor | None, edge_weight: Tensor | None, num_nodes: int) -> Graph:
        """The graph; `InputError` if there is none or it has another number of graph nodes than the input."""
        if isinstance(given, Graph):
            if given.num_nodes != num_nodes:
                found = f"has {given.num_nodes} graph nodes, the input {num_nodes}"
                raise InputError("graph", found, "the input's last axes are graph nodes, features")
            return given
        if given is None:
            raise InputError("graph", "is missing", "pass a Graph, or edge_index and edge_weight")
        return self._once((given, edge_weight), (num_nodes,), lambda: Graph(given, edge_weight, num_nodes))

    def relations(
        self, edge_index: Tensor, edge_type: Tensor | None, num_nodes: int, num_relations: int
    ) -> tuple[Graph, ...]:
        """One unweighted graph a relation, from PyTorch Geometric's edge_index and edge_type `[E]`."""
        sizes = (num_nodes, num_relations)
        return self._once((edge_index, edge_type), sizes, lambda: _by_type(edge_index, edge_type, *sizes))

    def _once(
        self, given: tuple[Tensor | None, ...], sizes: tuple[int, ...], build: Callable[[], _Built]
    ) -> _Built:
        versions = (*map(_version, given), *sizes)
        kept = self._kept  # read and replaced as one: another thread may do so in between
        if kept is None or not _identical(kept[0], given) or kept[1] != versions:
            kept = self._kept = (given, versions, build())
        built: _Built = kept[2]
        return built

    def __getstate__(self) -> dict[str, Any]:
        return {"_kept": None}


def _identical(one: tuple[Tensor | None, ...], other: tuple[Tensor | None, ...]) -> bool:
    return len(one) == len(other) and all(map(operator.is_, one, other))


def _by_type(
    edge_index: Tensor, edge_type: Tensor | None, num_nodes: int, num_relations: int
) -> tuple[Graph, ...]:
    edges = edge_index.shape[-1]
    if edge_type is None or edge_type.shape != (edges,) or edge_type.is_floating_point():
        found = (
            "is missing" if edge_type is None else f"is {edge_type.dtype} of shape {tuple(edge_type.shape)}"
        )
        raise InputError("edge_type", found, f"give the relation of each of {edges} edges as an integer")
    wrong = (edge_type < 0) | (edge_type >= num_relations)
    if wrong.any():
        found = f"holds {int(edge_type[wrong][0])}, expected 0..{num_relations - 1}"
        raise InputError("edge_type", found, "check num_relations")
    return tuple(Graph(edge_index[:, edge_type == r], None, num_nodes) for r in range(num_relations))


def state_argument(
    given: Any, edge_weight: Tensor | None, *states: Tensor | None
) -> tuple[Tensor | None, ...]:
    """(edge_weight, H ..) of a call `cell(X, graph, H ..)` or `cell(X, edge_index, edge_weight, H ..)`."""
    if not (given is None or isinstance(given, Tensor)) and edge_weight is not None:
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
