"""Splits follow each other in time and leave nothing out."""

import numpy as np
import pytest

from stgnn.data import split_windows
from stgnn.data.snapshots import DynamicGraphTemporalSignal, StaticGraphTemporalSignal, temporal_signal_split
from stgnn.errors import InputError


def numbered(count: int) -> StaticGraphTemporalSignal:
    features = [np.full((2, 1), number) for number in range(count)]
    return StaticGraphTemporalSignal(np.array([[0], [1]]), None, features, features)


def numbers(signal: StaticGraphTemporalSignal) -> list[float]:
    return [float(snapshot.x[0, 0]) for snapshot in signal]


def test_train_and_test_follow_each_other() -> None:
    train, test = temporal_signal_split(numbered(10), train_ratio=0.8)
    assert numbers(train) == list(range(8)) and numbers(test) == [8, 9]
    train, test = temporal_signal_split(numbered(10), 0.25)
    assert len(train) == 2 and type(test) is StaticGraphTemporalSignal


@pytest.mark.parametrize("count", [10, 31, 517, 34249])
def test_three_parts_are_sized_as_splits_of_windows(count: int) -> None:
    windows = split_windows(count + 4, 4, 1)
    signal = DynamicGraphTemporalSignal(*[[None] * count] * 4)
    parts = temporal_signal_split(signal, ratio=(0.7, 0.1, 0.2))
    assert [len(part) for part in parts] == [
        len(windows.of(name)) for name in ("train", "validation", "test")
    ]


def test_three_parts_follow_each_other() -> None:
    train, validation, test = temporal_signal_split(numbered(10), ratio=(0.6, 0.2, 0.2))
    assert numbers(train) + numbers(validation) + numbers(test) == list(range(10))
    assert len(validation) == len(test) == 2


@pytest.mark.parametrize("ratio", [-0.1, 1.1])
def test_a_share_outside_its_range_is_refused(ratio: float) -> None:
    with pytest.raises(InputError, match="train_ratio"):
        temporal_signal_split(numbered(10), ratio)


@pytest.mark.parametrize("ratio", [(0.7, 0.3), (0.7, 0.1, 0.1), (1.0, 0.0, 0.0), (0.98, 0.01, 0.01)])
def test_three_shares_must_add_up_and_leave_no_part_empty(ratio: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="ratio"):
        temporal_signal_split(numbered(10), ratio=ratio)
