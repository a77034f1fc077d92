"""Every class gives the snapshots that PyTorch Geometric Temporal's class of the same name gives."""

import inspect
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from stgnn.data import snapshots
from tests.data.snapshots.cases import NAMES, F, N, T, arguments
from tests.pgt_oracle import has_pgt, load_pgt

pytestmark = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")


def pair(name: str) -> tuple[Any, Any]:
    load_pgt()
    positional, extra = arguments(name)
    theirs = getattr(import_module("torch_geometric_temporal.signal"), name)
    return getattr(snapshots, name)(*positional, **extra), theirs(*positional, **extra)


def contents(snapshot: Any) -> dict[Any, Any]:
    """Everything in a snapshot, by where it is."""
    return {(str(store._key), key): value for store in snapshot.stores for key, value in store.items()}


def assert_equal(ours: Any, theirs: Any) -> None:
    assert type(ours).__name__ == type(theirs).__name__
    mine, other = contents(ours), contents(theirs)
    assert mine.keys() == other.keys()
    for key, value in mine.items():
        assert value.dtype == other[key].dtype and torch.equal(value, other[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_snapshots_equal_pgts(name: str) -> None:
    ours, theirs = pair(name)
    assert len(ours) == ours.snapshot_count == theirs.snapshot_count == T
    for mine, other in zip(ours, theirs, strict=True):
        assert_equal(mine, other)


@pytest.mark.parametrize("name", NAMES)
def test_slices_and_negative_indices_equal_pgts(name: str) -> None:
    ours, theirs = pair(name)
    for cut in (slice(2, 5), slice(None, None, 3), slice(-2, None), slice(4, 4)):
        mine, other = ours[cut], theirs[cut]
        assert type(mine) is type(ours) and len(mine) == other.snapshot_count
        for left, right in zip(mine, other, strict=True):
            assert_equal(left, right)
    assert_equal(ours[-1], theirs[-1])
    assert_equal(ours[np.int64(3)], theirs[3])


@pytest.mark.parametrize("name", NAMES)
def test_constructors_take_what_pgts_take(name: str) -> None:
    ours, theirs = pair(name)
    mine, other = (inspect.signature(type(signal)).parameters for signal in (ours, theirs))
    assert [(key, each.kind, each.default) for key, each in mine.items()] == [
        (key, each.kind, each.default) for key, each in other.items()
    ]
    for key in mine:
        if key != "kwargs":
            assert getattr(ours, key) is getattr(theirs, key)
    assert ours.flag is theirs.flag and ours.additional_feature_keys == theirs.additional_feature_keys


@pytest.mark.parametrize("name", [name for name in NAMES if "Hetero" not in name])
def test_missing_parts_pass_through_as_in_pgt(name: str) -> None:
    load_pgt()
    positional, _ = arguments(name)
    blank = [[None] * T if isinstance(part, list) else None for part in positional]
    ours = getattr(snapshots, name)(*blank)
    theirs = getattr(import_module("torch_geometric_temporal.signal"), name)(*blank)
    assert contents(ours[2]) == contents(theirs[2])


@pytest.mark.parametrize("name", [name for name in NAMES if "Hetero" in name])
def test_missing_types_pass_through_as_in_pgt(name: str) -> None:
    load_pgt()
    positional, extra = arguments(name)
    gaps = [
        [None if t == 1 else value for t, value in enumerate(part)] if isinstance(part, list) else part
        for part in positional
    ]
    ours = getattr(snapshots, name)(*gaps, **extra)
    theirs = getattr(import_module("torch_geometric_temporal.signal"), name)(*gaps, **extra)
    for mine, other in zip(ours, theirs, strict=True):
        assert_equal(mine, other)


@pytest.mark.parametrize("count", [*range(1, 30), 100])
def test_the_two_way_split_cuts_where_pgts_does(count: int) -> None:
    load_pgt()
    signal = import_module("torch_geometric_temporal.signal")
    features = [np.zeros((N, F))] * count
    ours = snapshots.StaticGraphTemporalSignal(None, None, features, features)
    theirs = signal.StaticGraphTemporalSignal(None, None, features, features)
    for ratio in (0.0, 0.29, 0.5, 0.7, 0.8, 1.0):
        mine = [len(part) for part in snapshots.temporal_signal_split(ours, train_ratio=ratio)]
        other = [part.snapshot_count for part in signal.temporal_signal_split(theirs, train_ratio=ratio)]
        assert mine == other
