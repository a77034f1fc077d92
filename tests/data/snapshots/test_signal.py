"""Every signal is indexed, iterated, shared and copied as a sequence, which PyTorch Geometric Temporal's are not."""

import copy
import itertools
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from stgnn.data import snapshots
from stgnn.data.snapshots import StaticGraphTemporalSignal
from tests.data.snapshots.cases import NAMES, RELATION, E, F, N, T, arguments


def make(name: str, **more: Any) -> Any:
    positional, extra = arguments(name)
    return getattr(snapshots, name)(*positional, **extra, **more)


def y_of(signal: Any) -> list[list[float]]:
    """The targets of every snapshot, by which one is known from another."""
    found = (each["paper"].y if "Hetero" in type(signal).__name__ else each.y for each in signal)
    return [y.tolist() for y in found]


@pytest.mark.parametrize("name", NAMES)
def test_arrays_lists_and_masks_choose_snapshots(name: str) -> None:
    signal = make(name)
    every = y_of(signal)
    chosen = [every[7], every[0], every[-2]]
    for index in (
        [7, 0, -2],
        np.array([7, 0, -2]),
        torch.tensor([7, 0, -2]),
        np.array([7, 0, T - 2], np.uint8),
    ):
        assert type(signal[index]) is type(signal) and y_of(signal[index]) == chosen
    odd = [number % 2 == 1 for number in range(T)]
    assert y_of(signal[odd]) == y_of(signal[np.array(odd)]) == every[1::2]
    assert y_of(signal[2:][[0, 3]][::-1]) == [every[5], every[2]]
    assert len(signal[[]]) == 0 and list(signal[[]]) == []


@pytest.mark.parametrize("index", [T, -T - 1, [0, T], [-T - 1], [True] * (T - 1), [[1]], [0.5], ["a"]])
def test_an_index_outside_or_of_another_kind_is_an_index_error(index: Any) -> None:
    with pytest.raises(IndexError):
        make("StaticGraphTemporalSignal")[index]


@pytest.mark.parametrize("index", ["a", 1.5, None])
def test_what_is_no_index_is_a_type_error(index: Any) -> None:
    with pytest.raises(TypeError):
        make("StaticGraphTemporalSignal")[index]


@pytest.mark.parametrize("name", NAMES)
def test_iterators_are_independent(name: str) -> None:
    signal = make(name)
    first, second = iter(signal), iter(signal)
    assert next(first) is not None and next(first) is not None
    assert len(list(second)) == T and len(list(first)) == T - 2
    assert len([1 for _, _ in itertools.product(signal, signal)]) == T * T
    assert sum(1 for outer in signal for inner in signal if y_equal(outer, inner)) == T


def y_equal(a: Any, b: Any) -> bool:
    kind = "paper" if hasattr(a, "node_types") else None
    return torch.equal(a[kind].y if kind else a.y, b[kind].y if kind else b.y)


def test_parts_that_stay_are_built_once_and_shared_with_slices() -> None:
    static = make("StaticGraphTemporalSignalBatch")
    for key in ("edge_index", "edge_attr", "batch"):
        assert (
            len({id(snapshot[key]) for snapshot in [static[0], static[5], static[2:4][0], static[[1]][0]]})
            == 1
        )
    feature = make("DynamicGraphStaticSignal")
    assert feature[0].x is feature[3:][2].x
    hetero = make("StaticHeteroGraphTemporalSignal")
    assert hetero[0][RELATION].edge_index is hetero[3:][2][RELATION].edge_index


def test_changing_a_snapshot_changes_neither_the_signal_nor_another_snapshot() -> None:
    rows = np.arange(40, dtype=np.float32).reshape(10, 4)
    windows = [rows[start : start + 3].T for start in range(6)]
    signal = StaticGraphTemporalSignal(None, None, windows, list(rows[3:9]))
    signal[2].x.zero_()
    signal[2].y.zero_()
    np.testing.assert_array_equal(signal[3].x, rows[3:6].T)
    np.testing.assert_array_equal(signal[2].y, rows[5])


