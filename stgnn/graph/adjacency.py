"""Graphs from distances: the Gaussian kernel of the traffic literature, and distances from coordinates.

Works on numpy arrays and edge lists, so that a network of 11,160 sensors never needs an N x N matrix. Reading files is
`stgnn.raw.network`'s business; operators on a graph are `stgnn.graph.operators`'.

Axes: N graph nodes, E edges, R rows of a block.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS = 6_371_008.8  # metres; the mean radius of the IUGG
_BLOCK = 1 << 20  # distances held at a time

Edges = tuple[NDArray[np.int64], NDArray[np.float64]]  # edge_index [2, E], then one number an edge


def gaussian_kernel(
    distance: NDArray[np.floating], sigma: float | None = None, threshold: float = 0.1
) -> NDArray[np.float64]:
    """Return weights exp(-(distance / sigma)^2) of the same shape, 0 where below `threshold` or without a road (inf).

    `sigma` defaults to the standard deviation of the finite distances. Li et al., "Diffusion Convolutional
    Recurrent Neural Network" (ICLR 2018), section 4 and the authors' gen_adj_mx: threshold 0.1. Raises `ValueError`
    for negative or NaN distances and where all distances are equal, so that no width follows from them.
    """
    if not (distance >= 0).all():
        raise ValueError("distances must be >= 0")
    wide = np.asarray(distance, dtype=np.float64)
    if sigma is None:
        finite = wide[np.isfinite(wide)]
        sigma = float(finite.std()) if finite.size else 0.0
    return _kernel(wide, sigma, threshold)


def haversine(
    latitude: NDArray[np.floating], longitude: NDArray[np.floating],
    other_latitude: NDArray[np.floating], other_longitude: NDArray[np.floating],
) -> NDArray[np.float64]:  # fmt: skip
    """Return great-circle distances in metres between points in degrees; the arguments broadcast."""
    here, there = np.radians(latitude), np.radians(other_latitude)
    east = np.radians(np.asarray(other_longitude) - longitude)
    chord = np.sin((there - here) / 2) ** 2 + np.cos(here) * np.cos(there) * np.sin(east / 2) ** 2
    # Rounding can lift antipodes a hair above 1.
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(chord, 1.0))))


def location_graph(
    latitude_N: NDArray[np.floating],
    longitude_N: NDArray[np.floating],
    *,
    neighbours: int | None = None,
    sigma: float | None = None,
    threshold: float = 0.1,
) -> Edges:
    """Return (edge_index `[2, E]`, weights `[E]`) of the Gaussian kernel over great-circle distances.

    Each node is joined to itself (weight 1) and to every other node, or to its `neighbours` nearest only; `sigma`
    defaults to the standard deviation of the distances so joined. Raises `ValueError` as `gaussian_kernel` does.
    """
    if sigma is None:
        sigma = _spread(distance for _, _, distance in _joined(latitude_N, longitude_N, neighbours))
    edges, weights = [np.empty((2, 0), np.int64)], [np.empty(0)]
    for source, target, distance in _joined(latitude_N, longitude_N, neighbours):
        weight = _kernel(distance, sigma, threshold)
        edges.append(np.stack([source, target])[:, weight > 0])
        weights.append(weight[weight > 0])
    return np.concatenate(edges, axis=1), np.concatenate(weights)


def matrix_edges(rows: Iterable[NDArray[np.floating]]) -> Edges:
    """Return (edge_index, weights) of the non-zero items of a matrix given as blocks `[R, N]` of its rows.

    A row is an edge's source and a column its target; the edges come row by row.
    """
    edges, weights, first = [np.empty((2, 0), np.int64)], [np.empty(0)], 0
    for block in rows:
        source, target = np.nonzero(block)
        edges.append(np.stack([source + first, target]))
        weights.append(block[source, target].astype(np.float64))
        first += len(block)
    return np.concatenate(edges, axis=1), np.concatenate(weights)


def _kernel(distance: NDArray[np.float64], sigma: float, threshold: float) -> NDArray[np.float64]:
    if not sigma > 0:
        raise ValueError("all distances are equal, so their standard deviation gives no kernel width")
    weight = np.exp(-np.square(distance / sigma))
    weight[weight < threshold] = 0.0
    return weight


def _joined(
    latitude_N: NDArray[np.floating], longitude_N: NDArray[np.floating], neighbours: int | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Yield (source, target, distance) of the joined pairs, a block of sources at a time."""
    count = len(latitude_N)
    kept = count if neighbours is None else min(count, neighbours + 1)
    step = max(1, _BLOCK // max(1, count))
    for start in range(0, count, step):
        rows = slice(start, start + step)
        distance_RN = haversine(latitude_N[rows, None], longitude_N[rows, None], latitude_N, longitude_N)
        own = np.arange(start, start + len(distance_RN))
        # A node comes first among its neighbours even where two sensors share a place.
        distance_RN[np.arange(len(own)), own] = -1.0
        target_RK = np.sort(np.argpartition(distance_RN, kept - 1, axis=1)[:, :kept], axis=1)
        distance_RK = np.maximum(np.take_along_axis(distance_RN, target_RK, axis=1), 0.0)
        yield np.repeat(own, kept), target_RK.reshape(-1), distance_RK.reshape(-1)


def _spread(distances: Iterable[NDArray[np.float64]]) -> float:
    """Return the standard deviation of numbers that come in blocks (Chan's merge of means and squares)."""
    count, mean, square = 0, 0.0, 0.0
    for block in distances:
        step = block.mean() - mean
        square += block.size * (block.var() + step**2 * count / (count + block.size))
        count += block.size
        mean += step * block.size / count
    return float(np.sqrt(square / max(1, count)))
