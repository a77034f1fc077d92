"""Synthetic signals on graphs that change with every entry, in the layout of england_covid.json.

`watts-strogatz`: small-world graphs, a new one for each entry, under labels of 0 and 1 that nobody can foresee: for
measuring the time of an epoch against the numbers of graph nodes and edges. Equal settings give equal bytes.

Axes: T entries, N graph nodes, E edges.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.files import replacing


@dataclass(frozen=True)
class WattsStrogatzSettings:
    """Settings of the generator `watts-strogatz`: 40 graphs of 128 graph nodes, 8 edges each, unless told otherwise."""

    nodes: int = 128
    entries: int = 40
    edges: int = 8  # of each graph node on average, those it begins and no others: an even number
    rewired: float = 0.1  # share of edges that lead anywhere instead of to a near neighbour
    seed: int = 0

    def __post_init__(self) -> None:
        if self.edges % 2 or self.edges > self.nodes // 2:
            problem = f"`edges: {self.edges}` of {self.nodes} graph nodes"
            raise InputError("synthetic", problem, "expected an even number, at most half of the graph nodes")


def write_watts_strogatz(settings: WattsStrogatzSettings, path: Path) -> None:
    """Write `edge_mapping` (index and weights of each entry), `time_periods` and labels `y` [T, N]."""
    random = np.random.default_rng([settings.seed, 4])
    label_TN = random.integers(0, 2, (settings.entries, settings.nodes))
    weights = json.dumps([1] * (settings.nodes * settings.edges))
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write('{"edge_mapping": {"edge_index": {')
        for entry, pairs_E2 in enumerate(_graphs(settings, random)):
            file.write(f'{", " * (entry > 0)}"{entry}": {json.dumps(pairs_E2.tolist())}')
        members = (f'"{entry}": {weights}' for entry in range(settings.entries))
        file.write('}, "edge_weight": {' + ", ".join(members) + "}}, ")
        file.write(f'"time_periods": {settings.entries}, "y": {json.dumps(label_TN.tolist())}}}')


def _graphs(settings: WattsStrogatzSettings, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the edges [E, 2] of each entry's graph, both directions of each."""
    for _ in range(settings.entries):
        low_E, high_E = np.divmod(watts_strogatz(settings, random), settings.nodes)
        ends_E2 = np.stack([low_E, high_E], axis=1)
        yield np.concatenate([ends_E2, ends_E2[:, ::-1]])


def watts_strogatz(settings: WattsStrogatzSettings, random: np.random.Generator) -> NDArray[np.int64]:
    """Return the undirected edges of one graph, each as low * N + high of its ends, in that order, none twice.

    A ring whose graph nodes are joined to their nearest neighbours, `edges` each; of these edges a share is led from
    the one end to another graph node, drawn anew where that would be an edge to itself or one that there is.
    Watts and Strogatz: Collective dynamics of "small-world" networks. Nature 393, 1998.
    """
    nodes, half = settings.nodes, settings.edges // 2
    start_E = np.repeat(np.arange(nodes), half)
    end_E = (start_E + np.tile(np.arange(1, half + 1), nodes)) % nodes
    moved_E = random.random(len(start_E)) < settings.rewired
    kept, waiting = _keys(start_E, end_E, nodes)[~moved_E], start_E[moved_E]
    while len(waiting):
        anywhere = random.integers(0, nodes, len(waiting))
        drawn = _keys(waiting, anywhere, nodes)
        _, first = np.unique(drawn, return_index=True)
        fits = np.zeros(len(waiting), dtype=bool)
        fits[first] = True
        fits &= (waiting != anywhere) & ~np.isin(drawn, kept)
        kept, waiting = np.concatenate([kept, drawn[fits]]), waiting[~fits]
    return np.sort(kept)


def _keys(start_E: NDArray[np.int64], end_E: NDArray[np.int64], nodes: int) -> NDArray[np.int64]:
    keys: NDArray[np.int64] = np.minimum(start_E, end_E) * nodes + np.maximum(start_E, end_E)
    return keys
