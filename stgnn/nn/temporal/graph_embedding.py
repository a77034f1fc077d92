"""Layers over the earlier events of places, by attention or by sums, from the memory up.

Rossi et al., "Temporal graph networks for deep learning on dynamic graphs", 2020, section 3.1.

Axes: P places, U graph nodes of their neighbourhood, X rows of D channels that hold them, R places and K neighbours
of a layer, C embedding channels.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from stgnn.data.events.batches import EventView
from stgnn.nn.temporal.attention import AttentionLayer
from stgnn.nn.temporal.meetings import Meetings
from stgnn.nn.temporal.neighbourhood import Block, Draw, Neighbourhood, Places, neighbourhood
from stgnn.nn.temporal.over_times import OverTimes
from stgnn.nn.temporal.time_encoding import TimeEncoding

MakeLayer = Callable[[int], nn.Module]
"""Makes a layer above one of so many channels."""


class GraphEmbedding(nn.Module):
    """`[X, D]` rows of graph nodes -> `[P, C]`.

    Args:
        make_layer: makes a layer of C channels, as `attention.AttentionLayer` or `graph_sum.SumLayer`.
        channels: D.
        out_channels: C.
        layers: how many, each one further event away.
        neighbours: K, earlier events that a place looks at.
        sampling: `recent`, or `uniform` with replacement.
        hop_time: neighbours of neighbours are seen as of the `query`'s time, or as of the `edge` that leads there.
    """

    def __init__(
        self,
        make_layer: MakeLayer,
        channels: int,
        out_channels: int,
        *,
        layers: int,
        neighbours: int,
        sampling: str,
        hop_time: str,
    ) -> None:
        super().__init__()
        self.neighbours, self.sampling, self.hop_time = neighbours, sampling, hop_time
        self.layers = nn.ModuleList(
            make_layer(out_channels if layer else channels) for layer in range(layers)
        )

    def lay_out(self, places: Places, view: EventView) -> Neighbourhood:
        """What the embeddings of these places depend on; sampling is drawn anew in training, the same otherwise."""
        at_edge = view.neighbours if self.hop_time == "edge" else None
        return neighbourhood(places, len(self.layers), self._draw(view), at_edge)

    def forward(
        self, row_XD: Tensor, row_U: Tensor, around: Neighbourhood, view: EventView, time: TimeEncoding
    ) -> Tensor:
        """The embeddings; graph node u of the neighbourhood is row `row_U[u]`."""
        lowest, *higher = around.blocks
        zero_M, below = time.of_zero(), row_XD
        for layer, block in zip(self.layers, (lowest.at_rows(row_U), *higher), strict=True):
            below = layer(below, block.self_R, zero_M, meetings(below, block, view, time))
        return below.index_select(0, around.row_P)

    @property
    def is_recent_attention(self) -> bool:
        """One layer of attention over the most recent events, which `over_times` can compute."""
        return (
            len(self.layers) == 1 and isinstance(self.layers[0], AttentionLayer) and self.sampling == "recent"
        )

    def over_times(self, span_T: Tensor, time: TimeEncoding) -> OverTimes:
        """The layer at many times at once; see `stgnn.nn.temporal.over_times`."""
        return OverTimes(cast("AttentionLayer", self.layers[0]), time, span_T)

    def _draw(self, view: EventView) -> Draw:
        if self.sampling == "recent":
            return partial(view.neighbours.recent, k=self.neighbours)
        seed = int(torch.randint(2**62, ())) if self.training else 0
        return partial(view.neighbours.uniform, k=self.neighbours, seed=seed)


def meetings(below: Tensor, block: Block, view: EventView, time: TimeEncoding) -> Meetings:
    """What a layer's places know of their earlier events, with the rows of the layer below."""
    met = known(below, block.neighbour_RK, block.event_RK, block.valid_RK, view)
    return replace(met, parts=(*met.parts, time(block.span_RK)))


def known(
    below: Tensor, neighbour_RK: Tensor, event_RK: Tensor, valid_RK: Tensor, view: EventView
) -> Meetings:
    """The same but for the time since: the neighbours' rows of `below` and the events' features."""
    near_RD = below.index_select(0, neighbour_RK.flatten())
    near_RKD = near_RD.view(*neighbour_RK.shape, below.shape[1])
    feature_RKF = view.edge_feature(event_RK)
    features = () if feature_RKF is None else (feature_RKF.to(below.dtype),)
    return Meetings((near_RKD, *features), valid_RK)
