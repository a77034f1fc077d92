"""The destinations that training events are told apart from; those of validation and test lie in the store.

Axes: B events of a batch, D destinations.
"""

import torch
from torch import Tensor

from stgnn.hashing import below, keyed, mix_words


def training_negatives(seed: int, epoch: int, event_B: Tensor, pool_D: Tensor) -> Tensor:
    """One destination of the pool for each event: [B] int64, a function of (seed, epoch, event) alone.

    As in TGN, the event's own destination may come up: once in D draws.
    """
    word_B = mix_words(event_B + keyed(seed, epoch))
    return pool_D[below(word_B, len(pool_D))].to(torch.int64)
