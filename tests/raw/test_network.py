"""The graph of a sensor network: every file that may describe it, and ids matched to the sensors with values."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.raw.network import edges_among, read_network, sensor_list
from stgnn.raw.network_files import Network

Declare = Callable[..., Dataset]
IDS = ["10", "20", "30", "40"]
MATRIX = np.array([[1, 0.5, 0, 0], [0.25, 1, 0, 0], [0, 0.75, 1, 0.125], [0, 0, 0, 1]], np.float32)


def save_pickle(
    path: Path, ids: Any = IDS, index: Any = None, matrix: Any = MATRIX, protocol: int = 2
) -> None:
    index = {name: place for place, name in enumerate(ids)} if index is None else index
    path.write_bytes(pickle.dumps((ids, index, matrix), protocol))


def dense(edges: tuple[np.ndarray, np.ndarray], count: int) -> np.ndarray:
    matrix = np.zeros((count, count), np.float32)
    matrix[tuple(edges[0])] = edges[1]
    return matrix


def read(declare: Declare, folder: Path, role: str, name: str, node: Any = IDS, **options: Any) -> np.ndarray:
    files = {role: name} | ({"sensors": "sensors.txt"} if (folder / "sensors.txt").exists() else {})
    dataset = declare("table", files, options)
    return dense(read_network(dataset, folder, tuple(node), sensor_list(dataset, folder)), len(node))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_pickled_matrix_runs_from_row_to_column(declare: Declare, tmp_path: Path, order: Any) -> None:
    save_pickle(tmp_path / "adj.pkl", matrix=np.array(MATRIX, order=order))
    np.testing.assert_array_equal(read(declare, tmp_path, "adjacency", "adj.pkl"), MATRIX)


def test_the_values_order_of_sensors_decides(declare: Declare, tmp_path: Path) -> None:
    save_pickle(tmp_path / "adj.pkl")
    order = [2, 0, 3, 1]
    found = read(declare, tmp_path, "adjacency", "adj.pkl", [IDS[place] for place in order])
    np.testing.assert_array_equal(found, MATRIX[np.ix_(order, order)])


def test_ids_as_numbers_bytes_or_text_are_the_same_sensor(declare: Declare, tmp_path: Path) -> None:
    for ids in ([10, 20, 30, 40], [b"10", b"20", b"30", b"40"], np.array(IDS), np.array([10, 20, 30, 40])):
        index = {name: place for place, name in enumerate(list(ids))}
        save_pickle(tmp_path / "adj.pkl", ids, index, protocol=4)
        np.testing.assert_array_equal(read(declare, tmp_path, "adjacency", "adj.pkl"), MATRIX)


def test_a_subset_of_the_network_must_be_declared(declare: Declare, tmp_path: Path) -> None:
    save_pickle(tmp_path / "adj.pkl")
    with pytest.raises(
        InputError, match=r"2 of 4 sensors of the graph have no values, first 10, 40; .*`subset: true`"
    ):
        read(declare, tmp_path, "adjacency", "adj.pkl", ["20", "30"])
    found = read(declare, tmp_path, "adjacency", "adj.pkl", ["30", "20"], subset=True)
    np.testing.assert_array_equal(found, MATRIX[np.ix_([2, 1], [2, 1])])


@pytest.mark.parametrize("subset", [False, True])
def test_a_sensor_that_the_graph_does_not_know_is_named(
    declare: Declare, tmp_path: Path, subset: bool
) -> None:
    save_pickle(tmp_path / "adj.pkl")
    with pytest.raises(InputError, match="1 of 5 sensors with values are not in the graph, first '50'"):
        read(declare, tmp_path, "adjacency", "adj.pkl", [*IDS, "50"], subset=subset)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"ids": [*IDS[:3], "10"], "index": {"10": 0, "20": 1, "30": 2}}, "id '10' at positions 0 and 3"),
        ({"index": {"10": 0, "20": 2, "30": 1, "40": 3}}, r"ids\[1\] is '20', but id -> index says 2"),
        ({"index": {"10": 0, "20": 1, "30": 2}}, r"ids\[3\] is '40', but id -> index says None"),
        ({"ids": IDS[:3], "index": {"10": 0, "20": 1, "30": 2}}, "matrix: 4 graph nodes, but 3 ids"),
        ({"ids": [*IDS[:3], 1.5]}, r"ids\[3\]: found 1.5, expected an id"),
        ({"ids": [*IDS[:3], ""]}, r"ids\[3\]: an empty id"),
        ({"ids": 7, "index": {}}, "ids: found 7, expected a list"),
        ({"index": [0, 1, 2, 3]}, r"expected \(ids, id -> index, matrix\)"),
        ({"matrix": [[0.0]]}, r"expected \(ids, id -> index, matrix\)"),
        ({"matrix": MATRIX[:3]}, r"matrix: shape \(3, 4\), expected nodes x nodes"),
        ({"matrix": MATRIX[0]}, r"matrix: shape \(4,\), expected nodes x nodes"),
        ({"matrix": MATRIX[:0, :0]}, r"matrix: shape \(0, 0\)"),
        ({"matrix": MATRIX - 2 * (MATRIX == 0.75)}, r"matrix\[2, 1\] is -1.25, expected a finite weight"),
        ({"matrix": np.asfortranarray(MATRIX - 2 * (MATRIX == 0.75))}, r"matrix\[2, 1\] is -1.25"),
        ({"matrix": np.where(MATRIX == 0.125, np.nan, MATRIX)}, r"matrix\[2, 3\] is nan"),
        ({"matrix": np.where(MATRIX == 0.125, 1e300, MATRIX.astype(float))}, r"matrix\[2, 3\] is inf"),
        ({"matrix": MATRIX > 0}, "matrix: numbers of type bool"),
        ({"matrix": MATRIX.astype("U4")}, "matrix: numbers of type <U4"),
    ],
)  # fmt: skip
def test_a_wrong_pickle_names_what_contradicts(
    declare: Declare, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    save_pickle(tmp_path / "adj.pkl", **change)
    with pytest.raises(InputError, match=message):
        read(declare, tmp_path, "adjacency", "adj.pkl")


def test_nested_lists_in_a_pickle_do_not_blow_up_the_error(declare: Declare, tmp_path: Path) -> None:
    laughs: list[Any] = []
    for _ in range(60):
        laughs = [laughs, laughs]
    (tmp_path / "adj.pkl").write_bytes(pickle.dumps(laughs, 4))
    with pytest.raises(InputError, match="the pickle holds"):
        read(declare, tmp_path, "adjacency", "adj.pkl")


def test_a_matrix_without_ids_follows_the_sensor_list(declare: Declare, tmp_path: Path) -> None:
    np.save(tmp_path / "adj.npy", MATRIX.astype(np.float64))
    np.testing.assert_array_equal(read(declare, tmp_path, "adjacency", "adj.npy"), MATRIX)
    (tmp_path / "sensors.txt").write_text("40,30\n20 10\n")
    found = read(declare, tmp_path, "adjacency", "adj.npy")
    np.testing.assert_array_equal(found, MATRIX[::-1, ::-1])
    (tmp_path / "sensors.txt").write_text("sensor_id\n10\n20\n30\n")
    with pytest.raises(InputError, match="4 graph nodes, but 3 sensors"):
        read(declare, tmp_path, "adjacency", "adj.npy")


@pytest.mark.parametrize("header", ["from,to,weight\n", "source,target,cost\n", "\n"])
def test_an_edge_list_gives_the_same_graph(declare: Declare, tmp_path: Path, header: str) -> None:
    rows = [f"{IDS[row]},{IDS[column]},{MATRIX[row, column]}" for row, column in np.argwhere(MATRIX)]
    (tmp_path / "edges.csv").write_text(header + "\n".join(rows) + "\n")
    np.testing.assert_array_equal(read(declare, tmp_path, "adjacency", "edges.csv"), MATRIX)


def test_an_edge_list_without_weights_has_unit_weights(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("to,from\n20,10\n")
    assert read(declare, tmp_path, "adjacency", "edges.csv", ["10", "20"]).tolist() == [[0, 1], [0, 0]]


def test_distances_become_a_gaussian_kernel_of_their_own_spread(declare: Declare, tmp_path: Path) -> None:
    cost = np.array([0.0, 100.0, 0.0, 300.0])
    (tmp_path / "distances.csv").write_text("from,to,cost\n1,1,0\n1,2,100\n2,2,0\n2,1,300.0\n")
    weight = np.exp(-((cost / cost.std()) ** 2))
    expected = np.float32([[1, weight[1]], [0, 1]])  # 300 m is below the threshold
    np.testing.assert_allclose(
        read(declare, tmp_path, "distances", "distances.csv", ["1", "2"]), expected, rtol=1e-6
    )
    wide = read(declare, tmp_path, "distances", "distances.csv", ["1", "2"], sigma=1000.0, threshold=0.0)
    np.testing.assert_allclose(wide, np.float32(np.exp([[0, -0.01], [-0.09, 0]])), rtol=1e-6)


def test_the_kernel_s_width_is_the_network_s_also_for_a_subset(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "distances.csv").write_text("1,1,0\n1,2,100\n2,2,0\n2,1,300\n3,3,0\n1,3,500\n")
    whole = read(declare, tmp_path, "distances", "distances.csv", ["1", "2", "3"])
    part = read(declare, tmp_path, "distances", "distances.csv", ["1", "2"], subset=True)
    np.testing.assert_array_equal(part, whole[:2, :2])


def test_sensors_that_are_not_listed_do_not_count(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "distances.csv").write_text("1,1,0\n1,2,100\n2,2,0\n2,1,300\n3,3,0\n1,3,500\n")
    (tmp_path / "sensors.txt").write_text("1,2")
    found = read(declare, tmp_path, "distances", "distances.csv", ["1", "2"])
    spread = np.std([0.0, 100.0, 0.0, 300.0])
    np.testing.assert_allclose(found[0, 1], np.exp(-((100 / spread) ** 2)), rtol=1e-6)


@pytest.mark.parametrize("text", ["1,47.5,19.0\n2,47.5,19.01\n3,48,20\n",
                                  "index,sensor_id,latitude,longitude\n0,1,47.5,19\n1,2,47.5,19.01\n2,3,48,20\n",
                                  "lng,lat,id\n19,47.5,1\n19.01,47.5,2\n20,48,3\n"])  # fmt: skip
def test_locations_with_or_without_header_give_one_graph(declare: Declare, tmp_path: Path, text: str) -> None:
    (tmp_path / "locations.csv").write_text(text)
    found = read(declare, tmp_path, "locations", "locations.csv", ["1", "2", "3"], sigma=1000.0)
    metres = 6_371_008.8 * np.radians(0.01) * np.cos(np.radians(47.5))
    expected = np.eye(3)
    expected[[0, 1], [1, 0]] = np.exp(-((metres / 1000) ** 2))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_locations_may_join_nearest_sensors_only(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "locations.csv").write_text("1,0,0\n2,0,1\n3,0,3\n")
    found = read(declare, tmp_path, "locations", "locations.csv", ["1", "2", "3"], neighbours=1, sigma=1e6)
    assert (found > 0).tolist() == [[True, True, False], [True, True, False], [False, True, True]]


@pytest.mark.parametrize(
    "role, text, message",
    [
        ("distances", "1,2,far\n1,1,0\n", "no column 'from' in"),
        ("distances", "1,2,5\n1,1,zero\n", "line 2, cost: found 'zero', expected a number >= 0"),
        ("distances", "1,2,5\n\n1,1,-1\n", "line 3, cost: found '-1'"),
        ("distances", "1,2,5\n1,1,nan\n", "line 2, cost: found 'nan'"),
        ("distances", "1,2,5\n1,1,inf\n", "line 2, cost: found 'inf'"),
        ("distances", "1,2,5\n1,1\n", "line 2: 2 fields, expected 3"),
        ("distances", "1,2,5\n2,1,5\n1,2,6\n", "lines 1 and 3 both give 1 -> 2"),
        ("distances", "1,2,5\n2,1,5\n", "all distances are equal.*give the option `sigma`"),
        ("distances", "from,to,cost,distance\n1,2,3,4\n", "2 columns could be 'cost'"),
        ("distances", "from,to\n1,2\n", "no column 'cost'"),
        ("distances", "1,,5\n2,1,6\n", r"from, to\[1\]: an empty id|an empty id"),
        ("distances", "\n\n", "no rows; expected columns from, to, cost"),
        ("adjacency", "1,2,1e39\n", "line 1, weight: found '1e39'"),
        ("adjacency", "1,2,-1\n", "line 1, weight: found '-1'"),
        ("locations", "1,91,0\n2,0,0\n", r"line 1, latitude: found '91', expected a number in -90\.\.90"),
        ("locations", "1,0,0\n2,0,181\n", r"line 2, longitude: found '181'"),
        ("locations", "1,0,0\n1,0,1\n", "id '1' at positions 0 and 1"),
        ("locations", "1,0,0\n2,0,0\n", "all distances are equal"),
        ("locations", "name,lat,lon\n1,0,0\n", "no column 'id'"),
    ],
)
def test_a_wrong_network_file_names_the_line(
    declare: Declare, tmp_path: Path, role: str, text: str, message: str
) -> None:
    (tmp_path / "network.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read(declare, tmp_path, role, "network.csv", ["1", "2"])
    assert "network.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_an_error(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "network.csv").write_bytes(b"\xff\xfe1,2,3")
    with pytest.raises(InputError, match="not a CSV file"):
        read(declare, tmp_path, "distances", "network.csv")
    (tmp_path / "sensors.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read(declare, tmp_path, "distances", "network.csv")


def test_a_network_needs_a_file(declare: Declare, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file gives the graph"):
        read_network(declare("table", {"values": "x.csv"}), tmp_path, ("1",), None)
    (tmp_path / "adj.mat").write_text("x")
    with pytest.raises(InputError, match=r"'\.mat' file; expected \.pkl, \.npy or \.csv"):
        read(declare, tmp_path, "adjacency", "adj.mat")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 8), data=st.data())
def test_any_subset_in_any_order_is_the_sub_matrix(
    declare: Declare, tmp_path: Path, count: int, data: st.DataObject
) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    matrix = random.random((count, count)).astype(np.float32) * (random.random((count, count)) < 0.5)
    ids = tuple(f"s{number}" for number in range(count))
    picked = data.draw(st.permutations(range(count)))[: data.draw(st.integers(1, count))]
    network = Network(
        tmp_path, ids, count, np.stack(np.nonzero(matrix)), matrix[np.nonzero(matrix)].astype(float)
    )
    dataset = declare("table", {}, {"subset": True})
    edges = edges_among(dataset, network, tuple(ids[place] for place in picked), None)
    np.testing.assert_array_equal(dense(edges, len(picked)), matrix[np.ix_(picked, picked)])
    assert np.array_equal(np.lexsort(edges[0][::-1]), np.arange(edges[0].shape[1]))
