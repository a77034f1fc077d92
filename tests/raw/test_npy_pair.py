"""`.npy` pairs, plain or zipped: METR-LA and PEMS-BAY as PyTorch Geometric Temporal ships them."""

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.raw import read, rows
from stgnn.raw.npy_array import npy_array
from stgnn.raw.signal import Signal

Declare = Callable[..., Dataset]
Values = Callable[[Signal], np.ndarray]

# 288 entries a day; the second night loses two entries to summer time.
CLOCK = np.concatenate([np.arange(280, 288), np.arange(0, 24), np.arange(36, 40)]) / 288
X = np.random.default_rng(0).random((len(CLOCK), 3, 2))
X[..., 1] = CLOCK[:, None]
ADJACENCY = np.array([[1, 0.5, 0], [0, 1, 0], [0.25, 0, 1]])
OPTIONS = {"features": ["speed", "time_of_day"], "clock": "time_of_day"}
CATALOGUE = {"start": "2012-03-10T23:20", "frequency": "5min", "null_value": 0.0}


def npy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def write_zip(path: Path, members: dict[str, np.ndarray | bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else npy_bytes(content))


def write_plain(folder: Path, x: np.ndarray = X, adjacency: np.ndarray = ADJACENCY) -> None:
    np.save(folder / "x.npy", x, allow_pickle=True)
    np.save(folder / "a.npy", adjacency)


PLAIN = {"values": "x.npy", "adjacency": "a.npy"}


def test_a_zip_and_plain_files_are_the_same_signal(declare: Declare, values: Values, tmp_path: Path) -> None:
    write_plain(tmp_path)
    write_zip(
        tmp_path / "METR-LA.zip",
        {
            "METR-LA/node_values.npy": X,
            "METR-LA/adj_mat.npy": ADJACENCY,
            "__MACOSX/METR-LA/._adj_mat.npy": b"fork",
        },
    )
    plain = read(declare("npy-pair", PLAIN, OPTIONS, **CATALOGUE), tmp_path)
    zipped = read(declare("npy-pair", {"archive": "METR-LA.zip"}, OPTIONS, **CATALOGUE), tmp_path)
    for signal in (plain, zipped):
        np.testing.assert_array_equal(values(signal), X[..., :1].astype(np.float32))
        assert signal.feature == ("speed",) and signal.node == ("0", "1", "2")
        assert signal.edge_index.T.tolist() == [[0, 0], [0, 1], [1, 1], [2, 0], [2, 2]]
        assert signal.edge_weight.tolist() == [1, 0.5, 1, 0.25, 1]
    np.testing.assert_array_equal(plain.time, zipped.time)


def test_the_clock_dates_the_entries_across_a_gap(declare: Declare, tmp_path: Path) -> None:
    write_plain(tmp_path)
    signal = read(declare("npy-pair", PLAIN, OPTIONS, **CATALOGUE), tmp_path)
    assert str(signal.time[7])[:16] == "2012-03-10T23:55"
    assert str(signal.time[8])[:16] == "2012-03-11T00:00"
    assert str(signal.time[32])[:16] == "2012-03-11T03:00"
    assert signal.attributes["gaps"] == 1


def test_without_a_clock_every_feature_is_stored(declare: Declare, values: Values, tmp_path: Path) -> None:
    write_plain(tmp_path)
    options = {"features": ["speed", "time_of_day"]}
    signal = read(declare("npy-pair", PLAIN, options, **CATALOGUE), tmp_path)
    np.testing.assert_array_equal(values(signal), X.astype(np.float32))
    assert str(signal.time[-1])[:16] == "2012-03-11T02:15"
    undated = read(declare("npy-pair", PLAIN, options), tmp_path)
    assert undated.time.tolist() == list(range(len(X)))


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<i2", "u1"])
def test_any_number_type_and_two_axes_are_read(
    declare: Declare, values: Values, tmp_path: Path, dtype: str
) -> None:
    x = np.arange(12).reshape(4, 3).astype(dtype)
    write_plain(tmp_path, x)
    signal = read(declare("npy-pair", PLAIN, {"features": ["speed"]}), tmp_path)
    assert values(signal)[..., 0].tolist() == x.tolist()


def test_blocks_of_a_zip_member_are_small(
    declare: Declare, values: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BLOCK_BYTES", 4 * 6 * 5)
    monkeypatch.setattr(rows, "PIECE_BYTES", 8 * 6 * 2)
    write_zip(tmp_path / "x.zip", {"node_values.npy": X, "adj_mat.npy": ADJACENCY})
    signal = read(declare("npy-pair", {"archive": "x.zip"}, OPTIONS, **CATALOGUE), tmp_path)
    assert [len(block) for block in signal.blocks()] == [5] * 7 + [1]
    np.testing.assert_array_equal(values(signal), X[..., :1].astype(np.float32))


def test_a_column_major_adjacency_keeps_its_direction(declare: Declare, tmp_path: Path) -> None:
    write_plain(tmp_path, adjacency=np.asfortranarray(ADJACENCY))
    signal = read(declare("npy-pair", PLAIN, OPTIONS, **CATALOGUE), tmp_path)
    assert signal.edge_index.T.tolist() == [[0, 0], [0, 1], [1, 1], [2, 0], [2, 2]]


def test_a_sensor_list_names_the_nodes(declare: Declare, tmp_path: Path) -> None:
    write_plain(tmp_path)
    (tmp_path / "ids.txt").write_text("773869\n767541\n767542\n")
    signal = read(declare("npy-pair", PLAIN | {"sensors": "ids.txt"}, OPTIONS, **CATALOGUE), tmp_path)
    assert signal.node == ("773869", "767541", "767542")


def changed(entry: int, node: int, feature: int, to: float) -> np.ndarray:
    x = X.copy()
    x[entry, node, feature] = to
    return x


@pytest.mark.parametrize(
    "x, adjacency, options, message",
    [
        (X[:, :2], ADJACENCY, OPTIONS, r"array has shape \(3, 3\) and array \(36, 2, 2\)"),
        (X, ADJACENCY[:2], OPTIONS, r"expected \(nodes, nodes\) and"),
        (X, ADJACENCY, {"features": ["speed"]}, r"expected \(entries, 3 nodes, 1 features: speed\)"),
        (X[None], ADJACENCY, OPTIONS, r"array has shape \(3, 3\) and array \(1, 36, 3, 2\)|shape"),
        (X[:0], ADJACENCY, OPTIONS, r"array: shape \(0, 3, 2\)"),
        (np.asfortranarray(X), ADJACENCY, OPTIONS, "stored column by column"),
        (X.astype(object), ADJACENCY, OPTIONS, "items of type object, expected|items of type object"),
        (X.astype(complex), ADJACENCY, OPTIONS, "items of type complex128"),
        (X, ADJACENCY, OPTIONS | {"clock": "hour"}, "no feature 'hour' among speed, time_of_day"),
        (X, -ADJACENCY, OPTIONS, r"array\[0, 0\] is -1.0"),
        (changed(5, 2, 0, np.nan), ADJACENCY, OPTIONS, "entry 5, node '2' is nan"),
        (changed(5, 2, 1, 0.5), ADJACENCY, OPTIONS, "graph nodes differ in their time of day"),
        (np.where([False, True], X * 3, X), ADJACENCY, OPTIONS, r"entry 0 is 2\.9\d*; expected a time of day"),
        (X[1:], ADJACENCY, OPTIONS, "the first entry is at 2012-03-10T23:25:00, but `start` says 2012-03-10T23:20:00"),
        (X[::2], ADJACENCY, OPTIONS, "entries are 0 days 00:10:00 apart, but the catalogue says 5min"),
        (np.repeat(X, 2, axis=0), ADJACENCY, OPTIONS, r"row 1 .* repeats row 0"),
    ],
)  # fmt: skip
def test_a_wrong_pair_is_one_line(
    declare: Declare,
    tmp_path: Path,
    x: np.ndarray,
    adjacency: np.ndarray,
    options: dict[str, Any],
    message: str,
) -> None:
    write_plain(tmp_path, x, adjacency)
    with pytest.raises(InputError, match=message) as caught:
        list(read(declare("npy-pair", PLAIN, options, **CATALOGUE), tmp_path).blocks())
    assert ".npy" in str(caught.value) and "\n" not in str(caught.value)


def test_a_clock_needs_a_start(declare: Declare, tmp_path: Path) -> None:
    write_plain(tmp_path)
    with pytest.raises(InputError, match="option `clock` needs `start`"):
        read(declare("npy-pair", PLAIN, OPTIONS), tmp_path)


@pytest.mark.parametrize(
    "members, message",
    [
        ({"node_values.npy": X},
         r"0 members end in 'adj_mat.npy' \(members: node_values.npy\); say in .* `adjacency: <end of its name>`"),
        ({"a/node_values.npy": X, "b/node_values.npy": X},
         "2 members end in 'node_values.npy' .*; say in the dataset's `options:` which is the one, as `values: <end"),
        ({"node_values.npy": b"\x93NUMPY\x03\x00rest", "adj_mat.npy": ADJACENCY}, "not a .npy array"),
        ({"node_values.npy": b"<html>", "adj_mat.npy": ADJACENCY}, "not a .npy array"),
        ({"node_values.npy": npy_bytes(X)[:-8], "adj_mat.npy": ADJACENCY}, r"node_values.npy: 1848 bytes, but shape"),
        ({"node_values.npy": npy_bytes(X).replace(b"(36,", b"(9**9,"), "adj_mat.npy": ADJACENCY}, "not a .npy array"),
        ({"node_values.npy": npy_bytes(X).replace(b"(36, 3, 2), }    ", b"(-36, -3, 2), }  "),
          "adj_mat.npy": ADJACENCY},
         r"bytes, but shape \(-36, -3, 2\)"),
    ],
)  # fmt: skip
def test_a_wrong_archive_names_the_member(
    declare: Declare, tmp_path: Path, members: dict[str, Any], message: str
) -> None:
    write_zip(tmp_path / "x.zip", members)
    with pytest.raises(InputError, match=message):
        read(declare("npy-pair", {"archive": "x.zip"}, OPTIONS, **CATALOGUE), tmp_path)


def test_damage_in_an_archive_is_found_at_the_latest_by_its_checksum(
    declare: Declare, values: Values, tmp_path: Path
) -> None:
    path = tmp_path / "x.zip"
    write_zip(path, {"node_values.npy": X, "adj_mat.npy": ADJACENCY})
    whole = path.read_bytes()
    dataset = declare("npy-pair", {"archive": "x.zip"}, OPTIONS, **CATALOGUE)
    harmless = 0
    for place in range(0, len(whole), 17):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with suppress(InputError):
            found = values(read(dataset, tmp_path))
            harmless += 1  # a date or another field that no reader uses
            np.testing.assert_array_equal(found, X[..., :1].astype(np.float32))
    assert harmless < 0.1 * len(whole) / 17
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"x\.zip"):
            list(read(dataset, tmp_path).blocks())


def test_a_declared_shape_must_fit_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(40))
    with pytest.raises(InputError, match=r"array: 168 bytes, but shape \(1000000000000,\) needs"):
        npy_array(path)


@pytest.mark.filterwarnings(
    "ignore:invalid escape sequence"
)  # numpy evaluates the damaged header as a literal
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 0.12), junk=st.binary(max_size=4), cut=st.integers(0, 6))
def test_a_damaged_header_is_an_input_error_or_whole(
    declare: Declare, tmp_path: Path, place: float, junk: bytes, cut: int
) -> None:
    write_plain(tmp_path)
    whole = npy_bytes(X)
    at = int(place * len(whole))
    (tmp_path / "x.npy").write_bytes(whole[:at] + junk + whole[at + cut :])
    with suppress(InputError):
        for block in read(declare("npy-pair", PLAIN, OPTIONS, **CATALOGUE), tmp_path).blocks():
            assert np.isfinite(block).all()
