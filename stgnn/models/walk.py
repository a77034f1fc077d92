"""A recurrent cell's way through windows, on one graph or on the graph that each entry has of its own.

Axes: B windows, T entries, N graph nodes, C input or hidden channels, R = B * N graph nodes
of all windows side by side.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from stgnn.data.edges import WindowEdges
from stgnn.graph.graph import Graph


class RecurrentCell(Protocol):
    """The part of a recurrent layer that a forecaster needs."""

    @property
    def unroll(self) -> Callable[..., tuple[Tensor, ...]]:
        """Takes x `[..., T, N, F]`, a `Graph` and, unless it starts anew, what went on from the entry before.

        Returns all states `[..., T, N, C]`, then what goes on to the next entry, each `[..., N, C]`.
        """


def walk(
    cell: RecurrentCell, x_BTNC: Tensor, graphs: Graph | WindowEdges, *before_BNC: Tensor | None
) -> tuple[Tensor, ...]:
    """Return what `cell.unroll` does: all states `[B, T, N, C]`, and what goes on, each `[B, N, C]`.

    `graphs` is one graph for all entries, of N graph nodes or of R, or the edges of T entries. On those the cell takes
    an entry of all windows at a time. No window's result hangs on those beside it: sums over neighbours stay in their
    block, and Chebyshev filters scale the symmetric Laplacian by 2, the bound of any graph's eigenvalues.
    """
    if isinstance(graphs, Graph) and graphs.num_nodes == x_BTNC.shape[2]:
        return cell.unroll(x_BTNC, graphs, *before_BNC)
    windows = (x_BTNC.shape[0], x_BTNC.shape[2])
    x_TRC = x_BTNC.transpose(0, 1).flatten(1, 2)
    each, entries = ((graphs,), len(x_TRC)) if isinstance(graphs, Graph) else (graphs.graphs, 1)
    carried_RC = [None if state is None else state.flatten(0, 1) for state in before_BNC]
    states = []
    for part_TRC, graph in zip(x_TRC.split(entries), each, strict=True):
        states_TRC, *after_RC = cell.unroll(part_TRC, graph, *carried_RC)
        states.append(states_TRC)
        carried_RC = [*after_RC]
    states_BTNC = torch.cat(states).unflatten(1, windows).transpose(0, 1)
    return states_BTNC, *(state.unflatten(0, windows) for state in after_RC)
