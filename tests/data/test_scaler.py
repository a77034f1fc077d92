"""The scaler equals the statistics of the stacked training windows, without ever stacking them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stgnn.data.node_scaler import fit_node_scaler
from stgnn.data.scaler import Scaler, fit_scaler, multiplicity
from stgnn.data.windows import split_windows
from stgnn.errors import InputError
from stgnn.store import SignalStore, open_store, write_store
from tests.conftest import make_signal


def stacked_inputs(values: np.ndarray, train: range, input_len: int) -> np.ndarray:
    return np.stack([values[start : start + input_len] for start in train]).astype(np.float64)


@pytest.fixture(scope="module")
def long_store(tmp_path_factory: pytest.TempPathFactory) -> SignalStore:
    values = np.random.default_rng(0).normal(60, 10, (2000, 3, 2)).astype(np.float32)
    path = tmp_path_factory.mktemp("stores") / "x.zarr"
    write_store(make_signal(values), path)
    return open_store(path)


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 500), entries=st.integers(60, 1500), input_len=st.integers(1, 40))
def test_scaler_equals_stacked_training_windows(
    long_store: SignalStore, first: int, entries: int, input_len: int
) -> None:
    found = split_windows(entries, input_len, 3).train
    train = range(first + found.start, first + found.stop)
    scaler = fit_scaler(long_store, train, input_len)
    stacked = stacked_inputs(long_store.rows(0, 2000), train, input_len)
    np.testing.assert_allclose(scaler.mean_F, stacked.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(scaler.std_F, stacked.std((0, 1, 2)), rtol=1e-10)


def test_validation_and_test_entries_do_not_touch_the_scaler(make_store: Callable[..., SignalStore]) -> None:
    values = np.random.default_rng(0).normal(60, 10, (1500, 2, 1)).astype(np.float32)
    train = split_windows(1500, 12, 12).train
    changed = values.copy()
    changed[train.stop + 12 - 1 :] = 1e6  # from the first entry that no training input contains
    scalers = [fit_scaler(make_store(v, name=n), train, 12) for v, n in ((values, "a"), (changed, "b"))]
    assert torch.equal(scalers[0].mean_F, scalers[1].mean_F) and torch.equal(
        scalers[0].std_F, scalers[1].std_F
    )


@pytest.mark.parametrize("null_value", [0.0, -1.0, float("nan")])
def test_nulls_are_included_or_excluded_as_asked(
    make_store: Callable[..., SignalStore], null_value: float
) -> None:
    values = np.random.default_rng(0).normal(60, 10, (1000, 2, 1)).astype(np.float32)
    values[np.random.default_rng(1).random(values.shape) < 0.1] = null_value
    store, train = make_store(values, null_value=null_value), split_windows(1000, 12, 12).train
    stacked = stacked_inputs(values, train, 12)
    real = stacked[~(np.isnan(stacked) | (stacked == null_value))]
    with_nulls = real if np.isnan(null_value) else stacked
    for nulls, expected in (("exclude", real), ("include", with_nulls)):
        scaler = fit_scaler(store, train, 12, nulls)
        np.testing.assert_allclose(
            [scaler.mean_F, scaler.std_F], [[expected.mean()], [expected.std()]], rtol=1e-10
        )


def test_a_constant_feature_is_centred_but_not_divided_by_nothing(
    make_store: Callable[..., SignalStore],
) -> None:
    store = make_store(np.full((500, 2, 1), 7.25, np.float32))
    scaler = fit_scaler(store, split_windows(500, 4, 4).train, 4)
    assert scaler.mean_F.item() == 7.25 and scaler.std_F.item() == 1.0


def test_a_feature_without_values_is_an_error(make_store: Callable[..., SignalStore]) -> None:
    store = make_store(np.zeros((500, 2, 1), np.float32), null_value=0.0)
    with pytest.raises(InputError, match="no values"):
        fit_scaler(store, split_windows(500, 4, 4).train, 4, "exclude")


@pytest.mark.parametrize("null_value", [None, -1.0, float("nan")])
def test_every_graph_node_has_its_own_statistics_over_all_blocks(
    make_store: Callable[..., SignalStore], null_value: float | None
) -> None:
    values = np.random.default_rng(0).normal(60, 10, (1000, 3, 2)).astype(np.float32) * [[[1], [5], [0]]]
    if null_value is not None:
        values[np.random.default_rng(1).random(values.shape) < 0.1] = null_value
    store, entries = make_store(values, null_value=null_value), range(30, 901)
    blocks = [range(first, min(first + store.block_rows, 901)) for first in range(30, 901, store.block_rows)]
    assert len(blocks) > 2 and len(blocks[-1]) < store.block_rows
    left = values[30:901].astype(np.float32)
    real = np.where(left == null_value, np.nan, left).astype(np.float64)
    scaler = fit_node_scaler(store, entries, "exclude")
    np.testing.assert_allclose(scaler.mean_F, np.nanmean(real, 0), rtol=1e-12)
    np.testing.assert_allclose(scaler.std_F[:2], np.nanstd(real, 0)[:2], rtol=1e-12)
    assert scaler.std_F[2].eq(1).all()  # of a constant


@given(st.integers(1, 60), st.integers(1, 20))
def test_multiplicity_counts_the_windows_that_contain_an_entry(num_windows: int, input_len: int) -> None:
    counted = np.zeros(num_windows + input_len - 1, dtype=int)
    for start in range(num_windows):
        counted[start : start + input_len] += 1
    rows = np.arange(len(counted))
    assert multiplicity(rows, range(num_windows), input_len).tolist() == counted.tolist()


def test_unscale_inverts_scale() -> None:
    scaler = Scaler(
        torch.tensor([60.0, 0.5], dtype=torch.float64), torch.tensor([10.0, 3.0], dtype=torch.float64)
    )
    values = torch.randn(5, 2, dtype=torch.float64)
    torch.testing.assert_close(scaler.unscale(scaler.scale(values)), values)
