"""One's own data: a wide CSV, an HDF5 frame or a .npy array, with a graph among the sensors."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.raw import csv_table, read
from stgnn.raw.hdf5_writer import write_frame
from stgnn.raw.signal import Signal

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
Declare = Callable[..., Dataset]
Values = Callable[[Signal], np.ndarray]

GRAPH = "from,to,weight\na,b,0.5\nb,c,0.25\n"
TABLE = """time,a,b,c
2012-03-01 00:00:00,64.5,0,1e1
2012-03-01 00:05:00,-1,2.5,3
2012-03-01 00:10:00,4,5,6
"""
ROWS = [[64.5, 0, 10], [-1, 2.5, 3], [4, 5, 6]]


@pytest.fixture
def read_table(declare: Declare, tmp_path: Path) -> Callable[..., Signal]:
    """Write a CSV of values and an edge list, and read them."""

    def write_and_read(text: str | bytes, options: dict[str, Any] | None = None, **catalogue: Any) -> Signal:
        (tmp_path / "edges.csv").write_text(GRAPH)
        (tmp_path / "values.csv").write_bytes(text.encode() if isinstance(text, str) else text)
        files = {"values": "values.csv", "adjacency": "edges.csv"}
        return read(declare("table", files, options, **catalogue), tmp_path)

    return write_and_read


@pytest.mark.parametrize("chunk", [1, 50, 10**6])
@pytest.mark.parametrize(
    "text", [TABLE, TABLE.replace("\n", "\r\n"), TABLE.rstrip(), "\ufeff" + TABLE, TABLE + "\n\n"]
)
def test_a_csv_is_read_whatever_its_line_ends_and_pieces(
    read_table: Callable[..., Signal], values: Values, monkeypatch: pytest.MonkeyPatch, text: str, chunk: int
) -> None:
    monkeypatch.setattr(csv_table, "CHUNK", chunk)
    signal = read_table(text, {"feature": "speed"}, frequency="5min")
    assert values(signal)[..., 0].tolist() == ROWS
    assert signal.node == ("a", "b", "c") and signal.feature == ("speed",)
    assert signal.time.dtype == "datetime64[ns]" and str(signal.time[1])[:16] == "2012-03-01T00:05"
    assert signal.edge_index.tolist() == [[0, 1], [1, 2]]


def test_the_time_may_be_any_column(read_table: Callable[..., Signal], values: Values) -> None:
    frame = pd.DataFrame(ROWS, columns=list("abc"))
    frame.insert(2, "when", ["2012-03-01", "2012-03-02", "2012-03-03"])
    signal = read_table(frame.to_csv(index=False), {"time": "when"})
    assert values(signal)[..., 0].tolist() == ROWS
    assert str(signal.time[2])[:10] == "2012-03-03"


def test_numbered_entries_are_dated_from_the_start(read_table: Callable[..., Signal]) -> None:
    text = (
        TABLE.replace("2012-03-01 00:00:00", "7")
        .replace("2012-03-01 00:05:00", "8")
        .replace("2012-03-01 00:10:00", "9")
    )
    assert read_table(text).time.tolist() == [7, 8, 9]
    dated = read_table(text, start="2020-01-01", frequency="1h")
    assert str(dated.time[2])[:16] == "2020-01-01T02:00"


def test_missing_fields_are_nan_where_nan_means_missing(
    read_table: Callable[..., Signal], values: Values
) -> None:
    text = TABLE.replace("2.5", "").replace("64.5", "NA")
    assert np.isnan(values(read_table(text, null_value=float("nan")))[..., 0]).tolist() == [
        [True, False, False], [False, True, False], [False, False, False],
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"table: entry 0, node 'a' is nan; .*`null_value: \.nan`"):
        list(read_table(text, null_value=0.0).blocks())


def test_columns_that_the_sensor_list_leaves_out_are_left_out(
    declare: Declare, values: Values, tmp_path: Path
) -> None:
    (tmp_path / "values.csv").write_text(TABLE)
    (tmp_path / "edges.csv").write_text("from,to\na,c\nc,a\na,b\n")
    (tmp_path / "ids.txt").write_text("c\na")
    files = {"values": "values.csv", "adjacency": "edges.csv", "sensors": "ids.txt"}
    signal = read(declare("table", files), tmp_path)
    assert signal.node == ("a", "c")
    assert values(signal)[..., 0].tolist() == [[row[0], row[2]] for row in ROWS]
    assert signal.edge_index.T.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "text, message",
    [
        (TABLE.replace("2.5", "slow"), r"line 3, column 'b': found 'slow', expected a number"),
        (TABLE.replace("2.5", "1_000"), r"line 3, column 'b': found '1_000'"),
        (TABLE.replace("2.5", "True"), r"line 3, column 'b': found 'True'"),
        (TABLE.replace("2.5", "inf"), r"entry 1, node 'b' is inf"),
        (TABLE.replace("2.5", "1e300"), r"entry 1, node 'b' is inf"),
        (TABLE.replace("2.5", ""), r"entry 1, node 'b' is nan"),
        (TABLE.replace(",2.5,3", ",2.5"), r"line 3: 3 fields, but 4 in the header"),
        (TABLE.replace(",2.5,3", ",2.5,3,4"), r"line 3: 5 fields, but 4 in the header"),
        (TABLE.replace(",2.5,3", ",2.5").replace("5,6", "5,6,7"), r"line 3: 3 fields, but 4"),
        (TABLE.replace("00:10", "00:05"), r"row 2 \(.*\) repeats row 1"),
        (TABLE.replace("00:10", "00:01"), r"row 2 \(.*\) is before row 1"),
        (TABLE.replace("2012-03-01 00:05:00", "noon"), r"row 1, column 'time': 'noon' is no time"),
        (TABLE.replace("2012-03-01 00:05:00", ""), "row 1 has no time"),
        (TABLE.replace(":00,", ":00+01:00,"), "times in a time zone"),
        (TABLE.replace("time,a,b,c", "time,a,b,a"), "id 'a' at positions 1 and 3"),
        (TABLE.replace("time,a,b,c", "time,a,,c"), r"line 1\[2\]: an empty id"),
        (TABLE.replace(",", ";"), "line 1: a single column 'time;a;b;c'"),
        ("time,a,b,c\n", "no rows after the header"),
        ("\n", "line 1: a single column"),
        (b"\xff\xfet\x00", "not UTF-8 text"),
        (
            "time,sensor,value\n2012-03-01,a,1\n",
            "line 2, column 'sensor': found 'a'.*one column of numbers a sensor|not in",
        ),
    ],
)
def test_a_wrong_table_names_line_and_column(
    read_table: Callable[..., Signal], text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        list(read_table(text).blocks())
    assert ".csv" in str(caught.value) and "\n" not in str(caught.value)


def test_a_long_table_is_said_to_be_one(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text("time,sensor,value\n2012-03-01,a,1\n")
    (tmp_path / "edges.csv").write_text("from,to\nsensor,value\n")
    signal = read(declare("table", {"values": "values.csv", "adjacency": "edges.csv"}), tmp_path)
    with pytest.raises(
        InputError, match=r"column 'sensor': found 'a', expected a number; .*one column of numbers a sensor"
    ):
        list(signal.blocks())


def test_an_unknown_time_column_and_a_wrong_frequency_are_named(read_table: Callable[..., Signal]) -> None:
    with pytest.raises(InputError, match="line 1: no column 'when'"):
        read_table(TABLE, {"time": "when"})
    with pytest.raises(InputError, match="entries are 0 days 00:05:00 apart, but the catalogue says 1h"):
        read_table(TABLE, frequency="1h")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=arrays(np.float32, st.tuples(st.integers(1, 12), st.just(3)), elements=FLOATS),
       chunk=st.integers(1, 200))  # fmt: skip
def test_any_numbers_come_back_as_written(
    read_table: Callable[..., Signal], values: Values, x: np.ndarray, chunk: int
) -> None:
    times = pd.date_range("2020-01-01", periods=len(x), freq="1h")
    text = pd.DataFrame(x, columns=list("abc"), index=times).to_csv(index_label="time")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_table, "CHUNK", chunk)
        np.testing.assert_array_equal(values(read_table(text))[..., 0], x)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), junk=st.sampled_from([b"", b",", b"\n", b'"', b"\0", b"\xff", b"x", b"\r", b"1e999"]),
       cut=st.integers(0, 4))  # fmt: skip
def test_a_damaged_csv_is_an_input_error_or_whole(
    read_table: Callable[..., Signal], values: Values, place: float, junk: bytes, cut: int
) -> None:
    whole = TABLE.encode()
    at = int(place * len(whole))
    with suppress(InputError):
        assert np.isfinite(values(read_table(whole[:at] + junk + whole[at + cut :]))).all()


def test_a_frame_may_carry_its_graph_as_distances(declare: Declare, values: Values, tmp_path: Path) -> None:
    time = np.array(["2020-01-01T00:00", "2020-01-01T01:00"], "datetime64[ns]")
    write_frame(tmp_path / "flow.h5", ["a", "b"], time, [np.array([[1.0, 2.0], [3.0, 4.0]])], key="flow")
    (tmp_path / "d.csv").write_text("a,a,0\na,b,100\nb,b,0\n")
    files = {"values": "flow.h5", "distances": "d.csv"}
    signal = read(declare("table", files, {"sigma": 100.0, "key": "flow"}, frequency="1h"), tmp_path)
    assert values(signal)[..., 0].tolist() == [[1, 2], [3, 4]]
    np.testing.assert_allclose(signal.edge_weight, [1, np.exp(-1), 1], rtol=1e-6)


def test_an_array_needs_its_sensors(declare: Declare, values: Values, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(2, 3, 2))
    np.save(tmp_path / "a.npy", np.eye(3))
    files = {"values": "x.npy", "adjacency": "a.npy"}
    options = {"features": ["flow", "speed"]}
    with pytest.raises(InputError, match=r"a \.npy file names no sensors"):
        read(declare("table", files, options), tmp_path)
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    signal = read(declare("table", files | {"sensors": "ids.txt"}, options), tmp_path)
    assert values(signal).tolist() == np.arange(12.0).reshape(2, 3, 2).tolist()
    assert signal.node == ("a", "b", "c") and signal.feature == ("flow", "speed")


def test_other_files_are_refused(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_text("x")
    with pytest.raises(InputError, match=r"values in a '\.xlsx' file; expected \.csv"):
        read(declare("table", {"values": "x.xlsx"}), tmp_path)
