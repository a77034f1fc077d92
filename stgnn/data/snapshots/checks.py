"""What the parts of a snapshot must have in common; each failure is one `InputError` that names the snapshot.

Axes: N graph nodes, E edges.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stgnn.data.snapshots.arrays import Array, as_array, kind_of
from stgnn.errors import InputError

NUMBERS = "biuf"


@dataclass(frozen=True)
class Edges:
    """A checked `edge_index`: its ends, whole and not negative, and the largest of each row (-1 without edges)."""

    ends: NDArray[np.int64]  # [2, E]
    largest: tuple[int, int]

    def __len__(self) -> int:
        return int(self.ends.shape[1])


def read_array(where: str, name: str, value: Any, kinds: str = NUMBERS) -> Array:
    """Return the value as an array of one of the kinds of number."""
    try:
        array = as_array(value)
    except ValueError:  # rows of different lengths
        raise InputError(where, f"{name} is no array", "make its rows equally long") from None
    if kind_of(array) not in kinds:
        raise InputError(where, f"{name} is {array.dtype}, expected numbers", "convert it")
    return array


def read_edges(where: str, name: str, value: Any) -> Edges:
    """Return an `edge_index`, whole numbers `[2, E]` from 0 on; an empty array of any shape has no edges."""
    array = read_array(where, name, value)
    ends = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    if not ends.size:
        return Edges(np.empty((2, 0), np.int64), (-1, -1))
    whole = ends.dtype.kind in "iu" or bool((ends == np.floor(ends)).all())
    if ends.ndim != 2 or len(ends) != 2 or not whole:
        found = f"{name} is {ends.dtype} of shape {ends.shape}, expected whole numbers [2, edges]"
        raise InputError(where, found, "row 0 holds sources, row 1 targets")
    edges = Edges(ends.astype(np.int64), (int(ends[0].max()), int(ends[1].max())))
    if ends.min() < 0:
        raise _outside(where, name, edges, (np.iinfo(np.int64).max,) * 2)
    return edges


def check_ends(where: str, name: str, edges: Edges, counts: tuple[int | None, int | None]) -> None:
    """Raise `InputError` unless sources and targets are among so many graph nodes (None: nobody knows)."""
    known = tuple(np.iinfo(np.int64).max if count is None else count for count in counts)
    if edges.largest[0] >= known[0] or edges.largest[1] >= known[1]:
        raise _outside(where, name, edges, (known[0], known[1]))


def check_weights(where: str, name: str, weight: Any, edges: Edges) -> None:
    """Raise `InputError` unless there is one weight, or one row of attributes, for each edge."""
    shape = read_array(where, name, weight).shape
    if not shape or shape[0] != len(edges):
        raise InputError(where, f"{name} has shape {tuple(shape)} for {len(edges)} edges", "give one an edge")


def check_batch(where: str, name: str, batch: Any, nodes: int | None) -> None:
    """Raise `InputError` unless the vector says for each graph node which graph of the batch is its own."""
    array = read_array(where, name, batch, "iu")
    wrong = len(array.shape) != 1 or (nodes is not None and len(array) != nodes)
    if wrong or (len(array) and array.min() < 0):
        found = f"{name} of shape {tuple(array.shape)} does not give each of {nodes} graph nodes its graph"
        raise InputError(where, found, "expected one whole number >= 0 a graph node")


def count_nodes(shape: tuple[int, ...]) -> int | None:
    """Return how many graph nodes features of this shape have: [N], [N, F]; None where that cannot be known.

    With more axes the graph nodes may be the first ([N, F, T]) or a later one ([C, N, T]).
    """
    return shape[0] if 1 <= len(shape) <= 2 else None


def most_nodes(shape: tuple[int, ...]) -> int | None:
    """Return the most graph nodes that features of this shape can have."""
    return count_nodes(shape) if len(shape) <= 2 else max(shape[:-1])


def _outside(where: str, name: str, edges: Edges, counts: tuple[int, int]) -> InputError:
    wrong = (edges.ends < 0) | (edges.ends >= np.array(counts)[:, None])
    edge = int(wrong.any(axis=0).argmax())
    row = int(wrong[:, edge].argmax())
    source, target = edges.ends[:, edge]
    end = ("source", "target")[row]
    least = "is negative" if edges.ends[row, edge] < 0 else f"lies outside 0..{counts[row] - 1}"
    return InputError(
        where, f"{name}: the {end} of edge {edge} ({source} -> {target}) {least}", "check the ids"
    )
