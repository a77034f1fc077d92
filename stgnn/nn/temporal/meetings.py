r"""What is known of the earlier events of a place, c_n = [h_n, e_n, phi(t - t_n)], held in parts that are never
joined.

The products that an embedding takes of c need no projection of every c_n: with one query for a place,

    q . (W_k c_n) = (W_k^T q) . c_n        and        sum_n a_n (W_v c_n) = W_v (sum_n a_n c_n)

are the same numbers and K times fewer products. The events' features are data: no gradient is computed for them.

Axes: R places, K earlier events of each, H heads, D memory, F feature and M time channels, X = D + F + M.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Meetings:
    """Earlier events `[R, K]` by their parts, in the order of X; a part without channels is left out."""

    parts: tuple[Tensor, ...]  # [R, K, D or F or M]
    valid_RK: Tensor

    def dot(self, query_RHX: Tensor) -> Tensor:
        """The products `[R, H, K]` of a place's queries with each of its events."""
        pieces = query_RHX.split([part.shape[2] for part in self.parts], dim=2)
        products = [
            torch.bmm(piece, part.transpose(1, 2)) for piece, part in zip(pieces, self.parts, strict=True)
        ]
        return sum(products[1:], start=products[0])

    def mix(self, weight_RHK: Tensor) -> Tensor:
        """The weighted sums `[R, H, X]` of a place's events."""
        return torch.cat([torch.bmm(weight_RHK, part) for part in self.parts], dim=2)
