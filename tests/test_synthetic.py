"""Synthetic data: genuine raw formats, equal bytes for equal settings, and roads on which the graph helps."""

import dataclasses
import json
import pickle
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stgnn.catalog import load_catalog
from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.synthetic import DAY, TrafficSettings, write_synthetic

SMALL = {"generator": "traffic", "nodes": 12, "entries": 8 * DAY + 5, "seed": 3}


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the default settings."""
    folder = tmp_path_factory.mktemp("traffic")
    write_synthetic({"generator": "traffic"}, folder)
    return folder


def arrays(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Speeds [T, N], as the reader has them, and the adjacency matrix [N, N]."""
    signal = read(load_catalog()["synthetic-traffic"], folder)
    matrix = np.zeros((signal.shape[1],) * 2)
    matrix[tuple(signal.edge_index)] = signal.edge_weight
    return np.concatenate(list(signal.blocks()))[..., 0], matrix


@pytest.mark.parametrize(
    "settings",
    [SMALL, {"generator": "chickenpox", "entries": 60}, SMALL | {"float64": False, "missing": 0.0}],
)
def test_equal_settings_give_equal_bytes_and_another_seed_others(
    tmp_path: Path, settings: Mapping[str, Any]
) -> None:
    for name, change in (("one", {}), ("two", {}), ("other", {"seed": 4})):
        write_synthetic({**settings, **change}, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == (
        ["chickenpox.json"]
        if settings["generator"] == "chickenpox"
        else ["adj_mx.pkl", "edges.csv", "speeds.h5"]
    )
    for file in files:
        one, two, other = ((tmp_path / name / file).read_bytes() for name in ("one", "two", "other"))
        assert one == two != other


def test_defaults_are_three_weeks_of_forty_sensors_and_ten_years_of_twenty_counties(
    traffic: Path, tmp_path: Path
) -> None:
    speeds, matrix = arrays(traffic)
    assert speeds.shape == (6048, 40) and matrix.shape == (40, 40)
    write_synthetic({"generator": "chickenpox"}, tmp_path)
    signal = read(load_catalog()["synthetic-chickenpox"], tmp_path)
    assert signal.shape == (521, 20, 1) and signal.attributes["standardised"] is True


def test_pandas_reads_the_speeds_back_equal(traffic: Path) -> None:
    pytest.importorskip("tables")
    frame = pd.read_hdf(traffic / "speeds.h5", "df")
    assert isinstance(frame, pd.DataFrame) and (frame.dtypes == np.float64).all()
    assert list(frame.columns[:2]) == ["400001", "400002"]
    assert (
        frame.index[0] == pd.Timestamp("2024-01-01")
        and (frame.index.diff()[1:] == pd.Timedelta("5min")).all()
    )
    np.testing.assert_array_equal(frame.to_numpy(np.float32), arrays(traffic)[0])


def test_the_pickle_is_the_tuple_of_the_traffic_literature(traffic: Path) -> None:
    data = (traffic / "adj_mx.pkl").read_bytes()
    assert data[:2] == b"\x80\x02"
    ids, index, matrix = pickle.loads(data)
    assert [index[name] for name in ids] == list(range(40))
    assert matrix.dtype == np.float32 and (matrix.diagonal() == 1).all()
    np.testing.assert_array_equal(matrix, arrays(traffic)[1].astype(np.float32))


def test_the_list_of_edges_is_the_network_of_the_pickle_without_its_matrix(tmp_path: Path) -> None:
    city = dataclasses.replace(
        load_catalog()["pems-synthetic"], synthetic={"generator": "traffic", "nodes": 600, "entries": DAY}
    )
    tracemalloc.start()
    for file in city.files:  # one at a time, as the workflow asks for them
        write_synthetic(city.synthetic or {}, tmp_path, [file.name])
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edges.csv", "speeds.h5"]
    listed = read(city, tmp_path)
    write_synthetic(city.synthetic or {}, tmp_path, ["adj_mx.pkl"])
    assert top < 12 * DAY * 600 * 8  # a dozen arrays of a day
    pickled = read(load_catalog()["synthetic-traffic"], tmp_path)
    np.testing.assert_array_equal(listed.edge_index, pickled.edge_index)
    np.testing.assert_array_equal(listed.edge_weight, pickled.edge_weight)
    assert listed.edge_index.shape[1] < 5 * 600


def test_a_file_that_the_generator_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"writes adj_mx.pkl, edges.csv, speeds.h5, not speed.h5; mend"):
        write_synthetic(SMALL, tmp_path, ["speed.h5"])
    assert not any(tmp_path.iterdir())


def test_roads_have_a_direction_and_reach_nearly_every_sensor(traffic: Path) -> None:
    roads = arrays(traffic)[1] - np.eye(40)
    assert ((roads > 0) & (roads.T > 0)).sum() <= 4
    assert (roads.sum(axis=0) > 0).mean() > 0.9 and (roads > 0).sum(axis=0).max() == 3
    assert roads[roads > 0].min() >= 0.1


