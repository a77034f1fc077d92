"""What a run may be asked to predict, and what its epochs are judged by. Needs no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Predicted:
    """One kind of prediction: the module that trains it and its columns of `per_epoch_stats.csv`."""

    module: str  # has `prepare(settings, store, folder, world) -> stgnn.training.task.Task`
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


@dataclass(frozen=True)
class StreamProtocol:
    """How an event stream is gone through; part of a result's name, since it decides what the result means."""

    visibility: (
        str  # strict-time: all that was strictly earlier; previous-batches: nothing of the batch itself
    )
    batch_size: int  # events after which memory and weights move on


_STREAM = re.compile(r"(strict-time|previous-batches)-b([1-9][0-9]*)")


def stream_protocol(batching: str) -> StreamProtocol | None:
    """What `strict-time-b200` and the like say; None for the ways to batch a signal."""
    found = _STREAM.fullmatch(batching)
    return StreamProtocol(found[1], int(found[2])) if found else None
