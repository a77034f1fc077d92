"""`Graph`: an immutable weighted directed graph and the operators that graph layers multiply by.

How an operator multiplies is in `stgnn.graph.operators`; how edges come out of raw files is in
`stgnn.graph.adjacency`.

Axes: E edges, N graph nodes.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.operators import Operator
from stgnn.graph.spectrum import largest_eigenvalue

Normalization = Literal["sym", "rw"] | None


class Graph:
    """Edges `edge_index[0] -> edge_index[1]` with non-negative weights; messages flow along them.

    `edge_index` is an integer `[2, E]`, `edge_weight` a float `[E]` (None: all ones), ids lie in 0..num_nodes-1.
    Duplicate edges add up, self loops are edges like any other, and a graph node without edges gets zeros
    from every operator (no division by its zero degree). Each operator is computed once, in float64, and
    follows the type and device of what it multiplies. A wrong edge raises `InputError` that names it.
    """

    def __init__(self, edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int) -> None:
        if edge_weight is not None and edge_weight.requires_grad:
            raise InputError("edge_weight", "requires a gradient, but a Graph is constant", "detach() it")
        index = _checked_index(edge_index.detach().cpu().numpy(), num_nodes)
        weight = _checked_weight(None if edge_weight is None else _float64(edge_weight), index)
        self.num_nodes = num_nodes
        self.edge_index = torch.from_numpy(index)
        self.edge_weight = torch.from_numpy(weight.astype(np.float32))
        self._edges = (index[0], index[1], weight)
        self._operators: dict[Any, Operator] = {}
        self._lambda_max: dict[Normalization, float] = {}

    @classmethod
    def from_numpy(cls, edge_index: ArrayLike, edge_weight: ArrayLike | None, num_nodes: int) -> "Graph":
        """The graph of numpy arrays as a store holds them."""
        weight = None if edge_weight is None else torch.as_tensor(np.array(edge_weight))
        return cls(torch.as_tensor(np.array(edge_index)), weight, num_nodes)

    def random_walk(self) -> tuple[Operator, Operator]:
        """One step of a random walk along the edges, and one against them: (D_O^-1 W)^T and (D_I^-1 W^T)^T.

        W[i, j] is the weight of i -> j, D_O and D_I the out- and in-degrees. The transposes are those of the
        DCRNN authors' code (`dual_random_walk`): what a graph node holds spreads to its neighbours in
        proportion to the weights, out[j] = sum_i W[i, j] / D_O[i] x[i], the paper's diffusion process.
        """
        return self._once("forward", self._walk_forward), self._once("backward", self._walk_backward)

    def gcn(self, improved: bool = False, add_self_loops: bool = True) -> Operator:
        """D^-1/2 (A + I) D^-1/2 of Kipf and Welling (2017), as in PyTorch Geometric's `gcn_norm`.

        Only graph nodes without a self loop get one, of weight 1 (`improved`: 2); D is the in-degree.
        """
        return self._once(("gcn", improved, add_self_loops), lambda: self._gcn(improved, add_self_loops))

    def neighbours(self, mean: bool = False) -> Operator:
        """The weighted sum over the edges that end in a graph node, W^T (`mean`: over their number)."""
        return self._once(("neighbours", mean), lambda: self._neighbours(mean))

    def scaled_laplacian(
        self, normalization: Normalization = "sym", lambda_max: float | None = None
    ) -> Operator:
        """2 L / lambda_max - I for Chebyshev filters, with the conventions of PyTorch Geometric's `ChebConv`.

        Self loops are dropped and D is the out-degree: L = I - D^-1/2 A D^-1/2 ("sym"), I - D^-1 A ("rw") or
        D - A (None). `lambda_max` None means twice the largest entry of L, which for "sym" is the bound 2.
        """
        if normalization not in ("sym", "rw", None):
            raise InputError("normalization", f"is {normalization!r}", "use 'sym', 'rw' or None")
        key = ("laplacian", normalization, lambda_max)
        return self._once(key, lambda: self._scaled_laplacian(normalization, lambda_max))

    def lambda_max(self, normalization: Normalization = None) -> float:
        """The eigenvalue of largest magnitude of the Laplacian L of `scaled_laplacian` (its real part)."""
        if normalization not in self._lambda_max:
            shifted = self.scaled_laplacian(normalization, 2.0)  # L - I
            self._lambda_max[normalization] = largest_eigenvalue(
                lambda v: shifted.times_vector(v) + v, self.num_nodes
            )
        return self._lambda_max[normalization]

    def _once(self, key: Any, compute: Callable[[], Operator]) -> Operator:
        if key not in self._operators:
            self._operators[key] = compute()
        return self._operators[key]

    def _walk_forward(self) -> Operator:
        source, target, weight = self._edges
        return Operator(
            target, source, weight * _inverse(self._degree(source, weight))[source], self.num_nodes
        )

    def _walk_backward(self) -> Operator:
        source, target, weight = self._edges
        return Operator(
            source, target, weight * _inverse(self._degree(target, weight))[target], self.num_nodes
        )

    def _gcn(self, improved: bool, add_self_loops: bool) -> Operator:
        source, target, weight = self._edges
        if add_self_loops:
            loopless = np.setdiff1d(np.arange(self.num_nodes), source[source == target])
            source, target = np.append(source, loopless), np.append(target, loopless)
            weight = np.append(weight, np.full(len(loopless), 2.0 if improved else 1.0))
        root = np.sqrt(_inverse(self._degree(target, weight)))
        return Operator(target, source, root[source] * weight * root[target], self.num_nodes)

    def _neighbours(self, mean: bool) -> Operator:
        source, target, weight = self._edges
        count = self._degree(target, np.ones(len(target))) if mean else np.ones(self.num_nodes)
        return Operator(target, source, weight * _inverse(count)[target], self.num_nodes)

    def _scaled_laplacian(self, normalization: Normalization, lambda_max: float | None) -> Operator:
        source, target, weight = self._edges
        proper = source != target
        source, target, weight = source[proper], target[proper], weight[proper]
        degree = self._degree(source, weight)
        if normalization == "sym":
            root = np.sqrt(_inverse(degree))
            weight = root[source] * weight * root[target]
        elif normalization == "rw":
            weight = _inverse(degree)[source] * weight
        diagonal = degree if normalization is None else np.ones(self.num_nodes)
        if lambda_max is None:
            lambda_max = 2.0 * max(diagonal.max(initial=0.0), 0.0)
        scale = 2.0 / lambda_max if lambda_max else 0.0
        every = np.arange(self.num_nodes)
        value = np.append(-scale * weight, scale * diagonal - 1.0)
        return Operator(np.append(target, every), np.append(source, every), value, self.num_nodes)

    def _degree(self, end: NDArray[np.int64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(end, weights=weight, minlength=self.num_nodes).astype(np.float64)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Graph":
        return self  # immutable: a copied model shares it and its operators

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_operators": {}}

    def __repr__(self) -> str:
        return f"Graph({self.num_nodes} graph nodes, {self.edge_index.shape[1]} edges)"


def _inverse(degree: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / degree, and 0 where there is none."""
    return np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)


