"""What is noted and said of an epoch that is over, and when its scores are refused."""

import logging
import math
import statistics

from stgnn.errors import InputError
from stgnn.tasks import Predicted
from stgnn.training.checkpoint import Progress

log = logging.getLogger(__name__)

_SPLITS = {"t": "train", "v": "validation"}


def require_finite(epoch: int, train: float, validation: float, names: Predicted) -> None:
    """Raise `InputError` where a score of the epoch is NaN or infinite."""
    if not math.isfinite(train):
        raise InputError("training", f"the loss became {train} in epoch {epoch}", "lower learning_rate")
    if not math.isfinite(validation):
        problem = f"the {spoken(names.validation)} is {validation} in epoch {epoch}"
        todo = "check that the validation split has values that are not missing"
        raise InputError("training", problem, todo)


def note_epoch(
    progress: Progress, seconds: float, train: float, validation: float, rate: float, names: Predicted
) -> None:
    """Add the epoch to the history, which becomes `per_epoch_stats.csv`; NaN is what was not scored."""
    row = {"runtime": seconds, names.train: train, names.validation: validation, "learning_rate": rate}
    progress.history.append({"epoch": progress.epoch} | row)


def usual_seconds(progress: Progress) -> float:
    """The time that an epoch usually takes: the median over those after the first one, if there are any.

    In the first one files are read for the first time and memory is asked for, kernels are chosen or compiled.
    """
    seconds = [row["runtime"] for row in progress.history]
    return statistics.median(seconds[1:] or seconds)


def say_epoch(progress: Progress, epochs: int, names: Predicted) -> None:
    """Log the last epoch of the history in one line."""
    row = progress.history[-1]
    shown = [
        f"{spoken(name)} {row[name]:.4f}"
        for name in (names.train, names.validation)
        if not math.isnan(row[name])
    ]
    log.info("epoch %d/%d  %s  %.1f s", row["epoch"], epochs, "  ".join(shown), row["runtime"])


def spoken(column: str) -> str:
    """`v_mae` -> "validation MAE", `t_loss` -> "train loss"."""
    split, _, score = column.partition("_")
    return f"{_SPLITS[split]} {score if score == 'loss' else score.upper()}"
