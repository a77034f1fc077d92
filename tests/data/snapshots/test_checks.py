"""Parts that do not go together are refused in one line that names the class, the snapshot and the part."""

from typing import Any

import numpy as np
import pytest

from stgnn.data import snapshots
from stgnn.data.snapshots import (
    DynamicGraphTemporalSignal,
    DynamicGraphTemporalSignalBatch,
    StaticGraphTemporalSignal,
    StaticHeteroGraphTemporalSignal,
)
from stgnn.errors import InputError
from tests.data.snapshots.cases import NAMES, RELATION, E, F, N, T, arguments
from tests.data.snapshots.test_signal import Reads

POSITIONS = {"edges": 0, "weights": 1, "features": 2, "targets": 3, "batches": 4}
HOMOGENEOUS = [name for name in NAMES if "Hetero" not in name]


def changed(name: str, part: str, value: Any) -> list[Any]:
    """The arguments of a class with one part of snapshot 4 (or of all, where it stays) set to something else."""
    positional = list(arguments(name)[0])
    place = POSITIONS[part]
    if not isinstance(positional[place], list):
        positional[place] = value
        return positional
    positional[place] = [*positional[place][:4], value, *positional[place][5:]]
    return positional


def refused(name: str, positional: list[Any]) -> str:
    with pytest.raises(InputError) as caught:
        getattr(snapshots, name)(*positional)
    message = str(caught.value)
    assert message.startswith(f"{name}, snapshot ") and "\n" not in message
    return message


@pytest.mark.parametrize("name", HOMOGENEOUS)
@pytest.mark.parametrize(
    "part, value, problem",
    [
        ("edges", np.array([[0, 1], [1, N]]), f"the target of edge 1 (1 -> {N}) lies outside 0..{N - 1}"),
        ("edges", np.array([[0, -1], [1, 1]]), "the source of edge 1 (-1 -> 1) is negative"),
        ("edges", np.zeros((E, 2), int), "expected whole numbers [2, edges]"),
        ("edges", np.full((2, E), 0.5), "expected whole numbers [2, edges]"),
        ("edges", np.full((2, E), "a"), "expected numbers"),
        ("edges", [[0, 1], [1]], "no array"),
        ("weights", np.ones(3), "has shape (3,) for 1"),
        ("weights", np.float64(1), "has shape ()"),
        ("features", np.full((N, F), "a"), "expected numbers"),
        ("features", np.ones((N, F), complex), "expected numbers"),
        ("features", [[1.0], [1.0, 2.0]], "no array"),
    ],
)
def test_a_wrong_part_is_named_with_its_snapshot(name: str, part: str, value: Any, problem: str) -> None:
    message = refused(name, changed(name, part, value))
    assert problem in message
    moves = isinstance(arguments(name)[0][POSITIONS[part]], list)
    assert f"snapshot {4 if moves else 0}: " in message


@pytest.mark.parametrize("name", [name for name in HOMOGENEOUS if name.endswith("Batch")])
@pytest.mark.parametrize(
    "value", [np.zeros(N - 1, int), -np.ones(N, int), np.zeros(N), np.zeros((N, 1), int)]
)
def test_a_batch_vector_must_give_each_graph_node_its_graph(name: str, value: Any) -> None:
    assert "batches" in refused(name, changed(name, "batches", value))


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_different_length_are_refused(name: str) -> None:
    positional, extra = arguments(name)
    for place, part in enumerate(positional):
        if isinstance(part, list):
            shorter = [*positional[:place], part[:-1], *positional[place + 1 :]]
            with pytest.raises(InputError, match=rf"^{name}: \w+ has \d snapshots, \w+ has \d"):
                getattr(snapshots, name)(*shorter, **extra)
    with pytest.raises(InputError, match="flag has 8"):
        getattr(snapshots, name)(*positional, flag=extra["flag"][:-1])


@pytest.mark.parametrize("taken", ["x", "y", "edge_attr", "snapshot_count", "_shared"])
def test_an_additional_attribute_may_not_take_a_name_that_is_in_use(taken: str) -> None:
    positional, _ = arguments("StaticGraphTemporalSignal")
    with pytest.raises(InputError, match="taken"):
        StaticGraphTemporalSignal(*positional, **{taken: [1] * T})


