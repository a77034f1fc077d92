"""A store's windows as snapshots: the same numbers as slices of its signal, read when they are asked for."""

import copy
import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from stgnn.data import Scaler, fit_scaler, split_windows
from stgnn.data.snapshots import Entries, stored_signal, temporal_signal_split
from stgnn.errors import InputError
from stgnn.store import SignalStore, open_store, write_store
from tests.conftest import make_signal

VALUES = np.random.default_rng(3).normal(60, 10, (90, 4, 2)).astype(np.float32)
MakeStore = Callable[..., SignalStore]


def test_snapshots_are_slices_of_the_signal(make_store: MakeStore) -> None:
    signal = stored_signal(make_store(VALUES, shard_bytes=600), 6, 3)
    assert len(signal) == 90 - 8
    for start, snapshot in enumerate(signal):
        np.testing.assert_array_equal(snapshot.x, VALUES[start : start + 6].transpose(1, 2, 0))
        np.testing.assert_array_equal(snapshot.y, VALUES[start + 6 : start + 9].transpose(1, 2, 0))
        assert snapshot.x.is_contiguous()


def test_one_feature_and_the_one_next_entry_have_no_axis(make_store: MakeStore) -> None:
    one = make_store(VALUES[..., :1], name="one")
    signal = stored_signal(one, 6)
    np.testing.assert_array_equal(signal[4].x, VALUES[4:10, :, 0].T)
    np.testing.assert_array_equal(signal[4].y, VALUES[10, :, 0])
    assert stored_signal(one, 6, 1)[0].y.shape == (4, 1)
    two = make_store(VALUES)
    np.testing.assert_array_equal(stored_signal(two, 6)[4].y, VALUES[10])
    np.testing.assert_array_equal(stored_signal(two, 6, targets=["f1"])[4].y, VALUES[10, :, 1])
    np.testing.assert_array_equal(stored_signal(two, 6, 2, targets=["f1"])[4].y, VALUES[10:12, :, 1].T)
    with pytest.raises(InputError, match="targets"):
        stored_signal(two, 6, targets=["f2"])


def test_entries_are_scaled_and_may_carry_the_calendar(make_store: MakeStore) -> None:
    store, windows = make_store(VALUES), split_windows(90, 6, 3)
    fitted = fit_scaler(store, windows.train, 6)
    scaler = Scaler(torch.cat([fitted.mean_F, torch.zeros(1)]), torch.cat([fitted.std_F, torch.ones(1)]))
    signal = stored_signal(Entries(store, ("time_of_day",), scaler), 6, 3)
    assert store.calendar is not None
    expected = (VALUES - fitted.mean_F.numpy()) / fitted.std_F.numpy()
    np.testing.assert_allclose(signal[7].x[:, :2], expected[7:13].transpose(1, 2, 0), rtol=1e-5, atol=1e-6)
    for node in range(4):
        np.testing.assert_array_equal(signal[7].x[node, 2], store.calendar[7:13, 0])
    assert signal[7].x.dtype == torch.float32


def test_the_calendar_needs_dates(make_store: MakeStore) -> None:
    signal = stored_signal(Entries(make_store(VALUES, dated=False), ("time_of_day",)), 6, 3)
    with pytest.raises(InputError, match="has no dates"):
        signal[0]


def test_every_split_of_windows_is_a_slice_of_the_signal(make_store: MakeStore) -> None:
    windows = split_windows(90, 6, 3)
    parts = temporal_signal_split(stored_signal(make_store(VALUES), 6, 3), ratio=(0.7, 0.1, 0.2))
    for part, name in zip(parts, ("train", "validation", "test"), strict=True):
        starts = windows.of(name)
        assert len(part) == len(starts)
        np.testing.assert_array_equal(part[0].x[..., 0], VALUES[starts[0]])
        np.testing.assert_array_equal(part[-1].y[..., -1], VALUES[starts[-1] + 8])


def test_a_dynamic_graph_gives_each_snapshot_its_own_edges(make_store: MakeStore) -> None:
    static = make_store(VALUES[:5])
    ptr = np.array([0, 2, 2, 3, 4, 4])
    store = replace(static, edge_ptr=ptr)
    for graph, first in (("oldest", 0), ("newest", 1)):
        signal = stored_signal(store, 2, graph=graph)
        for number, snapshot in enumerate(signal):
            mine = slice(ptr[number + first], ptr[number + first + 1])
            np.testing.assert_array_equal(snapshot.edge_index, static.edge_index[:, mine])
            np.testing.assert_array_equal(snapshot.edge_attr, static.edge_weight[mine])
    with pytest.raises(InputError, match="'latest'"):
        stored_signal(store, 2, graph="latest")


@pytest.mark.parametrize("lengths", [(0, 1), (6, 0), (85, 6), (90, None)])
def test_a_store_too_short_for_a_window_is_refused(
    make_store: MakeStore, lengths: tuple[int, int | None]
) -> None:
    with pytest.raises(InputError, match="90 entries hold no window"):
        stored_signal(make_store(VALUES), *lengths)


def test_a_signal_on_a_store_is_copied_and_pickled_by_the_stores_path(make_store: MakeStore) -> None:
    signal = stored_signal(make_store(VALUES), 6, 3)[10:20]
    for other in (copy.deepcopy(signal), pickle.loads(pickle.dumps(signal))):
        assert torch.equal(other[3].x, signal[3].x) and len(other) == 10


def test_iterating_holds_no_more_than_a_snapshot(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Rows come out of the mapped file as copies: what is let go leaves nothing behind."""

    path = tmp_path_factory.mktemp("large") / "large.zarr"
    write_store(make_signal(np.ones((8_000, 100, 1))), path)  # 3.2 MB
    signal = stored_signal(open_store(path), 12, 12)
    signal[0]
    tracemalloc.start()
    for _ in signal[::40]:
        pass
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
