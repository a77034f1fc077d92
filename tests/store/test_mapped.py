"""Mapped rows equal what the Zarr API reads, and a store that cannot be mapped says why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from stgnn.errors import InputError
from stgnn.store import SignalStore, open_store, write_store
from stgnn.store.manifest import manifest_path
from stgnn.store.mapped import map_signal
from tests.conftest import make_signal

WIDE = np.random.default_rng(3).normal(size=(300, 520, 2)).astype(np.float32)  # rows wider than a page
VALUES = np.random.default_rng(1).normal(size=(1000, 3, 2)).astype(np.float32)


@pytest.fixture(scope="module", params=[2**28, 20_000], ids=["one-shard", "many-shards"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SignalStore:
    path = tmp_path_factory.mktemp("stores") / "x.zarr"
    write_store(make_signal(VALUES), path, shard_bytes=request.param)
    return open_store(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), length=st.integers(1, 600))
def test_gathered_windows_equal_slices_of_the_signal(
    store: SignalStore, data: st.DataObject, length: int
) -> None:
    starts = np.array(data.draw(st.lists(st.integers(0, 1000 - length), max_size=20)), dtype=np.int64)
    out = np.empty((len(starts), length, 3, 2), dtype=np.float32)
    store.gather(starts, length, out)
    for window, start in zip(out, starts, strict=True):
        np.testing.assert_array_equal(window, VALUES[start : start + length])


@pytest.mark.parametrize("shard_bytes", [2**28, 2**18])
def test_wide_rows_are_gathered_alike(make_store: Callable[..., SignalStore], shard_bytes: int) -> None:
    store, starts = make_store(WIDE, shard_bytes=shard_bytes), np.array([280, 0, 250, 251, 3])
    out = store.gather(starts, 20, np.empty((5, 20, 520, 2), np.float32))
    np.testing.assert_array_equal(out, np.stack([WIDE[start : start + 20] for start in starts]))


@pytest.mark.parametrize("start", [-1, 977])
def test_a_window_outside_the_signal_is_an_error(store: SignalStore, start: int) -> None:
    with pytest.raises(IndexError, match="does not lie inside"):
        store.gather(np.array([5, start]), 24, np.empty((2, 24, 3, 2), np.float32))


def test_an_output_that_is_not_contiguous_is_an_error(store: SignalStore) -> None:
    with pytest.raises(ValueError, match="contiguous"):
        store.gather(np.array([0]), 10, np.empty((1, 10, 2, 3), np.float32).transpose(0, 1, 3, 2))


def test_reading_ahead_changes_nothing(store: SignalStore) -> None:
    store.signal.prefault()
    store.signal.will_need(np.array([0, 280, 976]), 24)
    np.testing.assert_array_equal(store.rows(270, 620), VALUES[270:620])


def _foreign_store(path: Path, **array: object) -> Path:
    """A store whose `signal` is written by the Zarr API in another cut."""
    write_store(make_signal(VALUES), path)
    options = {"chunks": (288, 3, 2), "shards": (1152, 3, 2), "compressors": None, "dtype": "float32"} | array
    group = zarr.open_group(path, mode="r+")
    del group["signal"]
    created = group.create_array("signal", shape=VALUES.shape, **options)  # type: ignore[arg-type]
    created[:] = 0.0 if array.get("holed") else VALUES
    return path


@pytest.mark.parametrize(
    "array, reason",
    [
        ({"compressors": "auto"}, "compressed"),
        ({"shards": None}, "not sharded"),
        ({"chunks": (288, 1, 2)}, "across graph nodes"),
        ({"dtype": "float64"}, "float32"),
    ],
)
def test_a_store_cut_otherwise_is_refused_with_the_reason(
    tmp_path: Path, array: dict[str, object], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        map_signal(_foreign_store(tmp_path / "x.zarr", **array))


def test_a_store_with_holes_is_refused(tmp_path: Path, make_store: Callable[..., SignalStore]) -> None:
    make_store(VALUES, name="x")
    array = zarr.open_group(tmp_path / "x.zarr", mode="r+")["signal"]
    array[288:576] = np.nan  # equal to the fill value: the Zarr API drops the chunk
    with pytest.raises(InputError, match=r"has \d+ bytes, the manifest says"):
        open_store(tmp_path / "x.zarr")


def test_a_missing_shard_is_named(tmp_path: Path, make_store: Callable[..., SignalStore]) -> None:
    make_store(VALUES, name="x", shard_bytes=20_000)
    (tmp_path / "x.zarr" / "signal" / "c" / "1" / "0" / "0").unlink()
    with pytest.raises(InputError, match=r"c/1/0/0: missing"):
        open_store(tmp_path / "x.zarr")


def test_a_store_without_a_manifest_is_not_finished(
    tmp_path: Path, make_store: Callable[..., SignalStore]
) -> None:
    make_store(VALUES, name="x")
    manifest_path(tmp_path / "x.zarr").unlink()
    with pytest.raises(InputError, match="no finished store"):
        open_store(tmp_path / "x.zarr")


@pytest.mark.parametrize("files", [7, None, ["x"], {"zarr.json": 7}, {"zarr.json": {}}])
def test_a_manifest_of_another_shape_is_one_line(
    tmp_path: Path, make_store: Callable[..., SignalStore], files: Any
) -> None:
    make_store(VALUES, name="x")
    manifest = manifest_path(tmp_path / "x.zarr")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"files": files}))
    with pytest.raises(InputError, match="not a store manifest"):
        open_store(tmp_path / "x.zarr")


def test_a_damaged_small_array_is_one_line_and_not_a_traceback(
    tmp_path: Path, make_store: Callable[..., SignalStore]
) -> None:
    make_store(VALUES, name="x")
    file = tmp_path / "x.zarr" / "edge_weight" / "c" / "0"
    file.write_bytes(b"\0" * file.stat().st_size)
    with pytest.raises(InputError, match="damaged"):
        open_store(tmp_path / "x.zarr")
