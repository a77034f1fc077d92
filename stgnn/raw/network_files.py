"""The files that describe a sensor network, each read into a `Network`; `stgnn.raw.network` chooses and matches.

Axes: N graph nodes, E edges, R rows of a block.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.graph.adjacency import gaussian_kernel, location_graph, matrix_edges
from stgnn.raw.checks import shown, spelled
from stgnn.raw.columns import Column, Columns, read_columns
from stgnn.raw.npy_array import NpyArray, npy_array
from stgnn.raw.pickles import load_pickle
from stgnn.raw.stored_array import StoredArray

T = TypeVar("T")
ID_NAMES = ("id", "sensor_id", "sensor", "station", "node")
_FROM, _TO = Column(("from", "source")), Column(("to", "target"))
_COST, _WEIGHT = (
    Column(("cost", "distance")),
    Column(("weight", "cost"), high=float(np.finfo(np.float32).max)),
)
_LATITUDE = Column(("latitude", "lat"), -90.0, 90.0)
_LONGITUDE = Column(("longitude", "lon", "lng"), -180.0, 180.0)


@dataclass(frozen=True)
class Network:
    """Weighted edges among sensors known by id, or by position only (`ids` None)."""

    path: Path
    ids: tuple[str, ...] | None
    num_nodes: int
    edge_index: NDArray[np.int64]  # [2, E]
    edge_weight: NDArray[np.float64]  # [E]


def read_adjacency(path: Path, listed: tuple[str, ...] | None, options: Mapping[str, Any]) -> Network:
    """Read a pickle `(ids, id -> index, matrix)`, a .npy matrix, or a CSV with from,to and, if weighted, weight."""
    suffix = path.suffix.lower()
    if suffix in (".pkl", ".pickle"):
        return _pickled(path)
    if suffix == ".npy":
        return matrix_network(npy_array(path))
    if suffix == ".csv":
        return _edge_list(path, listed, _WEIGHT, lambda weight: weight, default=1.0)
    raise InputError(path, f"an adjacency in a {suffix!r} file", "expected .pkl, .npy or .csv")


def read_distances(path: Path, listed: tuple[str, ...] | None, options: Mapping[str, Any]) -> Network:
    """Read a CSV from,to,cost of directed road distances and weigh them with a Gaussian kernel."""
    return _edge_list(path, listed, _COST, lambda cost: gaussian_kernel(cost, **_kernel_options(options)))


def read_locations(path: Path, listed: tuple[str, ...] | None, options: Mapping[str, Any]) -> Network:
    """Read a CSV id,latitude,longitude and weigh great-circle distances with a Gaussian kernel.

    The option `neighbours` joins each sensor to that many nearest ones only.
    """
    table = read_columns(path, (Column(ID_NAMES),), (_LATITUDE, _LONGITUDE))
    ids = spelled(path, "id", table.ids[0])
    members = set(ids if listed is None else listed)
    kept = np.array([name in members for name in ids], dtype=bool)
    latitude, longitude = (numbers[kept] for numbers in table.numbers)
    settings = _kernel_options(options) | {"neighbours": options.get("neighbours")}
    edge_index, edge_weight = _named(path, lambda: location_graph(latitude, longitude, **settings))
    names = tuple(name for name, keep in zip(ids, kept, strict=True) if keep)
    return Network(path, names, len(names), edge_index, edge_weight)


def matrix_network(array: NpyArray) -> Network:
    """Return the network of a .npy adjacency matrix, its sensors known by position."""
    return _matrix(array.path, array.name, array.shape, array.fortran, array.blocks(), None)


def _pickled(path: Path) -> Network:
    content = load_pickle(path)
    match content:
        case [ids, dict() as index, StoredArray() as matrix]:
            pass
        case _:
            raise InputError(
                path, f"the pickle holds {shown(content)}", "expected (ids, id -> index, matrix)"
            )
    if not isinstance(ids, list | tuple | StoredArray):
        raise InputError(path, f"ids: found {shown(ids)}, expected a list")
    names = spelled(path, "ids", ids.items() if isinstance(ids, StoredArray) else ids)
    places = dict(zip(spelled(path, "id -> index", list(index)), index.values(), strict=True))
    for position, name in enumerate(names):
        if places.get(name) != position:
            raise InputError(
                path, f"ids[{position}] is {name!r}, but id -> index says {shown(places.get(name))}"
            )
    return _matrix(path, "matrix", matrix.shape, matrix.fortran, matrix.blocks(path, "matrix"), names)


def _matrix(
    path: Path,
    key: str,
    shape: tuple[int, ...],
    fortran: bool,
    rows: Iterable[NDArray[np.float32]],
    ids: tuple[str, ...] | None,
) -> Network:
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise InputError(path, f"{key}: shape {shape}, expected nodes x nodes")
    if ids is not None and len(ids) != shape[0]:
        raise InputError(path, f"{key}: {shape[0]} graph nodes, but {len(ids)} ids")
    edge_index, edge_weight = matrix_edges(rows)
    if fortran:
        edge_index = edge_index[::-1].copy()
    wrong = np.flatnonzero(~np.isfinite(edge_weight) | (edge_weight < 0))
    if wrong.size:
        row, column = edge_index[:, wrong[0]]
        raise InputError(
            path, f"{key}[{row}, {column}] is {edge_weight[wrong[0]]}, expected a finite weight >= 0"
        )
    return Network(path, ids, shape[0], edge_index, edge_weight)


def _edge_list(
    path: Path,
    listed: tuple[str, ...] | None,
    number: Column,
    weigh: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    default: float | None = None,
) -> Network:
    """Read from,to,number; rows with an end outside `listed` do not count. `weigh` turns the numbers to weights."""
    table = read_columns(path, (_FROM, _TO), (number,), default)
    ids = listed or spelled(path, "from, to", list(dict.fromkeys([*table.ids[0], *table.ids[1]])))
    place = {name: position for position, name in enumerate(ids)}
    edges = np.array([[place.get(name, -1) for name in column] for column in table.ids], dtype=np.int64)
    kept = np.flatnonzero((edges >= 0).all(axis=0))
    _check_once(path, table, kept, edges[:, kept])
    weight = _named(path, lambda: weigh(table.numbers[0][kept]))
    return Network(path, ids, len(ids), edges[:, kept][:, weight > 0], weight[weight > 0])


def _check_once(path: Path, table: Columns, kept: NDArray[np.int64], edges: NDArray[np.int64]) -> None:
    first: dict[tuple[int, int], int] = {}
    for row, source, target in zip(kept.tolist(), *edges.tolist(), strict=True):
        earlier = first.setdefault((source, target), row)
        if earlier != row:
            pair = f"{table.ids[0][row]} -> {table.ids[1][row]}"
            raise InputError(
                path, f"lines {table.lines[earlier]} and {table.lines[row]} both give {pair}", "keep one"
            )


def _kernel_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"sigma": options.get("sigma"), "threshold": options.get("threshold", 0.1)}


def _named(path: Path, compute: Callable[[], T]) -> T:
    try:
        return compute()
    except ValueError as error:
        raise InputError(path, str(error), "give the option `sigma`") from error
