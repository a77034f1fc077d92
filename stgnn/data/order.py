"""The order in which an epoch visits its windows: a function of (seed, epoch) alone.

Sorting the windows by a hash of their number gives the same order on every device and in every
process, so no order is ever sent anywhere or copied to an accelerator.
"""

import torch
from torch import Tensor

from stgnn.hashing import keyed, mix_words


def epoch_order(count: int, seed: int, epoch: int, device: torch.device | str = "cpu") -> Tensor:
    """A permutation of `range(count)`, int64 on `device`: the same for equal (count, seed, epoch)."""
    numbers = torch.arange(count, dtype=torch.int64, device=device)
    return torch.argsort(mix_words(numbers + keyed(seed, epoch)), stable=True)
