"""A store is written whole or not at all, and any Zarr reader finds the signal in it."""

import json
import multiprocessing
import os
import signal as signals
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from stgnn.errors import InputError
from stgnn.store import open_store, write_store
from stgnn.store.manifest import manifest_path, verify
from tests.conftest import make_signal


def values_of(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(60, 10, shape).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    entries=st.integers(1, 900),
    nodes=st.integers(1, 5),
    features=st.integers(1, 3),
    block=st.integers(1, 400),
    shard_kib=st.integers(1, 64),
)
def test_xarray_and_mapped_rows_read_back_what_the_reader_gave(
    tmp_path_factory: pytest.TempPathFactory,
    entries: int,
    nodes: int,
    features: int,
    block: int,
    shard_kib: int,
) -> None:
    values = values_of((entries, nodes, features))
    path = tmp_path_factory.mktemp("stores") / "x.zarr"
    write_store(make_signal(values, block=block), path, shard_bytes=shard_kib * 1024)
    with xr.open_zarr(path, consolidated=False) as dataset:
        np.testing.assert_array_equal(dataset["signal"].values, values)
    np.testing.assert_array_equal(open_store(path).rows(0, entries), values)


def test_a_day_of_zeros_is_stored_not_dropped(tmp_path: Path) -> None:
    values = values_of((3 * 288, 2, 1))
    values[288:576] = 0.0
    write_store(make_signal(values), tmp_path / "x.zarr")
    assert not zarr.open_group(tmp_path / "x.zarr")["signal"][288:576].any()
    assert open_store(tmp_path / "x.zarr").signal.shards[0].shape == (864, 2)


def test_coordinates_graph_and_attributes_survive(tmp_path: Path) -> None:
    signal = make_signal(values_of((300, 4, 2)), null_value=0.0)
    write_store(signal, tmp_path / "x.zarr")
    store = open_store(tmp_path / "x.zarr")
    np.testing.assert_array_equal(store.time, signal.time)
    np.testing.assert_array_equal(store.edge_index, signal.edge_index)
    np.testing.assert_array_equal(store.edge_weight, signal.edge_weight)
    assert (store.node, store.feature, store.null_value) == (signal.node, signal.feature, 0.0)
    assert store.attributes == {"dataset": "small", "units": "mph"}


def test_calendar_is_time_of_day_and_monday_based_day_of_week(tmp_path: Path) -> None:
    write_store(make_signal(values_of((600, 1, 1))), tmp_path / "x.zarr")  # from Sunday 2017-01-01
    calendar = open_store(tmp_path / "x.zarr").calendar
    assert calendar is not None
    np.testing.assert_allclose(calendar[[0, 144, 287, 288]], [[0, 6], [0.5, 6], [287 / 288, 6], [0, 0]])


def test_a_signal_without_dates_has_no_calendar(tmp_path: Path) -> None:
    write_store(make_signal(values_of((30, 1, 1)), dated=False), tmp_path / "x.zarr")
    store = open_store(tmp_path / "x.zarr")
    assert store.calendar is None and store.time.tolist() == list(range(30))


def test_block_sums_count_nulls_apart(tmp_path: Path) -> None:
    values = values_of((288 + 10, 3, 2))
    values[5, 1, 0] = values[290, 2, 1] = 0.0
    write_store(make_signal(values, null_value=0.0), tmp_path / "x.zarr")
    sums = open_store(tmp_path / "x.zarr").block_sums
    assert sums.null_count.tolist() == [[1, 0], [0, 1]]
    assert sums.count.tolist() == [[288 * 3 - 1, 288 * 3], [30, 29]]
    np.testing.assert_allclose(sums.sum[0], values[:288].sum((0, 1), dtype=np.float64))
    np.testing.assert_allclose(sums.sumsq[1], np.square(values[288:], dtype=np.float64).sum((0, 1)))


def test_equal_raw_files_make_equal_stores(tmp_path: Path) -> None:
    for name in "ab":
        write_store(
            make_signal(values_of((500, 3, 1)), block=77 if name == "a" else 500), tmp_path / f"{name}.zarr"
        )
    manifests = [json.loads(manifest_path(tmp_path / f"{name}.zarr").read_text()) for name in "ab"]
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("entries", [299, 301])
def test_rows_that_do_not_add_up_leave_no_store(tmp_path: Path, entries: int) -> None:
    signal = make_signal(values_of((entries, 2, 1)))
    broken = replace(signal, time=make_signal(values_of((300, 2, 1))).time)
    with pytest.raises(InputError, match="300"):
        write_store(broken, tmp_path / "x.zarr")
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_reader_leaves_no_store(tmp_path: Path) -> None:
    def blocks() -> Iterator[np.ndarray]:
        yield values_of((100, 2, 1))
        raise InputError("raw.h5", "row 100 is ragged")

    with pytest.raises(InputError, match="ragged"):
        write_store(replace(make_signal(values_of((300, 2, 1))), blocks=blocks), tmp_path / "x.zarr")
    assert list(tmp_path.iterdir()) == []


def _write_and_die(path: Path, die_at: int) -> None:
    """Write a store, killed by SIGKILL after `die_at` blocks."""

    def blocks() -> Iterator[np.ndarray]:
        for number in range(10):
            if number == die_at:
                os.kill(os.getpid(), signals.SIGKILL)
            yield values_of((100, 2, 1), seed=number)

    write_store(replace(make_signal(values_of((1000, 2, 1))), blocks=blocks), path, shard_bytes=4096)


@pytest.mark.parametrize("die_at", [0, 5])
def test_a_killed_ingest_leaves_the_old_store_whole_and_the_next_one_cleans_up(
    tmp_path: Path, die_at: int
) -> None:
    path, old = tmp_path / "x.zarr", values_of((1000, 2, 1), seed=99)
    write_store(make_signal(old), path)
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path, die_at))
    process.start()
    process.join()
    assert process.exitcode == -signals.SIGKILL
    np.testing.assert_array_equal(open_store(path).rows(0, 1000), old)
    write_store(make_signal(old), path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.manifest.json", "x.zarr"]


def test_verify_names_the_file_that_was_altered(tmp_path: Path) -> None:
    path = tmp_path / "x.zarr"
    write_store(make_signal(values_of((300, 2, 1))), path)
    verify(path)
    shard = path / "signal" / "c" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=r"signal/c/0/0/0: its checksum differs"):
        verify(path)


def _write_slowly(path: Path, seconds: float) -> None:
    def blocks() -> Iterator[np.ndarray]:
        for number in range(5):
            time.sleep(seconds / 5)
            yield values_of((100, 2, 1), seed=number)

    write_store(replace(make_signal(values_of((500, 2, 1))), blocks=blocks), path)


def test_two_ingests_of_one_dataset_leave_a_whole_store(tmp_path: Path) -> None:
    path, context = tmp_path / "x.zarr", multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_slowly, args=(path, seconds)) for seconds in (0.5, 0.1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    verify(path)
    assert open_store(path).shape == (500, 2, 1)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.manifest.json", "x.zarr"]
