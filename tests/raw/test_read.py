"""Readers by name, what they all check first, and the real files where they are."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn import catalog
from stgnn.catalog import Dataset, load_catalog
from stgnn.errors import InputError
from stgnn.raw import EVENT_READERS, READERS, read
from stgnn.raw.checks import shown
from stgnn.raw.network_files import Network, read_adjacency
from stgnn.raw.signal import Signal
from stgnn.settings import SCHEMAS

Declare = Callable[..., Dataset]
Values = Callable[[Signal], np.ndarray]


def test_the_catalogue_knows_every_reader_and_no_other() -> None:
    schema = json.loads((SCHEMAS / "datasets.schema.json").read_text())
    assert set(schema["$defs"]["dataset"]["properties"]["reader"]["enum"]) == {*READERS, *EVENT_READERS}
    assert set(EVENT_READERS) == catalog.EVENT_READERS


def test_an_unknown_reader_is_named(declare: Declare, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dataset small: no reader 'xml'; expected one of pgt-static-json"):
        read(declare("xml", {"values": "x"}), tmp_path)


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"npy-pair"}))
def test_a_missing_or_empty_file_is_named(declare: Declare, tmp_path: Path, reader: str) -> None:
    dataset = declare(reader, {"values": "values.csv", "adjacency": "adj.pkl"})
    with pytest.raises(InputError, match=r"values.csv: no such file; run `stgnn retrieve small` first"):
        read(dataset, tmp_path)
    (tmp_path / "values.csv").touch()
    with pytest.raises(InputError, match=r"values.csv: the file is empty"):
        read(dataset, tmp_path)
    with pytest.raises(InputError, match=f"no file has the role 'values', which reader '{reader}' needs"):
        read(declare(reader, {"adjacency": "adj.pkl"}), tmp_path)


CSV = "time,1,2\n2017-01-01,60.1,61.2\n2017-01-02,60.3,61.4\n"


def _declared(declare: Declare, **known: Any) -> Dataset:
    """A dataset of a table, of which the catalogue knows the size or checksum, and its graph."""
    dataset = declare("table", {"values": "values.csv", "adjacency": "edges.csv"}, frequency="1D")
    values, edges = dataset.files
    return dataclasses.replace(dataset, files=(dataclasses.replace(values, **known), edges))


@pytest.fixture
def digests(tmp_path: Path) -> dict[str, str]:
    """Put the files of that dataset where it looks for them; return their checksums."""
    texts = {"values.csv": CSV, "edges.csv": "from,to,weight\n1,2,0.5\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def test_a_file_put_by_hand_must_be_the_catalogue_s(
    declare: Declare, digests: dict[str, str], tmp_path: Path
) -> None:
    found = digests["values.csv"]
    wrong = (
        rf"values.csv: has sha256 {found[:12]}... \(\d+ bytes\), expected 000000000000...; put the published"
    )
    with pytest.raises(InputError, match=wrong):
        read(_declared(declare, sha256="0" * 64), tmp_path)
    with pytest.raises(InputError, match=rf"values.csv: has {len(CSV)} bytes, expected 7; put the published"):
        read(_declared(declare, size=7), tmp_path)
    right = _declared(declare, sha256=found, size=len(CSV))
    assert read(right, tmp_path).attributes["raw_sha256"] == digests


def test_a_signal_says_which_bytes_it_is_from_where_the_catalogue_does_not_know(
    declare: Declare, digests: dict[str, str], tmp_path: Path
) -> None:
    attributes = read(_declared(declare), tmp_path).attributes
    assert attributes["raw_sha256"] == digests
    assert attributes["dataset"] == "small"


def test_two_files_of_one_role_are_one_too_many(declare: Declare, tmp_path: Path) -> None:
    dataset = declare("table", {"values": "a.csv"})
    twice = dataclasses.replace(dataset, files=dataset.files * 2)
    with pytest.raises(InputError, match="2 files have the role 'values'; keep one"):
        read(twice, tmp_path)


def test_what_an_error_shows_is_short() -> None:
    for value in (2**400_000, [[[[[["x" * 99]]]]] * 99], "x" * 999, {"a": [1] * 99}):
        assert len(shown(value)) < 120


REAL = {
    "chickenpox-hungary": (521, 20, 1, 102),
    "pedalme-london": (35, 15, 1, 225),
    "england-covid": (61, 129, 1, 82529),
    "montevideo-bus": (744, 675, 1, 690),
    "twitter-tennis-rg17": (120, 1000, 3, 40839),
    "twitter-tennis-uo17": (112, 1000, 3, 43387),
    "metr-la-29": (34272, 29, 1, 181),
    "pems-bay-67": (52116, 67, 1, 196),
}


@pytest.fixture
def real(shared_data: Path, tmp_path: Path) -> Callable[[str], Signal]:
    """Read a dataset of the shipped catalogue from the real files."""

    def read_real(name: str) -> Signal:
        dataset = load_catalog()[name]
        for file in dataset.files:
            (tmp_path / file.name).symlink_to(next(shared_data.rglob(file.name)))
        if name in ("metr-la-29", "pems-bay-67"):
            dataset = dataclasses.replace(dataset, options={**dataset.options, "subset": True})
        return read(dataset, tmp_path)

    return read_real


@pytest.mark.parametrize("name", REAL)
def test_real_files_have_their_published_shapes(
    real: Callable[[str], Signal], values: Values, name: str
) -> None:
    signal = real(name)
    assert (*signal.shape, signal.edge_index.shape[1]) == REAL[name]
    assert np.isfinite(values(signal)).all()
    assert signal.edge_index.max() < signal.shape[1] and len(set(signal.node)) == signal.shape[1]
    assert (signal.edge_weight >= 0).all() and signal.edge_weight.dtype == np.float32


def test_chickenpox_is_standardised_and_begins_as_published(
    real: Callable[[str], Signal], values: Values
) -> None:
    signal = real("chickenpox-hungary")
    assert signal.attributes["standardised"] is True
    np.testing.assert_allclose(
        values(signal)[0, :3, 0], [-1.08135724e-03, -7.11136085e-01, -3.22808515], rtol=1e-6
    )
    assert signal.node[:3] == ("BACS", "BARANYA", "BEKES")
    assert (signal.edge_index[0] == signal.edge_index[1]).sum() == 20


def test_dynamic_graphs_own_their_published_edges(real: Callable[[str], Signal]) -> None:
    for name, least, most in (("england-covid", 836, 2158), ("twitter-tennis-rg17", 41, 936),
                              ("twitter-tennis-uo17", 88, 793)):  # fmt: skip
        ptr = real(name).edge_ptr
        assert ptr is not None and ptr[0] == 0 and ptr[-1] == REAL[name][3]
        assert (np.diff(ptr).min(), np.diff(ptr).max()) == (least, most)


def test_montevideo_weights_are_metres(real: Callable[[str], Signal]) -> None:
    weight = real("montevideo-bus").edge_weight
    np.testing.assert_allclose([weight.min(), weight.max()], [23.8, 1991.3], rtol=1e-6)


def test_metr_la_has_its_zeros_and_every_five_minutes(real: Callable[[str], Signal], values: Values) -> None:
    signal = real("metr-la-29")
    assert round(100 * float((values(signal) == 0).mean()), 2) == 7.75
    assert str(signal.time[0])[:16] == "2012-03-01T00:00" and str(signal.time[-1])[:16] == "2012-06-27T23:55"
    assert signal.attributes["gaps"] == 0


def test_pems_bay_skips_the_hour_of_summer_time(real: Callable[[str], Signal]) -> None:
    signal = real("pems-bay-67")
    gap = int(np.flatnonzero(np.diff(signal.time) != np.timedelta64(5, "m"))[0])
    assert signal.attributes["gaps"] == 1
    assert [str(time)[:16] for time in signal.time[gap : gap + 2]] == ["2017-03-12T01:55", "2017-03-12T03:00"]


@pytest.mark.parametrize("name, nonzero", [("metr-la-29", 1722), ("pems-bay-67", 2694)])
def test_a_subset_s_graph_is_the_sub_matrix_of_the_pickle(
    real: Callable[[str], Signal], tmp_path: Path, name: str, nonzero: int
) -> None:
    signal = real(name)
    network: Network = read_adjacency(next(tmp_path.glob("*.pkl")), None, {})
    assert network.ids is not None and network.edge_index.shape[1] == nonzero
    whole = np.zeros((network.num_nodes, network.num_nodes), np.float32)
    whole[tuple(network.edge_index)] = network.edge_weight
    place = [network.ids.index(sensor) for sensor in signal.node]
    part = np.zeros((len(place), len(place)), np.float32)
    part[tuple(signal.edge_index)] = signal.edge_weight
    np.testing.assert_array_equal(part, whole[np.ix_(place, place)])


def test_all_metr_la_sensors_match_their_graph_without_saying_subset(
    declare: Declare, shared_data: Path, tmp_path: Path
) -> None:
    files = {
        "values": "metr-la_207_first1026.h5",
        "adjacency": "adj_mx.pkl",
        "sensors": "graph_sensor_ids.txt",
    }
    for file in files.values():
        (tmp_path / file).symlink_to(shared_data / "metr-la" / file)
    signal = read(declare("traffic-hdf5", files, frequency="5min", null_value=0.0), tmp_path)
    assert signal.shape == (1026, 207, 1) and signal.edge_index.shape == (2, 1722)
    assert signal.node == tuple((tmp_path / "graph_sensor_ids.txt").read_text().strip().split(","))