def test_about_a_twentieth_is_missing_some_of_it_everywhere_at_once(traffic: Path) -> None:
    speeds, _ = arrays(traffic)
    assert 0.04 < (speeds == 0).mean() < 0.06
    silent = (speeds == 0).all(axis=1)
    assert (np.diff(silent.astype(int)) == 1).sum() >= 3 and silent.sum() == 60
    assert speeds[speeds > 0].min() >= 3 and speeds.max() <= 75


def test_nothing_is_missing_where_nothing_should_be(tmp_path: Path) -> None:
    write_synthetic(SMALL | {"missing": 0.0}, tmp_path)
    assert (arrays(tmp_path)[0] > 0).all()


def filled(speeds: np.ndarray) -> np.ndarray:
    return pd.DataFrame(np.where(speeds == 0, np.nan, speeds)).ffill().bfill().to_numpy()


def linear_error(features: list[np.ndarray], speeds: np.ndarray, ahead: int) -> float:
    """Test MAE of least squares on an hour of lags of each feature, shared by all sensors."""
    count, first_test = len(speeds), int(0.8 * len(speeds))

    def table(times: np.ndarray) -> np.ndarray:
        lags = [feature[times - lag].reshape(-1, 1) for feature in features for lag in range(12)]
        return np.concatenate([*lags, np.ones_like(lags[0])], axis=1)

    train, test = np.arange(12, int(0.7 * count) - ahead, 3), np.arange(first_test, count - ahead)
    inputs = table(train)
    weight = np.linalg.solve(
        inputs.T @ inputs + np.eye(inputs.shape[1]), inputs.T @ speeds[train + ahead].reshape(-1)
    )
    return float(np.abs(table(test) @ weight - speeds[test + ahead].reshape(-1)).mean())


@pytest.mark.parametrize("ahead", [3, 6, 12])
def test_knowing_the_roads_beats_every_forecast_that_does_not(traffic: Path, ahead: int) -> None:
    raw, matrix = arrays(traffic)
    speeds = filled(raw)
    test = np.arange(int(0.8 * len(speeds)), len(speeds) - ahead)
    roads = matrix - np.eye(40)
    arriving = roads / np.maximum(roads.sum(axis=0), 1e-9)
    upstream = speeds @ arriving
    by_time = np.stack([speeds[: int(0.7 * len(speeds))][time::DAY].mean(axis=0) for time in range(DAY)])
    last_value = np.abs(speeds[test] - speeds[test + ahead]).mean()
    average = np.abs(by_time[(test + ahead) % DAY] - speeds[test + ahead]).mean()
    own = linear_error([speeds], speeds, ahead)
    graph = linear_error([speeds, upstream, upstream @ arriving], speeds, ahead)
    assert graph < 0.9 * min(last_value, average, own)


def test_chickenpox_has_the_published_layout(tmp_path: Path) -> None:
    write_synthetic({"generator": "chickenpox", "nodes": 7, "entries": 30}, tmp_path)
    document = json.loads((tmp_path / "chickenpox.json").read_text())
    assert list(document) == ["edges", "node_ids", "FX"]
    edges = {tuple(edge) for edge in document["edges"]}
    assert edges == {(target, source) for source, target in edges} and all(
        (node, node) in edges for node in range(7)
    )
    assert sorted(document["node_ids"].values()) == list(range(7)) and len(document["FX"]) == 30


def test_any_length_is_written_in_the_memory_of_a_few_days(tmp_path: Path) -> None:
    def peak(entries: int) -> int:
        tracemalloc.start()
        write_synthetic({"generator": "traffic", "nodes": 50, "entries": entries}, tmp_path / str(entries))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    day = DAY * 50 * 8
    assert peak(28 * DAY) < peak(7 * DAY) + day


def test_no_part_of_a_file_is_left_by_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stgnn.synthetic._silence", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_synthetic(SMALL, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adj_mx.pkl", "edges.csv"]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({}, "`generator: None`; expected one of traffic, chickenpox, watts-strogatz, community"),
        ({"generator": "weather"}, "`generator: weather`"),
        ({"generator": "traffic", "node": 3}, "unknown key `node`; the nearest valid key is `nodes`"),
        ({"generator": "chickenpox", "missing": 0.1}, "unknown key `missing`"),
        ({"generator": "traffic", "nodes": 1}, r"`nodes: 1`; expected int in 2\.\."),
        ({"generator": "traffic", "nodes": "40"}, "`nodes: 40`; expected int"),
        ({"generator": "traffic", "nodes": True}, "`nodes: True`; expected int"),
        ({"generator": "traffic", "seed": -1}, "`seed: -1`"),
        ({"generator": "traffic", "missing": 0.9}, r"`missing: 0\.9`; expected float in 0\.0\.\.0\.5"),
        ({"generator": "traffic", "missing": float("nan")}, "`missing: nan`"),
        ({"generator": "traffic", "float64": 1}, "`float64: 1`; expected bool"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_synthetic(settings, tmp_path)
    assert not any(tmp_path.iterdir())


def test_the_shipped_catalogue_s_settings_are_the_generators() -> None:
    known = {item.name for item in dataclasses.fields(TrafficSettings)} | {"generator"}
    for dataset in load_catalog().values():
        if dataset.kind == "signal":
            assert dataset.synthetic is None or dataset.synthetic.keys() <= known
