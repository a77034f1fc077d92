"""The names of what runs are scored by, and which of them need what else to be told apart. Needs no torch."""

from collections.abc import Mapping
from typing import Any

from stgnn.tasks import ENTRIES, LINKS, NODES

ENTRY_SCORES = ("count", "mae", "mse", "rmse", "mape")  # of a signal's entries: pooled, or by forecast step
AGAINST_NEGATIVES = (
    "ap",
    "auc",
    "ap_batch",
    "auc_batch",
)  # of an event stream's links, from stored negatives
# The same of the events that have such a negative, and the share of those for which a random one stands in, a fallback.
PROPERLY = ("ap_proper", "auc_proper", "count_proper", "fallback")
RANKINGS = ("mrr", "hits_1", "hits_3", "hits_10")  # of links among all destinations
LABEL_SCORES = ("label_ap", "label_auc")  # of the labels of events
SCORES = ENTRY_SCORES + AGAINST_NEGATIVES + PROPERLY + RANKINGS + LABEL_SCORES  # all that belong to a split


SCORES_OF: Mapping[str, tuple[str, ...]] = {
    ENTRIES: ENTRY_SCORES,
    LINKS: AGAINST_NEGATIVES + PROPERLY + RANKINGS,
    NODES: LABEL_SCORES,
}

# What runs record beside scores, where not all kinds of them do.
RECORDED_BY: Mapping[str, tuple[str, ...]] = {
    "t_mae": (ENTRIES,), "v_mae": (ENTRIES,), "windows_per_second": (ENTRIES,),
    "signal_mb": (ENTRIES,), "windows_mb": (ENTRIES,),
    "v_ap": (LINKS,), "v_auc": (NODES,),
    "t_loss": (LINKS, NODES), "events_per_second": (LINKS, NODES),
}  # fmt: skip

# The one score that models are ranked by.
HEADLINE: Mapping[str, str] = {ENTRIES: "mae", LINKS: "ap", NODES: "label_auc"}


def in_full(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return a column or reference with what goes without saying: the test split, all its nodes, random negatives.

    Random negatives are never fallbacks, so what is said of fallbacks is of historical ones.
    """
    metric = measured["metric"]
    if metric not in SCORES:
        return dict(measured)
    usual = {"split": "test"}
    if metric in AGAINST_NEGATIVES:
        usual |= {"nodes": "all", "negatives": "random"}
    if metric in PROPERLY:
        usual |= {"nodes": "all", "negatives": "historical"}
    if metric in RANKINGS:
        usual |= {"nodes": "all", "negatives": "every"}
    return usual | dict(measured)
