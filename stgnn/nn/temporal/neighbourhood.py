"""What an embedding is computed from: places, the earlier events of each, theirs again, every place once a layer.

A place is a graph node at a time that sees the events before a cut. Nothing here depends on the memory, so all
layers are laid out before the first one is computed (the blocks of Wang, Mendis, "TGLite: a lightweight programming
framework for continuous-time temporal graph neural networks", ASPLOS 2024).

Axes: R places of a layer, K neighbours of each, L layers, U graph nodes of the whole neighbourhood, P places asked
for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stgnn.data.events.neighbours import Neighbours, TemporalNeighbours

Draw = Callable[[Tensor, Tensor], Neighbours]
"""The neighbours of graph nodes [R] before cuts [R]."""


@dataclass(frozen=True)
class Places:
    """Graph nodes at times, in the stream's unit, seeing events before cuts; all int64."""

    node_R: Tensor
    time_R: Tensor
    cut_R: Tensor


@dataclass(frozen=True)
class Block:
    """One layer: which rows of the layer below its places and their neighbours are."""

    self_R: Tensor
    neighbour_RK: Tensor  # of a neighbour that is not valid: the place itself
    event_RK: Tensor
    span_RK: Tensor  # from the event to the place's time; 0 where not valid
    valid_RK: Tensor

    def at_rows(self, row_U: Tensor) -> "Block":
        """The block above rows that lie elsewhere, row u at `row_U[u]`."""
        return replace(self, self_R=row_U[self.self_R], neighbour_RK=row_U[self.neighbour_RK])


@dataclass(frozen=True)
class Neighbourhood:
    """All that the embeddings of some places depend on."""

    node_U: Tensor  # each once, ascending: the lowest layer's rows
    blocks: tuple[Block, ...]  # from the lowest layer up
    row_P: Tensor  # of each place asked for, in the last block, or in U where there is no block


def neighbourhood(
    places: Places, layers: int, draw: Draw, at_edge: TemporalNeighbours | None = None
) -> Neighbourhood:
    """Lay out `layers` of earlier events around places `[P]`.

    Neighbours are seen as of the time of the place that they are neighbours of, or with `at_edge` of their event's.
    """
    blocks: list[Block] = []
    here, row_P = _distinct(places)
    for layer in range(layers, 0, -1):
        near = draw(here.node_R, here.cut_R)
        below = _with_neighbours(here, near, at_edge)
        if layer > 1:
            below, row = _distinct(below)
        else:
            node_U, row = torch.unique(below.node_R, return_inverse=True)
        blocks.insert(0, _block(here, near, row))
        here = below
    if not blocks:
        node_U, row_R = torch.unique(here.node_R, return_inverse=True)
        row_P = row_R[row_P]
    return Neighbourhood(node_U, tuple(blocks), row_P)


def _distinct(places: Places) -> tuple[Places, Tensor]:
    """Each place once, and which one each of `places` is."""
    times, time_R = torch.unique(places.time_R, return_inverse=True)
    cuts, cut_R = torch.unique(places.cut_R, return_inverse=True)
    key, row_R = torch.unique((places.node_R * len(times) + time_R) * len(cuts) + cut_R, return_inverse=True)
    moment = key.div(len(cuts), rounding_mode="floor")
    node = moment.div(len(times), rounding_mode="floor")
    here = Places(node, times[moment - node * len(times)], cuts[key - moment * len(cuts)])
    return here, row_R


def _with_neighbours(here: Places, near: Neighbours, at_edge: TemporalNeighbours | None) -> Places:
    """The places, then the neighbours of each; a neighbour that is not valid is the place itself."""
    time_RK, cut_RK = here.time_R[:, None], here.cut_R[:, None]
    if at_edge is not None:
        time_RK, cut_RK = near.time_RK, at_edge.cut_at(near.time_RK)
    pairs = (
        (here.node_R, near.node_RK),
        (here.time_R, time_RK),
        (here.cut_R, cut_RK),
    )
    return Places(
        *(
            torch.cat([own_R, torch.where(near.valid_RK, its_RK, own_R[:, None]).flatten()])
            for own_R, its_RK in pairs
        )
    )


def _block(here: Places, near: Neighbours, row: Tensor) -> Block:
    places, neighbours = near.valid_RK.shape
    self_R, near_RK = row[:places], row[places:].view(places, neighbours)
    span_RK = (here.time_R[:, None] - near.time_RK) * near.valid_RK
    return Block(self_R, near_RK, near.event_RK, span_RK, near.valid_RK)
