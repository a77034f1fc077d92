"""pandas' `fixed` HDF5 frames: whatever pandas writes in that layout is read as pandas reads it, but streamed."""

import dataclasses
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from stgnn.errors import InputError
from stgnn.raw import hdf5, rows
from stgnn.raw.hdf5 import read_frame
from stgnn.raw.hdf5_writer import write_frame

pytest.importorskip("tables", reason="pandas writes HDF5 with PyTables")

TIMES = pd.date_range("2017-03-12 01:50", periods=40, freq="5min")


def frame(columns: list[Any], unit: str = "ns", dtype: str = "float64") -> pd.DataFrame:
    values = np.random.default_rng(0).integers(0, 100, (len(TIMES), len(columns))).astype(dtype)
    return pd.DataFrame(values, index=TIMES.as_unit(unit), columns=columns)


def everything(path: Path, key: str | None = None) -> np.ndarray:
    return np.concatenate(list(read_frame(path, key).blocks()))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BLOCK_BYTES", 7 * 4 * 3)  # 7 rows of 3 sensors
    monkeypatch.setattr(rows, "PIECE_BYTES", 2 * 8 * 3)  # cast 2 rows at a time


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
def test_a_frame_of_pandas_is_read_as_pandas_has_it(tmp_path: Path, unit: str, dtype: str) -> None:
    path = tmp_path / "speeds.h5"
    written = frame(["773869", "7", "é"], unit, dtype)
    written.to_hdf(path, key="df")
    found = read_frame(path)
    assert found.ids == ("773869", "7", "é")
    np.testing.assert_array_equal(found.time, TIMES.as_unit("ns").to_numpy())
    assert found.time.dtype == "datetime64[ns]"
    assert [len(block) for block in found.blocks()] == [7, 7, 7, 7, 7, 5]
    np.testing.assert_array_equal(everything(path), written.to_numpy(np.float32))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("complib", [None, "zlib"])
def test_compressed_and_plain_values_are_the_same(tmp_path: Path, complib: Any) -> None:
    path = tmp_path / "speeds.h5"
    written = frame([400001, 400017, 400030])
    written.to_hdf(path, key="speed", complevel=9 if complib else None, complib=complib)
    found = read_frame(path)
    assert (found.parts[0].offset is None) == (complib is not None)
    assert found.ids == ("400001", "400017", "400030")
    np.testing.assert_array_equal(everything(path), written.to_numpy(np.float32))


