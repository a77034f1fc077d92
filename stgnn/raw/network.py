"""The graph among the sensors that have values, from whichever file describes their network, matched by id.

Files by role: `adjacency`, `distances` or `locations`; `sensors` (a list of ids) says which sensors count, in the
values as in the network, and gives the order of a matrix that knows them by position only.

Axes: N graph nodes, E edges.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import find_file, spelled
from stgnn.raw.network_files import ID_NAMES, Network, read_adjacency, read_distances, read_locations

if TYPE_CHECKING:
    from stgnn.catalog import Dataset

_BY_ROLE = {"adjacency": read_adjacency, "distances": read_distances, "locations": read_locations}


def read_network(
    dataset: Dataset, folder: Path, node: tuple[str, ...], listed: tuple[str, ...] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return (edge_index `[2, E]`, edge_weight `[E]`) among the sensors `node`, out of a network of those `listed`.

    Uses the file with role adjacency, else distances, else locations; see `edges_among` for how ids are matched.
    """
    for role, reader in _BY_ROLE.items():
        path = find_file(dataset, folder, role)
        if path is not None:
            return edges_among(dataset, reader(path, listed, dataset.options), node, listed)
    raise InputError(
        f"dataset {dataset.name}",
        "no file gives the graph",
        "add a file with role adjacency, distances or locations to its `files:` in the catalogue",
    )


def sensor_list(dataset: Dataset, folder: Path) -> tuple[str, ...] | None:
    """Return the ids in the dataset's `sensors` file (separated by commas or white space), or None without one."""
    path = find_file(dataset, folder, "sensors")
    if path is None:
        return None
    try:
        ids = [word for word in re.split(r"[,\s]+", path.read_text(encoding="utf-8-sig")) if word]
    except UnicodeDecodeError as error:
        raise InputError(path, "not UTF-8 text", "expected ids separated by commas or line ends") from error
    return spelled(path, "ids", ids[1:] if ids and ids[0].lower() in ID_NAMES else ids)


def edges_among(
    dataset: Dataset, network: Network, node: tuple[str, ...], listed: tuple[str, ...] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the network's edges among the sensors `node`, renumbered to their order, source by source.

    A sensor that the network does not know is an `InputError` that names it. So are sensors of the network without
    values, unless the option `subset: true` says that the values cover a part of the network only.
    """
    place = {name: position for position, name in enumerate(_names(network, node, listed))}
    unknown = [name for name in node if name not in place]
    if unknown:
        raise InputError(
            network.path,
            f"{len(unknown)} of {len(node)} sensors with values are not in the graph, first {unknown[0]!r}",
            "check that graph and values belong together, or list isolated sensors in a file with role sensors",
        )
    if len(place) > len(node) and not dataset.options.get("subset", False):
        absent = [name for name in place if name not in set(node)]
        raise InputError(
            network.path,
            f"{len(absent)} of {len(place)} sensors of the graph have no values, first {', '.join(absent[:3])}",
            f"if that is meant, say `subset: true` in the options of dataset {dataset.name}",
        )
    number = np.full(network.num_nodes, -1)
    number[[place[name] for name in node]] = np.arange(len(node))
    edges = number[network.edge_index]
    kept = (edges >= 0).all(axis=0)
    edges, weight = edges[:, kept], network.edge_weight[kept]
    order = np.lexsort((edges[1], edges[0]))
    return edges[:, order], weight[order].astype(np.float32)


def _names(network: Network, node: tuple[str, ...], listed: tuple[str, ...] | None) -> tuple[str, ...]:
    if network.ids is not None:
        return network.ids
    names = listed or node
    if len(names) != network.num_nodes:
        raise InputError(
            network.path,
            f"{network.num_nodes} graph nodes, but {len(names)} sensors",
            "a matrix without ids needs the sensors of its rows, in order, in a file with role sensors",
        )
    return names
