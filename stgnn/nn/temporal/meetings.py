r"""What is known of the earlier events of a place, c_n = [h_n, e_n, phi(t - t_n)], in parts that are never joined.

The products that an embedding takes of c need no projection of every c_n: with one query for a place,

    q . (W_k c_n) = (W_k^T q) . c_n        and        sum_n a_n (W_v c_n) = W_v (sum_n a_n c_n)

are the same numbers and K times fewer products. The events' features are data: no gradient is computed for them.

Axes: R places, K earlier events of each, H heads, G = 2 H, D memory, F feature and M time channels, X = D + F + M.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import dropout


@dataclass(frozen=True)
class Meetings:
    """Earlier events `[R, K]` by their parts, in the order of X; a part without channels is left out."""

    parts: tuple[Tensor, ...]  # [R, K, D or F or M]
    valid_RK: Tensor

    def products(self, query_RHX: Tensor) -> Tensor:
        """The products `[R, H, K]` of a place's queries with each of its events."""
        return _products(query_RHX, self.parts)

    def mix(self, weight_RHK: Tensor) -> Tensor:
        """The weighted sums `[R, H, X]` of a place's events."""
        return torch.cat([torch.bmm(weight_RHK, part) for part in self.parts], dim=2)


def attend(query_RHX: Tensor, met: Meetings, share: float) -> tuple[Tensor, Tensor]:
    """Attention weights `[R, H, K]` of absorbed queries, a `share` of them dropped, and the sums `[R, H, X]` they give.

    A place without events has weights of zero.
    """
    places, heads, _ = query_RHX.shape
    keep_RHK = dropout(query_RHX.new_ones(places, heads, met.valid_RK.shape[1]), share) if share else None
    apply = cast("Callable[..., tuple[Tensor, Tensor]]", _Attend.apply)
    return apply(query_RHX, met.valid_RK, keep_RHK, *met.parts)


class _Attend(torch.autograd.Function):
    """Softmax over the products of queries with events, and the events' sums with these weights.

    Composed of torch's operations, each part gets two gradients, one from the products and one from the sums; here
    one matrix product makes both.
    """

    @staticmethod
    def forward(
        ctx: Any, query_RHX: Tensor, valid_RK: Tensor, keep_RHK: Tensor | None, *parts: Tensor
    ) -> tuple[Tensor, Tensor]:
        score_RHK = _products(query_RHX, parts)
        lowest = torch.finfo(score_RHK.dtype).min  # not -inf: a place without events has a softmax too
        valid_R1K = valid_RK.unsqueeze(1)
        soft_RHK = score_RHK.masked_fill_(~valid_R1K, lowest).softmax(2).mul_(valid_R1K)
        weight_RHK = soft_RHK if keep_RHK is None else soft_RHK * keep_RHK
        ctx.save_for_backward(query_RHX, soft_RHK, weight_RHK, keep_RHK, *parts)
        return weight_RHK, torch.cat([torch.bmm(weight_RHK, part) for part in parts], dim=2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_weight_RHK: Tensor, d_mixed_RHX: Tensor) -> tuple[Tensor | None, ...]:
        query_RHX, soft_RHK, weight_RHK, keep_RHK, *parts = ctx.saved_tensors
        d_RHK = _products(d_mixed_RHX, parts).add_(d_weight_RHK)
        if keep_RHK is not None:
            d_RHK *= keep_RHK
        d_score_RHK = d_RHK.sub_((d_RHK * soft_RHK).sum(2, keepdim=True)).mul_(soft_RHK)
        d_query_RHX = torch.cat([torch.bmm(d_score_RHK, part) for part in parts], dim=2)
        both_RKG = torch.cat([weight_RHK, d_score_RHK], dim=1).transpose(1, 2)
        both_RGX = torch.cat([d_mixed_RHX, query_RHX], dim=1)
        d_parts = [
            torch.bmm(both_RKG, piece) if needed else None
            for piece, needed in zip(_pieces(both_RGX, parts), ctx.needs_input_grad[3:], strict=True)
        ]
        return d_query_RHX, None, None, *d_parts


def _pieces(joined_RHX: Tensor, parts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return torch.split(joined_RHX, [part.shape[2] for part in parts], dim=2)


def _products(joined_RHX: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """The products `[R, H, K]` of rows of X channels with each event."""
    first, *others = zip(_pieces(joined_RHX, parts), parts, strict=True)
    product_RHK = torch.bmm(first[0], first[1].transpose(1, 2))
    for piece, part in others:
        product_RHK.baddbmm_(piece, part.transpose(1, 2))
    return product_RHK
