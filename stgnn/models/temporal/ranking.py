"""Logits of all sources of a batch with the same candidates, a block at a time.

Events at the same time share the candidates' embeddings; a source is projected once for all its candidates.

Axes: B events, in the order of time, T distinct times, D candidates, G events of a block, P places, C embedding
channels.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import linear

from stgnn.data.events.neighbours import TemporalNeighbours
from stgnn.nn.temporal.decoders import LinkDecoder
from stgnn.nn.temporal.meetings import Meetings
from stgnn.nn.temporal.over_times import OverTimes

AT_ONCE = 8192  # places whose neighbourhoods are held at a time

Embed = Callable[[Tensor, Tensor], Tensor]
"""Embeddings [P, C] of graph nodes at times."""


def rank_by_blocks(
    decoder: LinkDecoder, source_BC: Tensor, time_B: Tensor, candidate_D: Tensor, embed: Embed
) -> Tensor:
    """Logits `[B, D]`; with equal times for all events, where embeddings know no time, candidates are embedded once."""
    time_T, row_B = torch.unique(time_B, return_inverse=True)
    logits_BD = source_BC.new_empty(len(time_B), len(candidate_D))
    told_BC = decoder.of_first(source_BC)
    for column, some_D in _blocks(candidate_D, AT_ONCE):
        together = max(1, AT_ONCE // len(some_D))
        for first, some_T in _blocks(time_T, together):
            z_PC = embed(some_D.repeat(len(some_T)), some_T.repeat_interleave(len(some_D)))
            told_TDC = decoder.of_second(z_PC).unflatten(0, (len(some_T), len(some_D)))
            ends = row_B.new_tensor([first, first + len(some_T)])
            begin, end = torch.searchsorted(row_B, ends).tolist()
            for event, some_G in _blocks(row_B[begin:end], together):
                block = slice(begin + event, begin + event + len(some_G))
                pairs_GDC = told_TDC.index_select(0, some_G - first).add_(told_BC[block].unsqueeze(1))
                logits_BD[block, column : column + len(some_D)] = decoder.of_hidden(pairs_GDC).squeeze(2)
    return logits_BD


Surroundings = Callable[[Tensor, Tensor], tuple[Tensor, Meetings, Tensor]]
"""Of graph nodes [G] before cuts [G]: own rows, what they met but for its times, and these, [G, K]."""


def rank_over_times(
    decoder: LinkDecoder,
    source_BC: Tensor,
    row_B: Tensor,
    candidate_D: Tensor,
    cut_T: Tensor,
    neighbours: TemporalNeighbours,
    surroundings: Surroundings,
    over: OverTimes,
) -> Tensor:
    """Logits `[B, D]` under one layer of attention over the most recent events.

    Event b is at the time `row_B[b]` of those that `over` was made for, which see the events before `cut_T`.
    """
    told_BC, merge = decoder.of_first(source_BC), over.layer.merge
    weight_CC = decoder.second_weight @ merge.fc2.weight  # nothing is between these two
    bias_C = decoder.of_second(merge.fc2.bias)
    logits_BD = source_BC.new_empty(len(row_B), len(candidate_D))
    for column, some_D in _blocks(candidate_D, AT_ONCE):
        node_V, cut_V, version_DT = _versions(some_D, cut_T, neighbours)
        score_VB = source_BC.new_empty(len(node_V), len(row_B))
        for first, node_G in _blocks(node_V, max(1, AT_ONCE // len(row_B))):
            here = slice(first, first + len(node_G))
            hidden_GTC = over.hidden(*surroundings(node_G, cut_V[here])).relu_()
            pairs_GBC = linear(hidden_GTC, weight_CC, bias_C).index_select(1, row_B).add_(told_BC)
            score_VB[here] = decoder.of_hidden(pairs_GBC).squeeze(2)
        score_DB = score_VB.gather(0, version_DT.index_select(1, row_B))
        logits_BD[:, column : column + len(some_D)] = score_DB.t()
    return logits_BD


def _versions(
    candidate_D: Tensor, cut_T: Tensor, neighbours: TemporalNeighbours
) -> tuple[Tensor, Tensor, Tensor]:
    """Each candidate once for each set of events that it sees, a cut that shows them, and which `[D, T]` is which."""
    node_P, cut_P = candidate_D.repeat_interleave(len(cut_T)), cut_T.repeat(len(candidate_D))
    seen_DT = neighbours.degree(node_P, cut_P).view(len(candidate_D), len(cut_T))
    new_DT = torch.ones_like(seen_DT, dtype=torch.bool)
    new_DT[:, 1:] = seen_DT[:, 1:] != seen_DT[:, :-1]
    first_V = new_DT.flatten().nonzero().squeeze(1)
    version_DT = new_DT.flatten().cumsum(0).view_as(seen_DT) - 1
    return node_P[first_V], cut_P[first_V], version_DT


def _blocks(values: Tensor, size: int) -> Iterator[tuple[int, Tensor]]:
    """The values, `size` at a time, each block with the place of its first."""
    for first in range(0, len(values), size):
        yield first, values[first : first + size]
