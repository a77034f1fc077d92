"""Logits of all sources of a batch with the same candidates, a block at a time.

Events at the same time share the candidates' embeddings; a source is projected once for all its candidates.

Axes: B events, in the order of time, T distinct times, D candidates, G events of a block, P places, C embedding
channels.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from stgnn.nn.temporal.decoders import LinkDecoder

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


def _blocks(values: Tensor, size: int) -> Iterator[tuple[int, Tensor]]:
    """The values, `size` at a time, each block with the place of its first."""
    for first in range(0, len(values), size):
        yield first, values[first : first + size]
