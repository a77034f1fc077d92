"""METR-LA's and PeMS' layout: a frame of speeds and the network's adjacency pickle."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.raw import read, rows
from stgnn.raw.hdf5_writer import write_frame
from stgnn.raw.signal import Signal

IDS = ["10", "20", "30"]
MATRIX = np.array([[1, 0.5, 0], [0, 1, 0.25], [0, 0, 1]], np.float32)
SPEEDS = np.random.default_rng(0).uniform(1, 70, (20, 3))
TIME = np.datetime64("2017-03-12T01:00", "ns") + np.arange(20) * np.timedelta64(5, "m")
FILES = {"values": "speeds.h5", "adjacency": "adj.pkl"}


@pytest.fixture
def read_traffic(
    declare: Callable[..., Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Signal]:
    """Write speeds and the adjacency, in blocks of six entries, and read them."""
    monkeypatch.setattr(rows, "BLOCK_BYTES", 6 * 3 * 4)

    def write_and_read(
        speeds: np.ndarray = SPEEDS, time: np.ndarray = TIME, options: Any = None, **catalogue: Any
    ) -> Signal:
        write_frame(tmp_path / "speeds.h5", IDS[: speeds.shape[1]], time, [speeds])
        content = (IDS, {name: place for place, name in enumerate(IDS)}, MATRIX)
        (tmp_path / "adj.pkl").write_bytes(pickle.dumps(content, 2))
        return read(declare("traffic-hdf5", FILES, options, **catalogue), tmp_path)

    return write_and_read


def test_speeds_and_graph_belong_together(
    read_traffic: Callable[..., Signal], values: Callable[..., Any]
) -> None:
    signal = read_traffic(frequency="5min", null_value=0.0)
    np.testing.assert_array_equal(values(signal)[..., 0], SPEEDS.astype(np.float32))
    assert signal.node == tuple(IDS) and signal.feature == ("speed",) and signal.null_value == 0.0
    assert signal.edge_index.T.tolist() == [[0, 0], [0, 1], [1, 1], [1, 2], [2, 2]]
    assert signal.edge_weight.tolist() == [1, 0.5, 1, 0.25, 1]
    assert signal.attributes["files"] == ["speeds.h5", "adj.pkl"] and signal.attributes["gaps"] == 0


def test_blocks_may_be_passed_over_again(
    read_traffic: Callable[..., Signal], values: Callable[..., Any]
) -> None:
    signal = read_traffic()
    first = signal.blocks()
    next(first)
    np.testing.assert_array_equal(values(signal), values(signal))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_a_value_that_is_none_is_named_by_entry_and_sensor(
    read_traffic: Callable[..., Signal], wrong: float
) -> None:
    speeds = SPEEDS.copy()
    speeds[13, 1] = wrong
    signal = read_traffic(speeds)
    with pytest.raises(InputError, match=r"speeds\.h5: df: entry 13, node '20' is (nan|inf)"):
        list(signal.blocks())


def test_a_gap_is_counted_and_another_frequency_refused(read_traffic: Callable[..., Signal]) -> None:
    time = TIME + (np.arange(20) >= 12) * np.timedelta64(1, "h")
    assert read_traffic(time=time, frequency="5min").attributes["gaps"] == 1
    with pytest.raises(InputError, match="apart, but the catalogue says 15min"):
        read_traffic(time=time, frequency="15min")


def test_a_sensor_of_the_graph_without_values_must_be_meant(read_traffic: Callable[..., Signal]) -> None:
    with pytest.raises(InputError, match="1 of 3 sensors of the graph have no values, first 30"):
        read_traffic(SPEEDS[:, :2])
    signal = read_traffic(SPEEDS[:, :2], options={"subset": True, "feature": "flow"})
    assert signal.edge_index.T.tolist() == [[0, 0], [0, 1], [1, 1]] and signal.feature == ("flow",)