def test_something_that_is_no_sequence_is_refused() -> None:
    with pytest.raises(InputError, match="targets is int, expected a sequence"):
        StaticGraphTemporalSignal(None, None, [None], 3)  # type: ignore[arg-type]


def test_a_static_graph_has_the_same_graph_nodes_in_every_snapshot() -> None:
    features = [np.ones((N, F))] * 3 + [np.ones((N + 1, F))]
    with pytest.raises(
        InputError, match=f"snapshot 3: features has {N + 1} graph nodes, other snapshots have {N}"
    ):
        StaticGraphTemporalSignal(np.zeros((2, 1), int), None, features, features)


def test_graph_nodes_may_come_and_go_on_a_dynamic_graph() -> None:
    features = [np.ones((nodes, F)) for nodes in (4, 7, 2)]
    edges = [np.full((2, 1), len(each) - 1) for each in features]
    assert [each.num_nodes for each in DynamicGraphTemporalSignal(edges, [None] * 3, features, features)] == [
        4,
        7,
        2,
    ]


def test_graph_nodes_may_be_on_a_later_axis_of_features() -> None:
    features = [np.ones((3, 21, 16))]
    assert StaticGraphTemporalSignal([[20], [0]], None, features, [None])[0].x.shape == (3, 21, 16)
    with pytest.raises(InputError, match=r"lies outside 0\.\.20"):
        StaticGraphTemporalSignal([[21], [0]], None, features, [None])


def test_what_is_lazy_is_checked_when_its_snapshot_is_asked_for() -> None:
    positional = changed("DynamicGraphTemporalSignalBatch", "edges", np.array([[0], [N]]))
    signal = DynamicGraphTemporalSignalBatch(Reads(positional[0]), *positional[1:])
    assert signal[3].num_nodes == N
    with pytest.raises(InputError, match="snapshot 4: edge_indices"):
        signal[4]


HETERO_FAULTS = [
    ("edges", {RELATION: np.array([[0], [N]])}, f"edge_index_dict[{RELATION!r}]: the target of edge 0"),
    ("edges", {"writes": np.array([[0], [1]])}, "has the type 'writes' of edges"),
    ("edges", [1], "edge_index_dict is list, expected a dict by type of edge"),
    ("weights", {RELATION: np.ones(3)}, "has shape (3,)"),
    ("features", {"author": np.full((N, F), "a")}, "feature_dicts['author'] is <U1"),
    ("features", np.ones((N, F)), "feature_dicts is ndarray, expected a dict by type of graph node"),
    ("targets", np.ones(N), "target_dicts is ndarray, expected a dict by type of graph node"),
]


@pytest.mark.parametrize("part, value, problem", HETERO_FAULTS)
def test_a_wrong_part_of_one_type_is_named_with_its_type(part: str, value: Any, problem: str) -> None:
    positional = changed("StaticHeteroGraphTemporalSignal", part, value)
    assert problem in refused("StaticHeteroGraphTemporalSignal", positional)


def test_each_end_of_an_edge_is_among_the_graph_nodes_of_its_type() -> None:
    features = [{"author": np.ones((2, F)), "paper": np.ones((5, F))}]
    right = {RELATION: np.array([[1], [4]])}
    assert StaticHeteroGraphTemporalSignal(right, None, features, [None])[0]["paper"].x.shape == (5, F)
    with pytest.raises(InputError, match=r"the source of edge 0 \(4 -> 1\) lies outside 0..1"):
        StaticHeteroGraphTemporalSignal({RELATION: right[RELATION][::-1]}, None, features, [None])


@pytest.mark.parametrize("name", [name for name in NAMES if "HeteroGraph" in name and name.endswith("Batch")])
def test_a_batch_vector_of_one_type_is_checked(name: str) -> None:
    assert "['author']" in refused(name, changed(name, "batches", {"author": np.zeros(N - 1, int)}))
