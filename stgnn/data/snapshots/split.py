"""Splits of a signal in time order."""

from collections.abc import Sequence
from typing import Any, TypeVar

from stgnn.data.snapshots.signal import SnapshotSignal
from stgnn.errors import InputError

AnySignal = TypeVar("AnySignal", bound=SnapshotSignal[Any])


def temporal_signal_split(
    data_iterator: AnySignal, train_ratio: float = 0.8, *, ratio: Sequence[float] | None = None
) -> tuple[AnySignal, ...]:
    """Cut a signal into train and test, or into train, validation and test: views, in time order.

    `train_ratio` gives (train, test): the first `int(train_ratio * len)` snapshots, exactly as PyTorch Geometric
    Temporal cuts (0.29 of 100 are 28 there and here), and the others. `ratio`, three shares that add up to 1, gives
    (train, validation, test) sized by `round()` as windows are (`stgnn.data.split_windows`), train and test first.

    Windows of neighbouring parts share entries: the first test snapshot's lags are targets of the last training ones.

    Raises `InputError` for shares outside [0, 1], and for three that leave a part empty.
    """
    count = len(data_iterator)
    if ratio is None:
        if not 0 <= train_ratio <= 1:
            raise InputError("train_ratio", f"is {train_ratio}", "give a share from 0 to 1")
        train = int(train_ratio * count)
        return data_iterator[:train], data_iterator[train:]
    train, validation = three_parts(count, ratio)
    return (
        data_iterator[:train],
        data_iterator[train : train + validation],
        data_iterator[train + validation :],
    )


def three_parts(count: int, ratio: Sequence[float]) -> tuple[int, int]:
    """Return how many of `count` snapshots are for training and for validation; the others are for test."""
    if len(ratio) != 3 or min(ratio) <= 0 or abs(sum(ratio) - 1) > 1e-9:
        raise InputError("ratio", f"{list(ratio)} is not three positive shares that add up to 1")
    train, test = round(count * ratio[0]), round(count * ratio[2])
    if min(train, test, count - train - test) < 1:
        raise InputError(
            "ratio", f"{list(ratio)} of {count} snapshots leaves a part empty", "give more snapshots"
        )
    return train, count - train - test