EXTRAS = [
    (np.array([True, False]), torch.bool),
    (np.array([1, 2], np.uint8), torch.int64),
    (np.array([2**63, 1], np.uint64), torch.uint64),
    (np.array([1, 2], np.int16), torch.int64),
    (np.array([0.5, 2], np.float16), torch.float32),
    (np.array([0.5, 2], np.longdouble), torch.float32),
    (np.array([1 + 2j]), torch.complex64),
    (np.float64(3.5), torch.float32),
    ([1, 2], torch.int64),
    (torch.tensor([1.5], dtype=torch.float64), torch.float32),
    (torch.tensor([True]), torch.bool),
]


@pytest.mark.parametrize("value, dtype", EXTRAS)
def test_additional_attributes_become_tensors_of_their_own_kind(value: Any, dtype: torch.dtype) -> None:
    signal = make("StaticGraphTemporalSignal", more=[value] * T)
    tensor = signal[3].more
    assert tensor.dtype == dtype and tensor.tolist() == np.asarray(value).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_additional_attributes_that_no_tensor_holds_stay_arrays(name: str) -> None:
    text, day = np.array(["a", "b"]), np.array(["2020-01-01"], "datetime64[ns]")
    values = [text, day, None] * 3
    signal = make(name, more=[{"paper": value} for value in values] if "Hetero" in name else values)
    found = [
        snapshot["paper"].get("more") if "Hetero" in name else snapshot.to_dict().get("more")
        for snapshot in signal
    ]
    assert found[0].tolist() == ["a", "b"] and found[1].dtype == day.dtype and found[2] is None


class Reads(Sequence[Any]):
    """A sequence that notes what is read of it, as one on disk would have to read it."""

    def __init__(self, items: list[Any]) -> None:
        self.items, self.read = items, set[int]()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: Any) -> Any:
        assert isinstance(number, int)
        self.read.add(number)
        return self.items[number]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_lazily_is_read_only_for_the_snapshots_asked_for(name: str) -> None:
    positional, extra = arguments(name)
    lazy = [Reads(part) if isinstance(part, list) else part for part in positional]
    signal = getattr(snapshots, name)(*lazy, **{key: Reads(part) for key, part in extra.items()})
    assert len(signal[3:][[0, 1]][:]) == 2
    y = y_of(signal[3:][[0, 1]])
    assert {frozenset(part.read) for part in lazy if isinstance(part, Reads)} == {frozenset({3, 4})}
    assert y == y_of(make(name))[3:5]


@pytest.mark.parametrize("name", NAMES)
def test_signals_are_copied_and_pickled_whole(name: str) -> None:
    signal = make(name)
    for other in (copy.copy(signal), copy.deepcopy(signal), pickle.loads(pickle.dumps(signal))):
        assert type(other) is type(signal) and y_of(other[1:]) == y_of(signal)[1:]


def test_arrays_tensors_and_nested_lists_make_the_same_snapshots() -> None:
    rng = np.random.default_rng(0)
    index, x, y = rng.integers(0, N, (2, E)), rng.normal(size=(T, N, F)), rng.normal(size=(T, N))
    plain = StaticGraphTemporalSignal(index, None, list(x), list(y))
    for convert in (np.asarray, torch.from_numpy, np.ndarray.tolist):
        other = StaticGraphTemporalSignal(convert(index), None, convert(x), convert(y))
        for cut in (slice(None), slice(2, 4), [5, 1]):
            for mine, same in zip(other[cut], plain[cut], strict=True):
                assert all(torch.equal(mine[key], same[key]) for key in ("x", "y", "edge_index"))


def test_no_edges_may_be_an_empty_array_of_any_shape() -> None:
    x = [np.ones((N, F))]
    for empty in ([], np.empty((0, 2)), np.empty((2, 0)), torch.empty(0)):
        assert snapshots.DynamicGraphTemporalSignal([empty], [[]], x, x)[0].edge_index.shape == (2, 0)


def test_a_signal_is_a_data_set_of_pytorch() -> None:
    loader = DataLoader(make("StaticGraphTemporalSignal"), batch_size=4, collate_fn=list)  # type: ignore[arg-type]
    assert [len(batch) for batch in loader] == [4, 4, 1]


def test_batches_know_how_many_graphs_they_have() -> None:
    for name in NAMES:
        if name.endswith("Batch"):
            assert make(name)[0].num_graphs == 2


def test_a_signal_says_what_it_is() -> None:
    signals: Iterator[Any] = (make(name) for name in NAMES)
    assert [repr(signal) for signal in signals] == [f"{name}({T} snapshots)" for name in NAMES]
