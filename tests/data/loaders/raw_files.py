"""Raw files as small as may be, each of exactly the layout of the dataset's real one, in one folder.

Axes: T entries, N graph nodes.
"""

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from stgnn.raw.hdf5_writer import write_frame

T, N = 40, 5
TRAFFIC_T = 310  # more than a day of five minutes
EDGES = [[0, 1], [1, 0], [1, 2], [2, 3], [3, 3], [4, 0], [3, 1]]
WEIGHTS = [1.0, 0.25, 2.0, 0.5, 1.5, 0.75, 3.0]


def write_all(folder: Path) -> None:
    """Write the raw files of every loader's dataset."""
    rng = np.random.default_rng(5)
    for name, document in json_files(rng).items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    values = traffic_values(rng)
    adjacency = adjacency_matrix()
    write_zip(folder / "METR-LA.zip", {"node_values.npy": values, "adj_mat.npy": adjacency})
    write_zip(
        folder / "PEMS-BAY.zip",
        {"pems_node_values.npy": values + np.array([1, 0]), "pems_adj_mat.npy": adjacency},
    )
    for name in ("AllLA", "cali"):
        write_pems(folder, name, values[..., 0].astype(np.float64), adjacency)


def json_files(rng: np.random.Generator) -> dict[str, Any]:
    """The JSON documents by file name."""
    counts = rng.integers(0, 50, (T, N))
    standardised = (counts - counts.mean(0)) / counts.std(0)
    windmills = {"edges": EDGES, "weights": WEIGHTS, "block": rng.gamma(2, 30, (T, N)).tolist()}
    return {
        "chickenpox.json": {
            "edges": EDGES,
            "node_ids": {f"county {node}": node for node in range(N)},
            "FX": standardised.tolist(),
        },
        "pedalme_london.json": {"edges": EDGES, "weights": WEIGHTS, "X": standardised.tolist()},
        "wikivital_mathematics.json": {"edges": EDGES, "weights": WEIGHTS, "time_periods": T}
        | {str(day): {"index": day, "year": 2019, "y": visits.tolist()} for day, visits in enumerate(counts)},
        "windmill_output.json": windmills,
        "windmill_output_medium.json": windmills,
        "windmill_output_small.json": windmills,
        "england_covid.json": covid(counts, rng),
        "montevideo_bus.json": montevideo(counts),
        "twitter_tennis_rg17.json": tennis(rng),
        "twitter_tennis_uo17.json": tennis(rng),
        "mtm_1.json": motions(rng),
    }


def some_edges(rng: np.random.Generator, nodes: int) -> tuple[list[list[int]], list[int]]:
    count = int(rng.integers(3, 12))
    return rng.integers(0, nodes, (count, 2)).tolist(), rng.integers(1, 900, count).tolist()


def covid(counts: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    days = {str(day): some_edges(rng, N) for day in range(T)}
    mapping = {
        "edge_index": {day: edges for day, (edges, _) in days.items()},
        "edge_weight": {day: weights for day, (_, weights) in days.items()},
    }
    return {"edge_mapping": mapping, "time_periods": T, "y": counts.tolist()}


def montevideo(counts: np.ndarray) -> dict[str, Any]:
    stops = [100 + 7 * number for number in range(N)]
    nodes = [
        {"bus_stop": stop, "in_degree": 1, "lon": -56.1, "lat": -34.9, "y": y, "X": {"y": y}, "id": stop}
        for stop, y in zip(stops, counts.T.tolist(), strict=True)
    ]
    links = [
        {"weight": 100 * weight, "source": stops[source], "target": stops[target]}
        for (source, target), weight in zip(EDGES, WEIGHTS, strict=True)
    ]
    return {"directed": True, "multigraph": False, "graph": {"name": ""}, "nodes": nodes, "links": links}


def tennis(rng: np.random.Generator) -> dict[str, Any]:
    """Transitivities in tenths and thirds, whose classes rounding could move."""
    snapshots: dict[str, Any] = {}
    for entry in range(T):
        edges, weights = some_edges(rng, 12)
        degree = rng.integers(0, 80, 12)
        transitivity = np.where(
            rng.random(12) < 0.5, rng.integers(0, 11, 12) / 10, rng.integers(0, 4, 12) / 3
        )
        snapshots[str(entry)] = {
            "index": entry,
            "edges": edges,
            "weights": weights,
            "y": rng.integers(0, 2000, 12).tolist(),
            "X": np.stack([degree, transitivity], 1).tolist(),
        }
    return snapshots | {"time_periods": T, "node_ids": {f"account{node}": node for node in range(12)}}


def motions(rng: np.random.Generator) -> dict[str, Any]:
    """21 joints: PyTorch Geometric Temporal's loader reads no other number."""
    joints = {
        str(joint): {str(frame): str(tuple(rng.random(3).round(6).tolist())) for frame in range(T)}
        for joint in range(21)
    }
    edges = [[joint, joint + 1] for joint in range(19)]
    return joints | {"LABEL": {str(frame): int(frame // 7) for frame in range(T)}, "edges": edges}


def traffic_values(rng: np.random.Generator) -> np.ndarray:
    """Speeds, some of them missing, and the time of day: [T, N, 2]."""
    values = np.empty((TRAFFIC_T, N, 2))
    values[..., 0] = rng.normal(55, 12, (TRAFFIC_T, N))
    values[rng.random((TRAFFIC_T, N)) < 0.1, 0] = 0
    values[..., 1] = (np.arange(TRAFFIC_T)[:, None] % 288) / 288
    return values


def adjacency_matrix() -> np.ndarray:
    matrix = np.zeros((N, N), np.float32)
    for (source, target), weight in zip(EDGES, WEIGHTS, strict=True):
        matrix[source, target] = weight
    return matrix


def write_zip(path: Path, members: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in members.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(name, buffer.getvalue())


def write_pems(folder: Path, name: str, speed_TN: np.ndarray, adjacency: np.ndarray) -> None:
    ids = [str(400000 + node) for node in range(N)]
    time_T = np.datetime64("2018-01-01", "ns") + np.arange(len(speed_TN)) * np.timedelta64(5, "m")
    write_frame(folder / f"pems_{name}_speed.h5", ids, time_T, [speed_TN])
    content = [ids, {one: place for place, one in enumerate(ids)}, adjacency]
    (folder / f"pems_{name}_adj_mat.pkl").write_bytes(pickle.dumps(content, 2))
