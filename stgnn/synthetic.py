"""Synthetic data in the real raw formats: the embedded default, and files of any size for benchmarks.

`traffic`: speeds on a road network whose graph matters, as a pandas `fixed` HDF5 frame, and the network twice, as an
adjacency pickle and as a list of edges, of which a large one needs no nodes x nodes matrix;
`chickenpox`: weekly counts in neighbouring counties, in the layout of chickenpox.json; `watts-strogatz`: see
`synthetic_graphs`; event streams: see `synthetic_events`. Equal settings give equal bytes.
Nothing here is measured; errors on it say nothing about real traffic or disease.

Axes: T entries, D entries of a day, N graph nodes, K neighbours, nearest first.
"""

import difflib
import json
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.files import replacing, write_text
from stgnn.graph.adjacency import gaussian_kernel
from stgnn.raw.hdf5_writer import write_frame
from stgnn.synthetic_events import EVENTS, EventSettings, write_events_csv
from stgnn.synthetic_graphs import WattsStrogatzSettings, write_watts_strogatz

Array = NDArray[np.float64]

DAY = 288  # entries of 5 minutes
START = np.datetime64("2024-01-01", "ns")  # a Monday

# The waves: a jam passes from a sensor to those down the road in LAG entries (20 minutes), DECAY of it surviving,
# smoothed by INERTIA; one starts at RATE a sensor and entry, twice that at rush hours, and takes JAM mph.
LAG, DECAY, INERTIA, RATE, JAM = 4, 0.97, 0.3, 0.0004, 40.0


@dataclass(frozen=True)
class TrafficSettings:
    """Settings of the generator `traffic`: 40 sensors for 21 days unless told otherwise."""

    nodes: int = 40
    entries: int = 21 * DAY
    seed: int = 0
    missing: float = 0.05  # share of values written as 0.0
    float64: bool = True  # as real files have it; float32 otherwise


@dataclass(frozen=True)
class ChickenpoxSettings:
    """Settings of the generator `chickenpox`: 20 counties for 521 weeks unless told otherwise."""

    nodes: int = 20
    entries: int = 521
    seed: int = 0


def write_synthetic(settings: Mapping[str, Any], folder: Path, names: Sequence[str] | None = None) -> None:
    """Write the raw files that `settings` describe into `folder`, each whole or not at all; only `names` if given.

    `generator: traffic` knows speeds.h5, adj_mx.pkl and edges.csv, `chickenpox` chickenpox.json, `watts-strogatz`
    watts_strogatz.json, `community`, `reveal`, `sticky` and `wikipedia` events.csv; the other keys are the fields of
    the generator's settings (`TrafficSettings`, ...). A wrong key, value or name is an `InputError`.
    """
    given = dict(settings)
    generator = given.pop("generator", None)
    if generator == "traffic":
        files = _traffic_files(_checked(TrafficSettings, given))
    elif generator == "chickenpox":
        files = _chickenpox_files(_checked(ChickenpoxSettings, given))
    elif generator == "watts-strogatz":
        graphs = _checked(WattsStrogatzSettings, given)
        files = {"watts_strogatz.json": partial(write_watts_strogatz, graphs)}
    elif generator in EVENTS:
        events = _checked(EVENTS[generator], given)
        files = {"events.csv": partial(write_events_csv, generator, events)}
    else:
        known = ", ".join(["traffic", "chickenpox", "watts-strogatz", *EVENTS])
        raise InputError("synthetic", f"`generator: {generator}`", f"expected one of {known}")
    for name in files if names is None else names:
        if name not in files:
            problem = f"its generator writes {', '.join(files)}, not {name}"
            raise InputError("synthetic", problem, "mend `files:`")
        files[name](Path(folder) / name)


Settings = TypeVar(
    "Settings", bound=TrafficSettings | ChickenpoxSettings | WattsStrogatzSettings | EventSettings
)


def _checked(kind: type[Settings], given: dict[str, Any]) -> Settings:
    defaults = {item.name: item.default for item in fields(kind)}
    for key, value in given.items():
        if key not in defaults:
            nearest = difflib.get_close_matches(key, defaults, 1, 0.0)[0]
            raise InputError("synthetic", f"unknown key `{key}`", f"the nearest valid key is `{nearest}`")
        least, most = _BOUNDS[key]
        wanted = (int, float) if isinstance(defaults[key], float) else (type(defaults[key]),)
        if type(value) not in wanted or not least <= value <= most:
            raise InputError(
                "synthetic", f"`{key}: {value}`", f"expected {wanted[-1].__name__} in {least}..{most}"
            )
    return kind(**given)


