"""Graphs from distances: the Gaussian kernel against the traffic literature's own files, and great circles."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stgnn.catalog import Dataset, RawFile
from stgnn.graph import adjacency
from stgnn.graph.adjacency import gaussian_kernel, haversine, location_graph, matrix_edges
from stgnn.raw.network import read_network
from stgnn.raw.network_files import read_adjacency, read_distances, read_locations


def dense(edge_index: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    matrix = np.zeros((count, count))
    matrix[tuple(edge_index)] = weight
    return matrix


def test_the_kernel_is_the_papers() -> None:
    distance = np.array([0.0, 1.0, 2.0, np.inf])
    spread = np.std([0.0, 1.0, 2.0])
    expected = np.exp(-((distance / spread) ** 2))
    np.testing.assert_allclose(gaussian_kernel(distance, threshold=0.0), expected)
    np.testing.assert_allclose(gaussian_kernel(distance), np.where(expected < 0.1, 0.0, expected))
    np.testing.assert_allclose(gaussian_kernel(distance, sigma=10.0), [1, np.exp(-0.01), np.exp(-0.04), 0])


@pytest.mark.parametrize("distance", [[1.0, 1.0], [0.0], [np.inf], []])
def test_equal_distances_give_no_width(distance: list[float]) -> None:
    with pytest.raises(ValueError, match="gives no kernel width"):
        gaussian_kernel(np.array(distance))


@pytest.mark.parametrize("distance", [[1.0, -1.0], [1.0, np.nan]])
def test_distances_are_not_negative(distance: list[float]) -> None:
    with pytest.raises(ValueError, match="must be >= 0"):
        gaussian_kernel(np.array(distance))


def test_great_circles_have_known_lengths() -> None:
    quarter = np.pi / 2 * adjacency.EARTH_RADIUS
    latitude, longitude = np.array([0.0, 90.0, 0.0, 0.0]), np.array([90.0, 0.0, 180.0, 0.0])
    np.testing.assert_allclose(
        haversine(np.zeros(4), np.zeros(4), latitude, longitude), quarter * np.array([1, 1, 2, 0])
    )
    budapest_vienna = haversine(*np.array([[47.4979], [19.0402], [48.2082], [16.3738]]))
    np.testing.assert_allclose(budapest_vienna, 214_000, rtol=0.01)


@settings(max_examples=50, deadline=None)
@given(
    place=arrays(np.float64, (5, 2), elements=st.floats(-80, 80)),
    neighbours=st.none() | st.integers(1, 6),
    block=st.sampled_from([1, 7, 10**6]),
)
def test_a_location_graph_is_the_kernel_of_the_full_distance_matrix(
    place: np.ndarray, neighbours: int | None, block: int
) -> None:
    latitude, longitude = place.T
    distance = haversine(latitude[:, None], longitude[:, None], latitude, longitude)
    kept = np.ones((5, 5), dtype=bool)
    if neighbours is not None:
        ranked = distance.copy()
        np.fill_diagonal(ranked, -1.0)
        nearest = np.sort(ranked, axis=1)[:, min(neighbours, 4)]
        kept = ranked <= nearest[:, None]
        if not (kept.sum(axis=1) == min(neighbours, 4) + 1).all():
            return  # equally far neighbours: either may be kept
    spread = distance[kept].std()
    if not spread > 1.0:
        return
    expected = np.where(kept, np.exp(-((distance / spread) ** 2)), 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adjacency, "_BLOCK", block)
        edge_index, weight = location_graph(latitude, longitude, neighbours=neighbours, threshold=1e-3)
    found = dense(edge_index, weight, 5)
    sure = np.abs(expected - 1e-3) > 1e-9
    np.testing.assert_allclose(found[sure], np.where(expected < 1e-3, 0, expected)[sure], rtol=1e-6)


def test_nearest_neighbours_of_many_sensors_need_no_matrix() -> None:
    random = np.random.default_rng(0)
    latitude, longitude = random.uniform(33, 35, 4000), random.uniform(-119, -117, 4000)
    tracemalloc.start()
    edge_index, _ = location_graph(latitude, longitude, neighbours=8, sigma=5000.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert edge_index.shape[1] > 4000
    assert peak < 4000 * 4000 * 8  # the full matrix


def test_sensors_in_one_place_stay_their_own_neighbours() -> None:
    edge_index, weight = location_graph(np.zeros(3), np.array([0.0, 0.0, 1.0]), neighbours=1, sigma=1e3)
    assert edge_index.T.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 2]]
    assert weight.tolist() == [1.0] * 5


@settings(max_examples=50, deadline=None)
@given(matrix=arrays(np.float32, (6, 6), elements=st.sampled_from([0.0, 0.5, 1.0])), rows=st.integers(1, 6))
def test_matrix_edges_come_row_by_row_whatever_the_blocks(matrix: np.ndarray, rows: int) -> None:
    edge_index, weight = matrix_edges(matrix[start : start + rows] for start in range(0, 6, rows))
    np.testing.assert_array_equal(edge_index, np.nonzero(matrix))
    np.testing.assert_array_equal(weight, matrix[np.nonzero(matrix)])


def test_pems_bay_s_distances_give_its_published_adjacency(shared_data: Path) -> None:
    folder = shared_data / "pems-bay"
    published = read_adjacency(folder / "adj_mx_bay.pkl", None, {})
    computed = read_distances(folder / "distances_bay_2017.csv", published.ids, {})
    assert computed.edge_index.shape == (2, 2694)
    np.testing.assert_allclose(
        dense(computed.edge_index, computed.edge_weight, 325),
        dense(published.edge_index, published.edge_weight, 325),
        rtol=0, atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize(
    "folder, file, count",
    [("metr-la", "graph_sensor_locations.csv", 207), ("pems-bay", "graph_sensor_locations_bay.csv", 325)],
)
def test_real_locations_with_and_without_header_are_read(
    shared_data: Path, folder: str, file: str, count: int
) -> None:
    network = read_locations(shared_data / folder / file, None, {"neighbours": 8})
    pickled = read_adjacency(next((shared_data / folder).glob("*.pkl")), None, {})
    assert network.num_nodes == count and set(network.ids or ()) == set(pickled.ids or ())
    assert network.edge_index.shape[1] > count and (network.edge_weight <= 1).all()


def test_a_graph_from_distances_matches_the_values_order(shared_data: Path) -> None:
    published = read_adjacency(shared_data / "pems-bay" / "adj_mx_bay.pkl", None, {})
    assert published.ids is not None
    order = np.random.default_rng(0).permutation(325)
    node = tuple(published.ids[place] for place in order)
    files = (RawFile("distances_bay_2017.csv", None, None, None, "distances"),)
    dataset = Dataset(
        name="bay", title="", kind="signal", reader="table", files=files, options={}, synthetic=None, frequency=None,
        start=None, units="mph", null_value=None, task={}, licence=None, citation=None, homepage=None, note=None,
    )  # fmt: skip
    edge_index, weight = read_network(dataset, shared_data / "pems-bay", node, None)
    expected = dense(published.edge_index, published.edge_weight, 325)[np.ix_(order, order)]
    np.testing.assert_allclose(dense(edge_index, weight, 325), expected, rtol=0, atol=1e-6)
