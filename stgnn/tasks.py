"""What a run may be asked to predict, and what its epochs are judged by. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Predicted:
    """One kind of prediction: the module that trains it and its columns of `per_epoch_stats.csv`."""

    module: str  # has `prepare(settings, store, world) -> stgnn.training.task.Task`
    train: str  # the column of what training summed up, a mean over the epoch
    validation: str  # the column that the best epoch is chosen by
    higher_is_better: bool  # of the validation column

    def improves(self, new: float, best: float | None) -> bool:
        """Is `new` a better validation score than the best so far (None: there is none)? NaN never is."""
        if best is None:
            return new == new
        return new > best if self.higher_is_better else new < best


ENTRIES, LINKS, NODES = "entries", "links", "nodes"

PREDICTED = {
    ENTRIES: Predicted("stgnn.training.forecasting", "t_mae", "v_mae", False),  # the next entries of a signal
    LINKS: Predicted(
        "stgnn.training.links", "t_loss", "v_ap", True
    ),  # who meets whom next, in an event stream
    NODES: Predicted("stgnn.training.nodes", "t_loss", "v_auc", True),  # the class of an event's source
}


def predicted(settings: Mapping[str, Any]) -> str:
    """What a resolved run predicts, a key of `PREDICTED`."""
    kind: str = settings["task"].get("predict", ENTRIES)
    return kind