_BOUNDS = {
    "nodes": (2, 100_000), "entries": (2, 10**8), "seed": (0, 2**63 - 1), "missing": (0.0, 0.5),
    "float64": (False, True), "edges": (2, 10_000), "rewired": (0.0, 1.0), "events": (1, 10**8),
    "repeat": (0.0, 1.0), "users": (2, 10**8), "items": (2, 10**8), "pairs": (2, 10**9), "features": (0, 10_000),
}  # fmt: skip


@dataclass(frozen=True)
class Roads:
    """A random road network: who is up the road of whom, and who is near whom."""

    upstream_NK: NDArray[np.int64]  # sensors that a jam comes from
    weight_NK: Array  # Gaussian kernel of their distance; 0 where there are fewer
    near_NK: NDArray[np.int64]  # sensors that a new jam reaches, itself first
    reach_NK: Array  # how much of it

    def adjacency(self) -> NDArray[np.float32]:
        """Return the true weighted adjacency `[N, N]`, from upstream (row) to downstream (column), 1 to itself."""
        count = len(self.upstream_NK)
        matrix = np.eye(count, dtype=np.float32)
        matrix[self.upstream_NK, np.arange(count)[:, None]] = self.weight_NK
        np.fill_diagonal(matrix, 1.0)
        return matrix


WriteFile = Callable[[Path], None]


def _traffic_files(settings: TrafficSettings) -> dict[str, WriteFile]:
    roads, ids = _roads(settings), [str(400_001 + node) for node in range(settings.nodes)]
    return {
        "adj_mx.pkl": partial(_write_matrix, roads, ids),
        "edges.csv": partial(_write_edges, roads, ids),
        "speeds.h5": partial(_write_speeds, settings, roads, ids),
    }


def _write_matrix(roads: Roads, ids: Sequence[str], path: Path) -> None:
    content = (ids, {name: node for node, name in enumerate(ids)}, roads.adjacency())
    with replacing(path) as unfinished:
        unfinished.write_bytes(pickle.dumps(content, protocol=2))


def _write_edges(roads: Roads, ids: Sequence[str], path: Path) -> None:
    rows = ["from,to,weight"]
    for node, name in enumerate(ids):
        rows.append(f"{name},{name},1")
        for source, weight in zip(roads.upstream_NK[node], roads.weight_NK[node], strict=True):
            if weight > 0 and source != node:
                rows.append(f"{ids[source]},{name},{np.float32(weight):.9g}")  # nine digits are exact
    write_text(path, "\n".join(rows) + "\n")


def _write_speeds(settings: TrafficSettings, roads: Roads, ids: Sequence[str], path: Path) -> None:
    time = START + np.arange(settings.entries) * np.timedelta64(300, "s")
    dtype = np.float64 if settings.float64 else np.float32
    write_frame(path, ids, time.astype("datetime64[ns]"), _speeds(settings, roads), dtype)


def _roads(settings: TrafficSettings) -> Roads:
    """Draw sensors 4 km apart on average along a winding one-way flow; each has up to 3 sensors up the road."""
    random = np.random.default_rng([settings.seed, 0])
    side = 4.0 * np.sqrt(settings.nodes)
    place = random.uniform(0.0, side, (settings.nodes, 2))
    bearing = 0.9 * np.sin(2 * np.pi * place[:, 1] / side)
    flow = np.stack([np.cos(bearing), np.sin(bearing)], axis=1)
    near, upstream = _Nearest(8), _Nearest(3)
    for node in range(settings.nodes):
        offset = place[node] - place
        km = np.hypot(offset[:, 0], offset[:, 1])
        near.add(km)
        upstream.add(np.where((offset @ flow[node] > 0.3 * km) & (km > 0), km, np.inf))
    return Roads(
        upstream_NK=np.array(upstream.nodes),
        weight_NK=gaussian_kernel(np.array(upstream.km), sigma=7.0),
        near_NK=np.array(near.nodes),
        reach_NK=np.exp(-((np.array(near.km) / 5.0) ** 2)),
    )