@pytest.mark.usefixtures("small_blocks")
def test_the_fast_path_equals_the_hdf5_library(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    frame(list("abc")).to_hdf(path, key="df")
    fast = read_frame(path)
    plain = dataclasses.replace(
        fast, parts=tuple(dataclasses.replace(part, offset=None) for part in fast.parts)
    )
    for one, other in zip(fast.blocks(), plain.blocks(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("small_blocks")
def test_columns_of_several_types_come_in_the_frame_s_order(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    written = frame(list("abcde"))
    written["b"] = np.arange(len(TIMES))
    written["d"] = written["d"].astype(np.float32)
    written = written[["e", "b", "d", "a", "c"]]
    written.to_hdf(path, key="df")
    found = read_frame(path)
    assert found.ids == ("e", "b", "d", "a", "c") and len(found.parts) > 1
    np.testing.assert_array_equal(everything(path), written.to_numpy(np.float32))


@pytest.mark.parametrize("blocks", [1, 2])
def test_columns_go_by_their_ids_whatever_the_order_in_a_block(tmp_path: Path, blocks: int) -> None:
    path = tmp_path / "speeds.h5"
    written = frame(list("abcd")).astype({"d": "float32"} if blocks == 2 else {})
    written.to_hdf(path, key="df")
    with h5py.File(path, "r+") as file:
        for block in range(blocks):
            items = file[f"df/block{block}_items"][:]
            order = np.roll(np.arange(len(items)), 1)
            replace(file["df"], f"block{block}_items", items[order])
            replace(file["df"], f"block{block}_values", file[f"df/block{block}_values"][:][:, order])
    assert len(read_frame(path).parts) == blocks
    np.testing.assert_array_equal(everything(path), written.to_numpy(np.float32))


def test_big_endian_values_are_numbers_too(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    frame(list("abc")).to_hdf(path, key="df")
    with h5py.File(path, "r+") as file:
        values = file["df/block0_values"][:]
        attributes = dict(file["df/block0_values"].attrs)
        del file["df/block0_values"]
        file["df"].create_dataset("block0_values", data=values.astype(">f8")).attrs.update(attributes)
    np.testing.assert_array_equal(everything(path), values.astype(np.float32))


def test_one_of_several_frames_is_named_by_key(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    frame(list("ab")).to_hdf(path, key="speed")
    frame(list("abc")).to_hdf(path, key="more/flow")
    assert read_frame(path, "/more/flow").ids == ("a", "b", "c")
    with pytest.raises(InputError, match=r"2 frames: more/flow, speed; name one with the option `key`"):
        read_frame(path)
    with pytest.raises(InputError, match=r"no frame at key 'df' \(frames: more/flow, speed\)"):
        read_frame(path, "df")


def test_an_index_of_plain_numbers_stays_numbers(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    frame(list("ab")).reset_index(drop=True).to_hdf(path, key="df")
    assert read_frame(path).time.tolist() == list(range(40))


def test_other_layouts_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    frame(list("ab")).to_hdf(path, key="df", format="table")
    with pytest.raises(InputError, match=r"pandas_type 'frame_table', not `fixed`\); rewrite it with pandas"):
        read_frame(path)
    frame(list("ab"))["a"].to_hdf(path, key="df", mode="w")
    with pytest.raises(InputError, match="pandas_type 'series'"):
        read_frame(path)
    two = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    frame(["a", "b"]).set_axis(two, axis=1).to_hdf(path, key="df", mode="w")
    with pytest.raises(InputError, match="no dataset 'axis0'"):
        read_frame(path)
    with h5py.File(path, "w") as file:
        file["speed"] = np.zeros((3, 2))
    with pytest.raises(InputError, match="0 frames: none; rewrite it with pandas"):
        read_frame(path)


@pytest.mark.parametrize(
    "index, message",
    [
        (TIMES[[0, 1, 1, 3]], r"row 2 \(.*\) repeats row 1"),
        (TIMES[[0, 2, 1, 3]], r"row 2 \(.*\) is before row 1"),
        (TIMES[:4].tz_localize("Europe/Budapest"), "times in a time zone"),
        (pd.Index(list("abcd")), "an index of string"),
        (pd.Index([0.0, 1.0, 2.0, 3.0]), "an index of float"),
    ],
)
def test_a_wrong_time_index_names_the_row(tmp_path: Path, index: pd.Index, message: str) -> None:
    path = tmp_path / "speeds.h5"
    pd.DataFrame(np.zeros((4, 2)), index=index, columns=["a", "b"]).to_hdf(path, key="df")
    with pytest.raises(InputError, match=message) as caught:
        read_frame(path)
    assert "speeds.h5: /df/axis1" in str(caught.value)


def broken(path: Path, change: Any) -> None:
    frame(list("abc")).to_hdf(path, key="df")
    with h5py.File(path, "r+") as file:
        change(file["df"])


def replace(group: h5py.Group, item: str, data: Any) -> None:
    attributes = dict(group[item].attrs)
    del group[item]
    group.create_dataset(item, data=data).attrs.update(attributes)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda g: replace(g, "axis0", np.array([b"a", b"b", b"a"])), "id 'a' at positions 0 and 2"),
        (lambda g: replace(g, "block0_items", np.array([b"a", b"b", b"z"])), "column 'z' is not in axis0"),
        (lambda g: replace(g, "block0_items", np.array([b"a", b"b"])), r"shape \(40, 3\), expected \(40, 2\)"),
        (lambda g: replace(g, "axis0", np.array([b"a", b"b", b"c", b"d"])), "axis0 names 4 columns, the blocks hold 3"),
        (lambda g: replace(g, "axis1", np.arange(39)), r"shape \(40, 3\), expected \(39, 3\)"),
        (lambda g: replace(g, "axis0", np.array([b"a", b"b", b"\xff"])), r"id b'\\xff' is not UTF-8"),
        (lambda g: replace(g, "axis0", np.array([0.5, 1, 2])), r"axis0\[0\]: found 0.5, expected an id"),
        (lambda g: replace(g, "axis0", np.zeros((3, 1))), "axis0: shape .* expected 1 dimension"),
        (lambda g: replace(g, "block0_values", np.array([[b"x"] * 3] * 40)), r"columns a, b, c hold \|S1"),
        (lambda g: g.__delitem__("block0_values"), "axis0 names 3 columns, the blocks hold 0"),
        (lambda g: g.__delitem__("block0_items"), "no dataset 'block0_items'"),
        (lambda g: g.__delitem__("axis1"), "no dataset 'axis1'"),
        (lambda g: g["block0_values"].attrs.update(transposed=np.uint8(0)), r"shape \(40, 3\)"),
        (lambda g: replace(g, "axis1", np.arange(40) * 10**17), "beyond the years 1677 to 2262"),
    ],
)  # fmt: skip
def test_a_frame_that_contradicts_itself_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "speeds.h5"
    broken(path, change)
    if "years" in message:
        with h5py.File(path, "r+") as file:
            file["df/axis1"].attrs["kind"] = np.bytes_("datetime64[us]")
    with pytest.raises(InputError, match=message):
        read_frame(path)


def elsewhere(group: h5py.Group, kind: str, item: str) -> None:
    """Make an item of a frame take its values from another file, of the same shape."""
    shape, dtype, attributes = group[item].shape, group[item].dtype, dict(group[item].attrs)
    other = Path(group.file.filename).with_name("other.h5")
    with h5py.File(other, "w") as file:
        file.create_dataset("x", data=np.zeros(shape, dtype)).attrs.update(attributes)
    del group[item]
    if kind == "external storage":
        stored = [(str(other), 0, h5py.h5f.UNLIMITED)]
        group.create_dataset(item, shape, dtype, external=stored).attrs.update(attributes)
    elif kind == "virtual dataset":
        layout = h5py.VirtualLayout(shape, dtype)
        layout[:] = h5py.VirtualSource(str(other), "x", shape)
        group.create_virtual_dataset(item, layout).attrs.update(attributes)
    elif kind == "external link":
        group[item] = h5py.ExternalLink(str(other), "/x")
    else:
        group.file["way"] = h5py.ExternalLink(str(other), "/")
        group[item] = h5py.SoftLink("/way/x")


@pytest.mark.parametrize("kind", ["external storage", "virtual dataset", "external link", "soft link"])
@pytest.mark.parametrize("item", ["axis1", "block0_values"])
def test_only_values_in_the_file_itself_are_read(tmp_path: Path, kind: str, item: str) -> None:
    path = tmp_path / "speeds.h5"
    broken(path, lambda group: elsewhere(group, kind, item))
    found = "a link to" if "link" in kind else "its values lie in other files"
    with pytest.raises(InputError, match=rf"df/{item}: {found}.*expected arrays in this file alone"):
        read_frame(path)


@pytest.mark.parametrize("item", ["axis0", "axis1"])
def test_a_length_that_a_small_file_cannot_hold_is_refused(tmp_path: Path, item: str) -> None:
    def declare(group: h5py.Group) -> None:
        dtype = group[item].dtype
        del group[item]
        group.create_dataset(item, (10**12,), dtype, chunks=(1000,))

    path = tmp_path / "speeds.h5"
    broken(path, declare)
    with pytest.raises(InputError, match=rf"df/{item}: 1000000000000 values declared, 0 bytes stored"):
        read_frame(path)


def test_a_column_in_no_block_and_one_in_two_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    written = frame(list("abc"))
    written["c"] = 1
    written.to_hdf(path, key="df")
    with h5py.File(path, "r+") as file:
        replace(file["df"], "block1_items", np.array([b"a"]))
    with pytest.raises(InputError, match="the blocks hold 3"):
        read_frame(path)


@pytest.mark.parametrize("complib", [None, "zlib"])
def test_a_file_cut_anywhere_is_an_error_before_or_while_reading(tmp_path: Path, complib: Any) -> None:
    path, cut = tmp_path / "speeds.h5", tmp_path / "cut.h5"
    frame([f"{number:03d}" for number in range(50)]).to_hdf(
        path, key="df", complevel=9 if complib else None, complib=complib
    )
    whole = path.read_bytes()
    for length in np.linspace(0, len(whole) - 1, 40).astype(int):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.h5"):
            everything(cut)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    frame(list("abc")).to_hdf(path, key="df")
    found = read_frame(path)
    offset = found.parts[0].offset
    assert offset is not None
    path.write_bytes(path.read_bytes()[: offset + 100])
    with pytest.raises(InputError, match=r"block0_values: row 0: the data end here, 860 bytes early"):
        list(found.blocks())


def test_a_damaged_chunk_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    frame([f"{number:03d}" for number in range(50)]).to_hdf(path, key="df", complevel=9, complib="zlib")
    with h5py.File(path) as file:
        chunk = file["df/block0_values"].id.get_chunk_info(0)
    whole = bytearray(path.read_bytes())
    whole[chunk.byte_offset : chunk.byte_offset + 64] = b"\xff" * 64
    path.write_bytes(whole)
    with pytest.raises(InputError, match="damaged or no HDF5 file"):
        everything(path)


def test_a_web_page_is_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    path.write_text("<!DOCTYPE html>")
    with pytest.raises(InputError, match="damaged or no HDF5 file"):
        read_frame(path)


def test_reading_holds_a_few_blocks_whatever_the_length(tmp_path: Path) -> None:
    path = tmp_path / "long.h5"
    ids = [str(number) for number in range(100)]
    time = np.datetime64("2020-01-01", "ns") + np.arange(60_000) * np.timedelta64(300, "s")
    write_frame(path, ids, time, (np.full((6_000, 100), float(part)) for part in range(10)))
    found = read_frame(path)
    tracemalloc.start()
    total = sum(float(block[:, 0].sum()) for block in found.blocks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 6_000 * 45
    assert path.stat().st_size > 48e6 and peak < 4 * rows.BLOCK_BYTES


def test_a_block_is_whole_hdf5_chunks(tmp_path: Path) -> None:
    path = tmp_path / "speeds.h5"
    frame(list("abc")).to_hdf(path, key="df", complevel=1, complib="zlib")
    found = read_frame(path)
    chunk = found.parts[0].chunk
    assert chunk is not None and found._rows() % chunk == 0
    one_giant_chunk = dataclasses.replace(found.parts[0], chunk=10**9)
    assert dataclasses.replace(found, parts=(one_giant_chunk,))._rows() == hdf5.rows_per_block(3)


def attributes_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def note(name: str, item: Any) -> None:
        found[name] = {key: str(item.attrs[key]) for key in item.attrs if key != "freq"}

    with h5py.File(path) as file:
        note("/", file)
        file.visititems(note)
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_writer_writes_what_pandas_writes(tmp_path: Path, dtype: Any) -> None:
    ours, theirs = tmp_path / "ours.h5", tmp_path / "theirs.h5"
    written = frame(["400001", "400017"], dtype=np.dtype(dtype).name)
    written.to_hdf(theirs, key="df")
    write_frame(
        ours,
        list(written),
        TIMES.as_unit("ns").to_numpy(),
        [written.to_numpy()[:15], written.to_numpy()[15:]],
        dtype,
    )
    pd.testing.assert_frame_equal(pd.read_hdf(ours, "df"), written, check_freq=False)
    assert attributes_of(ours) == attributes_of(theirs)
    with h5py.File(ours) as one, h5py.File(theirs) as other:
        for item in ("axis0", "axis1", "block0_items", "block0_values"):
            assert one["df"][item].dtype == other["df"][item].dtype
            assert one["df"][item].chunks is other["df"][item].chunks is None
