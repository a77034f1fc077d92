"""Small arguments for every class of signal, from which both ours and PyTorch Geometric Temporal's are made.

Axes: T snapshots, N graph nodes, F features, E edges.
"""

from typing import Any

import numpy as np

T, N, F, E = 9, 6, 3, 14
TYPES, RELATION = ("author", "paper"), ("author", "writes", "paper")

FAMILIES = {
    "StaticGraphTemporalSignal": ("static edges", "temporal features"),
    "DynamicGraphTemporalSignal": ("dynamic edges", "temporal features"),
    "DynamicGraphStaticSignal": ("dynamic edges", "static features"),
}
HETERO = {name.replace("Graph", "HeteroGraph"): parts for name, parts in FAMILIES.items()}
NAMES = [f"{name}{form}" for name in (*FAMILIES, *HETERO) for form in ("", "Batch")]


def arguments(name: str, seed: int = 0) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and additional arguments for the class of that name: lists of arrays, or of dicts of arrays."""
    rng = np.random.default_rng(seed)
    edges, features = (FAMILIES | HETERO)[name.removesuffix("Batch")]
    hetero = "Hetero" in name
    index = [rng.integers(0, N, (2, E + t)) for t in range(T)]
    weight = [rng.random(E + t) for t in range(T)]
    feature = [rng.normal(size=(N, F)) for _ in range(T)]
    target = [rng.integers(0, 9, N) if hetero else rng.normal(size=N) for _ in range(T)]
    batch = np.repeat([0, 1], N // 2)
    extra = {
        "flag": [rng.integers(0, 5, (2, 2)) for _ in range(T)],
        "degree": [rng.normal(size=4) for _ in range(T)],
    }
    if hetero:
        index, weight = [{RELATION: each} for each in index], [{RELATION: each} for each in weight]
        feature = [dict.fromkeys(TYPES, each) for each in feature]
        target, batch = [{"paper": each} for each in target], {"author": batch, "paper": batch[::-1] * 1}
        extra = {key: [{"author": each} for each in values] for key, values in extra.items()}
    positional: list[Any] = [index, weight] if edges == "dynamic edges" else [index[0], weight[0]]
    positional += [feature if features == "temporal features" else feature[0], target]
    if name.endswith("Batch"):
        positional.append([batch] * T if edges == "dynamic edges" else batch)
    return tuple(positional), extra
