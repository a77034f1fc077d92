"""How well links are predicted: AP and AUC against stored negatives, ranks among all destinations.

Scores are collected batch by batch and measured once, over all of them: a mean of batch means depends on the
batch size and overweighs the last batch. It stands beside (`ap_batch`, `auc_batch`) since the literature reports it.
Nothing is kept but the scores: 27 bytes an event with one negative of each kind and its rank.

Axes: B events of a batch, D all destinations, Q negatives of an event, E events scored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from stgnn.errors import InputError
from stgnn.store.negatives import SOMETIMES_LACKING

NEGATIVES = ("random", "historical", "inductive")  # the kinds that an event store holds
HITS = (1, 3, 10)
TO_DO = "the weights have diverged: lower learning_rate"


def ranks(score_BD: Tensor, destination_D: Tensor, src_B: Tensor, dst_B: Tensor, t_B: Tensor) -> Tensor:
    """Rank each event's destination among all: float64 [B], 1 is best.

    rank = 1 + #greater + #equal / 2, so that a constant scorer lands in the middle whatever the order. Other
    destinations that the same source really meets at the same time in this batch are no rivals and are left out.

    Args:
        score_BD: scores of every destination, logits or anything that orders like them.
        destination_D: their ids, ascending, the events' own among them.
        src_B: the events' sources.
        dst_B: the events' destinations.
        t_B: the events' times. Batches must not cut equal times apart.

    Raises:
        InputError: a score is NaN or infinite.
    """
    _require_finite(score_BD, "all destinations")
    column_B = torch.searchsorted(destination_D, dst_B)
    _, meeting_B = torch.unique(torch.stack([src_B, t_B]), dim=1, return_inverse=True)
    true_MD = torch.zeros(len(src_B), len(destination_D), dtype=torch.bool, device=score_BD.device)
    true_MD[meeting_B, column_B] = True
    rival_BD = ~true_MD[meeting_B]
    own_B1 = score_BD.gather(1, column_B[:, None])
    greater_B = ((score_BD > own_B1) & rival_BD).sum(1)
    equal_B = ((score_BD == own_B1) & rival_BD).sum(1)
    return 1.0 + greater_B.double() + equal_B.double() / 2


@dataclass(frozen=True)
class _Batch:
    positive_B: NDArray[np.float32]
    negative: dict[str, NDArray[np.float32]]  # [B, Q]
    fallback: dict[str, NDArray[np.bool_]]  # [B]
    new_B: NDArray[np.bool_]
    rank_B: NDArray[np.float64]  # empty where nothing was ranked


@dataclass
class LinkScores:
    """The scores of a stretch of events, batch by batch."""

    _batches: list[_Batch] = field(default_factory=list)

    def add(
        self,
        positive_B: Tensor,
        negative: Mapping[str, Tensor],
        new_B: Tensor | NDArray[np.bool_],
        rank_B: Tensor | None = None,
        fallback: Mapping[str, Tensor | NDArray[np.bool_]] = MappingProxyType({}),
    ) -> None:
        """Add a batch; logits are better than probabilities, which round to equal ones near 0 and 1.

        Args:
            positive_B: scores of the events.
            negative: scores of each event's negatives, [B, Q], by kind (`NEGATIVES`; any may be absent).
            new_B: has the event a node that training never saw? The inductive protocol scores those alone.
            rank_B: what `ranks` returned; absent from all batches or from none.
            fallback: is each event's negative of this kind a random one for want of one? [B]; all are not, if absent.

        Raises:
            InputError: a score is NaN or infinite.
        """
        for kind, score_BQ in {"events": positive_B, **negative}.items():
            _require_finite(score_BQ, kind)
        ranked = np.empty(0) if rank_B is None else _array(rank_B)
        scores = {kind: _array(score_BQ.float()) for kind, score_BQ in negative.items()}
        masks = {kind: np.asarray(_array(mask_B), dtype=bool) for kind, mask_B in fallback.items()}
        batch = _Batch(
            _array(positive_B.float()), scores, masks, np.asarray(_array(new_B), dtype=bool), ranked
        )
        self._batches.append(batch)

    def summary(self) -> dict[str, Any]:
        """All metrics, over all events and over those with a new node; None where nothing was to be scored.

        `{"all": {"random": {"ap", "auc", "ap_batch", "auc_batch"}, "historical": .., "inductive": ..,
        "every": {"mrr", "hits_1", "hits_3", "hits_10"}, "count"}, "new": ..}`. AP and AUC are scikit-learn's, equal
        scores taken together. Batches without an event of the kind take no part in the means over batches.
        Historical and inductive have {"ap_proper", "auc_proper", "count_proper", "fallback"} besides: those of the
        events whose negatives are of the kind and no fallbacks, how many these are, and the share of the others.
        """
        return {
            "all": self._over([np.ones_like(batch.new_B) for batch in self._batches]),
            "new": self._over([batch.new_B for batch in self._batches]),
        }

    def columns(self) -> dict[str, NDArray[Any]]:
        """All that was added, in order: `logit` [E], `negative_<kind>` [E, Q], and `rank` [E] if events were ranked."""
        batches = self._batches
        if not batches:
            return {"logit": np.empty(0, np.float32)}
        found = {"logit": np.concatenate([batch.positive_B for batch in batches])}
        for kind in batches[0].negative:
            found[f"negative_{kind}"] = np.concatenate([batch.negative[kind] for batch in batches])
        ranked = np.concatenate([batch.rank_B for batch in batches])
        return found | ({"rank": ranked} if len(ranked) else {})

    def _over(self, masks: list[NDArray[np.bool_]]) -> dict[str, Any]:
        counted = [(batch, mask) for batch, mask in zip(self._batches, masks, strict=True) if mask.any()]
        metrics: dict[str, Any] = {}
        for kind in NEGATIVES:
            parts = [(b.positive_B[m], b.negative[kind][m]) for b, m in counted if kind in b.negative]
            metrics[kind] = _against(parts)
            if kind in SOMETIMES_LACKING:
                metrics[kind] |= _properly(counted, kind)
        ranked = [batch.rank_B[mask] for batch, mask in counted if len(batch.rank_B)]
        metrics["every"] = _ranking(np.concatenate(ranked) if ranked else np.empty(0))
        return metrics | {"count": sum(int(mask.sum()) for mask in masks)}


def _against(parts: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> dict[str, float | None]:
    """AP and AUC of the positives [B] among the negatives [B, Q] of some batches, pooled and as mean over them."""
    if not parts:
        return dict.fromkeys(("ap", "auc", "ap_batch", "auc_batch"))
    ap, auc = _ap_and_auc(*map(np.concatenate, zip(*parts, strict=True)))
    ap_batch, auc_batch = np.mean([_ap_and_auc(*part) for part in parts], axis=0)
    return {"ap": ap, "auc": auc, "ap_batch": float(ap_batch), "auc_batch": float(auc_batch)}


def _properly(counted: list[tuple[_Batch, NDArray[np.bool_]]], kind: str) -> dict[str, float | None]:
    """AP and AUC over the events of the masks [B] whose negatives are no fallbacks, and the share of those left out."""
    parts, events = [], 0
    for batch, mask in counted:
        if kind in batch.negative:
            proper = mask & ~batch.fallback.get(kind, np.zeros_like(mask))
            parts.append((batch.positive_B[proper], batch.negative[kind][proper]))
            events += int(mask.sum())
    count = sum(len(positive_B) for positive_B, _ in parts)
    ap, auc = _ap_and_auc(*map(np.concatenate, zip(*parts, strict=True))) if count else (None, None)
    fallback = 1 - count / events if events else None
    return {"ap_proper": ap, "auc_proper": auc, "count_proper": count, "fallback": fallback}


def _ap_and_auc(positive_E: NDArray[np.float32], negative_EQ: NDArray[np.float32]) -> tuple[float, float]:
    score = np.concatenate([positive_E, negative_EQ.ravel()])
    truth = np.arange(len(score)) < len(positive_E)
    return float(average_precision_score(truth, score)), float(roc_auc_score(truth, score))


def _ranking(rank_E: NDArray[np.float64]) -> dict[str, float | None]:
    share = {"mrr": 1 / rank_E} | {f"hits_{k}": rank_E <= k for k in HITS}
    return {name: float(values.mean()) if len(rank_E) else None for name, values in share.items()}


def _require_finite(score: Tensor, kind: str) -> None:
    wrong = ~torch.isfinite(score)
    if wrong.any():
        where = (
            f"scores of {kind}" if kind in ("events", "all destinations") else f"scores of {kind} negatives"
        )
        raise InputError(where, f"{int(wrong.sum())} of {score.numel()} are NaN or infinite", TO_DO)


def _array(values: Tensor | NDArray[Any]) -> NDArray[Any]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values