def _float64(weight: Tensor) -> NDArray[np.float64]:
    return weight.detach().to(device="cpu", dtype=torch.float64).numpy()


def _checked_index(index: NDArray[Any], num_nodes: int) -> NDArray[np.int64]:
    if index.ndim != 2 or index.shape[0] != 2 or not np.issubdtype(index.dtype, np.integer):
        found = f"is {index.dtype} of shape {index.shape}, expected integers [2, edges]"
        raise InputError("edge_index", found, "row 0 holds sources, row 1 targets")
    outside = ((index < 0) | (index >= num_nodes)).any(axis=0)
    if outside.any():
        edge = int(outside.argmax())
        found = f"has an end outside 0..{num_nodes - 1}"
        raise InputError(_name(index, edge), found, "check num_nodes and the ids")
    return index.astype(np.int64)  # a copy: the caller may go on writing into theirs


def _checked_weight(weight: NDArray[np.float64] | None, index: NDArray[np.int64]) -> NDArray[np.float64]:
    if weight is None:
        return np.ones(index.shape[1])
    if weight.shape != index.shape[1:]:
        found = f"has shape {weight.shape}, expected one weight for each of {index.shape[1]} edges"
        raise InputError("edge_weight", found, "give edge_index and edge_weight in the same order")
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        edge = int(wrong.argmax())
        found = f"has weight {weight[edge]:g}, expected a finite one >= 0"
        raise InputError(_name(index, edge), found, "drop the edge or mend its weight")
    return weight.copy()


def _name(index: NDArray[Any], edge: int) -> str:
    return f"edge {edge} ({index[0, edge]} -> {index[1, edge]})"