class _Nearest:
    """The `count` nearest of each sensor so far, and how far they are."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.nodes: list[NDArray[np.int64]] = []
        self.km: list[Array] = []

    def add(self, km_N: Array) -> None:
        nearest = np.argsort(km_N, kind="stable")[: self.count].copy()  # a view would keep all N alive
        self.nodes.append(nearest)
        self.km.append(km_N[nearest])


def _speeds(settings: TrafficSettings, roads: Roads) -> Iterator[NDArray[np.float32]]:
    """Yield the speeds `[D, N]` in mph, day by day: free flow less rush hours less jams, noisy, holed by zeros."""
    random = np.random.default_rng([settings.seed, 1])
    free, depth = random.uniform(58, 68, settings.nodes), random.uniform(4, 14, settings.nodes)
    shift = random.uniform(-0.02, 0.02, settings.nodes)
    jams = _jams(settings, roads, np.random.default_rng([settings.seed, 2]))
    for day, start in enumerate(range(0, settings.entries, DAY)):
        rush_DN = _rush(np.arange(DAY)[:, None] / DAY - shift) * _demand(day) * random.uniform(0.3, 1.7)
        noise_DN = random.standard_normal((DAY, settings.nodes), dtype=np.float32)
        speed_DN = np.clip(free - depth * rush_DN - JAM * next(jams) + noise_DN, 3.0, 75.0).round(1)
        _silence(speed_DN, day, settings.missing, random)
        yield speed_DN[: settings.entries - start].astype(np.float32)


def _rush(time_of_day: Array) -> Array:
    """Return the load of the morning and evening rush hours, 0 to 1."""
    return np.exp(-(((time_of_day - 0.33) / 0.05) ** 2)) + np.exp(-(((time_of_day - 0.73) / 0.07) ** 2))


def _demand(day: int) -> float:
    return 1.0 if day % 7 < 5 else 0.35


def _jams(settings: TrafficSettings, roads: Roads, random: np.random.Generator) -> Iterator[Array]:
    """Yield how jammed `[D, N]` each sensor is, 0 to 1, day by day: jams start at random and move down the road."""
    total = roads.weight_NK.sum(axis=1, keepdims=True)
    share_NK = DECAY * np.divide(roads.weight_NK, total, out=np.zeros_like(roads.weight_NK), where=total > 0)
    jam = np.zeros((LAG + DAY, settings.nodes))
    fresh = np.zeros((DAY + 24, settings.nodes))
    for day in range(2**31):
        rate_D = RATE * (0.4 + 1.2 * _demand(day) * _rush(np.arange(DAY) / DAY))
        for start, node in np.argwhere(random.random((DAY, settings.nodes)) < rate_D[:, None]):
            length = random.integers(10, 24)
            fresh[start : start + length, roads.near_NK[node]] += (
                random.uniform(0.5, 1.0) * roads.reach_NK[node]
            )
        for entry in range(DAY):
            arriving = (jam[entry][roads.upstream_NK] * share_NK).sum(axis=1) + fresh[entry]
            jam[LAG + entry] = np.minimum(1.0, INERTIA * jam[LAG + entry - 1] + (1 - INERTIA) * arriving)
        yield jam[LAG:]
        jam[:LAG] = jam[-LAG:]
        fresh[:24], fresh[24:] = fresh[DAY:].copy(), 0.0


def _silence(speed_DN: Array, day: int, missing: float, random: np.random.Generator) -> None:
    """Set about a share `missing` of a day's values to 0: mostly outages of a sensor, 2 hours or so long."""
    chance = min(1.0, 0.8 * missing * DAY / 27)
    longest = 2 * round(0.8 * missing * DAY / chance) - 6 if chance else 0
    for node in np.flatnonzero(random.random(speed_DN.shape[1]) < chance):
        outage = random.integers(DAY) + np.arange(random.integers(6, longest + 1))
        speed_DN[outage % DAY, node] = 0.0
    # Once a week the whole network is silent, as METR-LA is at times.
    if day % 7 == 2:
        length = round(0.2 * missing * 7 * DAY)
        start = random.integers(DAY - length)
        speed_DN[start : start + length] = 0.0


def _chickenpox_files(settings: ChickenpoxSettings) -> dict[str, WriteFile]:
    return {"chickenpox.json": partial(_write_chickenpox, settings)}


def _write_chickenpox(settings: ChickenpoxSettings, path: Path) -> None:
    random = np.random.default_rng([settings.seed, 3])
    place = random.uniform(0.0, 1.0, (settings.nodes, 2))
    distance = np.hypot(*(place[:, None] - place).transpose(2, 0, 1))
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :4]
    joined = np.zeros_like(distance, dtype=bool)
    joined[np.arange(settings.nodes)[:, None], nearest] = True
    joined |= joined.T  # neighbours, symmetric, each with itself
    cases = _cases(settings.entries, joined, random)
    content = {
        "edges": np.argwhere(joined).tolist(),
        "node_ids": {f"COUNTY {node:02d}": node for node in range(settings.nodes)},
        "FX": ((cases - cases.mean(axis=0)) / cases.std(axis=0)).tolist(),
    }
    write_text(path, json.dumps(content))


def _cases(weeks: int, joined: NDArray[np.bool_], random: np.random.Generator) -> Array:
    """Return `[T, N]` numbers of a disease that has its season and spreads to the neighbours within a week."""
    spread = joined / joined.sum(axis=1, keepdims=True)
    size = random.uniform(0.5, 1.5, len(joined))
    level, cases = np.ones(len(joined)), []
    for week in range(weeks):
        season = 1.0 + 0.8 * np.cos(2 * np.pi * week / 52.18)
        level = 0.35 * level + 0.45 * spread @ level + 0.2 * season * random.gamma(2.0, 0.5, len(joined))
        cases.append(size * level)
    return np.array(cases)
