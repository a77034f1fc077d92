"""Every placement hands out the same windows, each once an epoch, in an order that seeds decide."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgnn.data import (
    PLACEMENTS,
    IndexPlacement,
    ModelInput,
    WindowBatch,
    WindowLoader,
    fit_scaler,
    split_windows,
)
from stgnn.data.order import epoch_order
from stgnn.errors import InputError
from stgnn.prefetch import Prefetcher
from stgnn.store import SignalStore

VALUES = np.random.default_rng(2).normal(60, 10, (700, 3, 2)).astype(np.float32)


def kept(batch: WindowBatch) -> list[torch.Tensor]:
    """The tensors of a batch, copied out of the buffers that the next batch uses again."""
    tensors = (batch.start, batch.x_BLNF, batch.y_BHNF, batch.x_calendar_BLK, batch.y_calendar_BHK)
    return [tensor.clone() for tensor in tensors if tensor is not None]


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("shard_bytes", [2**28, 8000])
def test_batches_equal_slices_of_the_signal(
    make_store: Callable[..., SignalStore], placement: str, shard_bytes: int
) -> None:
    store, windows = make_store(VALUES, shard_bytes=shard_bytes), split_windows(700, 12, 6)
    loader = WindowLoader(PLACEMENTS[placement](store, windows), windows.train, 32, shuffle=True, seed=4)
    seen: list[int] = []
    for batch in loader.epoch(3):
        assert batch.x_calendar_BLK is not None and store.calendar is not None
        for row, start in enumerate(batch.start.tolist()):
            np.testing.assert_array_equal(batch.x_BLNF[row], VALUES[start : start + 12])
            np.testing.assert_array_equal(batch.y_BHNF[row], VALUES[start + 12 : start + 18])
            np.testing.assert_array_equal(batch.x_calendar_BLK[row], store.calendar[start : start + 12])
        seen += batch.start.tolist()
    assert sorted(seen) == list(windows.train)


def test_placements_agree_to_the_bit(make_store: Callable[..., SignalStore]) -> None:
    store, windows = make_store(VALUES), split_windows(700, 12, 6)
    epochs = [
        [
            kept(batch)
            for batch in WindowLoader(kind(store, windows), windows.train, 50, shuffle=True, seed=1).epoch(2)
        ]
        for kind in PLACEMENTS.values()
    ]
    for other in epochs[1:]:
        for batch, same in zip(epochs[0], other, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(batch, same, strict=True))


def test_an_epoch_resumed_at_a_batch_goes_on_with_the_same_batches(
    make_store: Callable[..., SignalStore],
) -> None:
    store, windows = make_store(VALUES), split_windows(700, 12, 6)
    loader = WindowLoader(IndexPlacement(store, windows), windows.train, 50, shuffle=True, seed=1)
    whole = [batch.start.tolist() for batch in loader.epoch(5)]
    assert [batch.start.tolist() for batch in loader.epoch(5, first=4)] == whole[4:]
    assert [batch.start.tolist() for batch in loader.epoch(5, first=1, limit=3)] == whole[1:3]


def test_evaluation_visits_every_window_once_in_time_order(make_store: Callable[..., SignalStore]) -> None:
    store, windows = make_store(VALUES), split_windows(700, 12, 6)
    loader = WindowLoader(IndexPlacement(store, windows), windows.test, 50, shuffle=True)
    assert [start for batch in loader.in_time_order() for start in batch.start.tolist()] == list(windows.test)
    assert len(loader) == sum(1 for _ in loader.in_time_order())


@given(st.integers(0, 3000), st.integers(0, 2**40), st.integers(0, 1000))
def test_an_order_is_a_permutation_and_repeats_for_equal_seeds(count: int, seed: int, epoch: int) -> None:
    order = epoch_order(count, seed, epoch)
    assert sorted(order.tolist()) == list(range(count))
    assert torch.equal(order, epoch_order(count, seed, epoch))


def test_orders_differ_by_seed_and_epoch_and_leave_no_trace_of_time() -> None:
    orders = [epoch_order(2000, seed, epoch).double() for seed in range(4) for epoch in range(4)]
    correlations = torch.corrcoef(torch.stack([torch.arange(2000).double(), *orders]))
    assert (correlations - torch.eye(17)).abs().max() < 0.1  # 4.5 standard deviations of chance


def test_model_input_scales_features_and_appends_the_calendar(make_store: Callable[..., SignalStore]) -> None:
    store, windows = make_store(VALUES), split_windows(700, 12, 6)
    scaler = fit_scaler(store, windows.train, 12)
    model_input = ModelInput(store, scaler, ["day_of_week", "time_of_day"])
    batch = next(iter(WindowLoader(IndexPlacement(store, windows), windows.train, 8)))
    x = model_input(batch)
    assert x.shape == (8, 12, 3, 4) and model_input.num_channels == 4
    mean, std = VALUES[: len(windows.train) + 11].mean(), VALUES[: len(windows.train) + 11].std()
    np.testing.assert_allclose(x[..., :2] * std + mean, batch.x_BLNF, rtol=0.05)
    assert store.calendar is not None
    np.testing.assert_allclose(x[0, :, 1, 2], store.calendar[:12, 1] / 7, rtol=1e-6)
    np.testing.assert_allclose(x[0, :, 2, 3], store.calendar[:12, 0], rtol=1e-6)


def test_nan_in_the_input_becomes_the_mean(make_store: Callable[..., SignalStore]) -> None:
    values = VALUES.copy()
    values[3, 1, 0] = np.nan
    store, windows = make_store(values, null_value=float("nan")), split_windows(700, 12, 6)
    batch = next(iter(WindowLoader(IndexPlacement(store, windows), windows.train, 8)))
    x = ModelInput(store, fit_scaler(store, windows.train, 12))(batch)
    assert x[0, 3, 1, 0] == 0 and torch.isfinite(x).all()


def test_calendar_channels_need_dates(make_store: Callable[..., SignalStore]) -> None:
    store, windows = make_store(VALUES, dated=False), split_windows(700, 12, 6)
    with pytest.raises(InputError, match="has no dates"):
        ModelInput(store, fit_scaler(store, windows.train, 12), ["time_of_day"])


def test_an_error_in_the_prefetch_thread_reaches_the_consumer() -> None:
    def fill(item: int, buffer: list[int]) -> int:
        if item == 3:
            raise OSError("the disk is gone")
        return item

    got: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        got.extend(Prefetcher(fill, [[], []]).run(range(10)))
    assert got == [0, 1, 2]


def test_a_consumer_that_leaves_early_ends_the_thread() -> None:
    before = threading.active_count()
    run = Prefetcher(lambda item, buffer: item, [[], [], []]).run(range(1000))
    assert next(run) == 0
    run.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_buffer_is_not_filled_while_the_consumer_holds_it() -> None:
    buffers = [[0], [0]]

    def fill(item: int, buffer: list[int]) -> list[int]:
        buffer[0] = item
        return buffer

    assert [result[0] for result in Prefetcher(fill, buffers).run(range(50))] == list(range(50))
