"""JSON files with a graph for every entry, and hand motions, whose entries are labelled."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stgnn.errors import InputError
from stgnn.raw.signal import Signal

Read = Callable[..., Signal]

COVID = {
    "edge_mapping": {
        "edge_index": {"1": [[1, 0]], "0": [[0, 1], [1, 1]], "2": []},
        "edge_weight": {"0": [957114, 10], "1": [3.5], "2": []},
    },
    "time_periods": 3,
    "y": [[4, 1], [0, 2], [3, 9]],
}
TENNIS = {
    "0": {
        "index": 0,
        "edges": [[1, 0], [2, 1]],
        "weights": [2, 1],
        "y": [5, 0, 1],
        "X": [[1, 0.5], [2, 0], [1, 0]],
    },
    "1": {"index": 1, "edges": [[0, 2]], "weights": [4], "y": [6, 1, 0], "X": [[1, 0], [0, 0], [1, 0.25]]},
    "time_periods": 2,
    "node_ids": {"rolandgarros": 0, "WTA": 2, "RafaelNadal": 1},
}
MTM = {
    "edges": [[0, 1]],
    "0": {"0": "(0.5, 1.5, -2.0)", "1": "(1, 2, 3)", "2": "(0,0,0)"},
    "1": {"0": "(4.0, 5.0, 6.0)", "1": "(7, 8, 9)", "2": "(1e-3,0,0)"},
    "LABEL": {"0": 2, "1": 0, "2": 5},
}


def changed(document: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """A copy of the document with the item at `path` replaced."""
    document = copy.deepcopy(document)
    item: Any = document
    for key in path[:-1]:
        item = item[key]
    item[path[-1]] = to
    return document


def test_covid_entry_owns_the_edges_of_its_day(read_json: Read, values: Callable[..., Any]) -> None:
    signal = read_json("england-covid-json", COVID, start="2020-03-13", frequency="1D")
    assert values(signal)[..., 0].tolist() == [[4, 1], [0, 2], [3, 9]]
    assert signal.edge_ptr is not None and signal.edge_ptr.tolist() == [0, 2, 3, 3]
    assert signal.edge_index.tolist() == [[0, 1, 1], [1, 1, 0]]
    assert signal.edge_weight.tolist() == [957114.0, 10.0, 3.5]


def test_tennis_features_are_degree_transitivity_and_mentions_raw(
    read_json: Read, values: Callable[..., Any]
) -> None:
    signal = read_json("twitter-tennis-json", TENNIS)
    assert signal.feature == ("degree", "transitivity", "mentions")
    assert values(signal)[0].tolist() == [[1, 0.5, 5], [2, 0, 0], [1, 0, 1]]
    assert values(signal)[1].tolist() == [[1, 0, 6], [0, 0, 1], [1, 0.25, 0]]
    assert signal.node == ("rolandgarros", "RafaelNadal", "WTA")
    assert signal.edge_ptr is not None and signal.edge_ptr.tolist() == [0, 2, 3]


def test_tennis_can_be_encoded_as_one_hot_classes_and_a_logarithm(
    read_json: Read, values: Callable[..., Any]
) -> None:
    signal = read_json("twitter-tennis-json", changed(TENNIS, "0", "X", 1, to=[200, 1]), {"encoded": True})
    assert signal.feature[:2] == ("log_degree_0", "log_degree_1") and signal.feature[5] == "transitivity_0"
    assert signal.feature[-1] == "log_mentions" and len(signal.feature) == 17
    encoded = values(signal)
    # ceil(ln 2) = 1 and half are 5 tenths; ceil(ln 201) = 6 is counted with 4.
    places = [[np.flatnonzero(node[:-1]).tolist() for node in entry] for entry in encoded]
    assert places == [[[1, 10], [4, 15], [1, 5]], [[1, 5], [0, 5], [1, 7]]]
    assert encoded[..., -1] == pytest.approx(np.log1p([[5, 0, 1], [6, 1, 0]]), rel=1e-6)


@pytest.mark.parametrize("wrong", [[-1, 0.5], [2, 1.5], [2, -0.1]])
def test_tennis_that_cannot_be_encoded_is_refused(read_json: Read, wrong: list[float]) -> None:
    with pytest.raises(InputError, match=r"values\.json: X, y: .* cannot be encoded"):
        read_json("twitter-tennis-json", changed(TENNIS, "0", "X", 1, to=wrong), {"encoded": True})


def test_mtm_frames_are_entries_with_a_motion(read_json: Read, values: Callable[..., Any]) -> None:
    signal = read_json("mtm-json", MTM)
    assert signal.feature == ("x", "y", "z")
    assert values(signal)[0].tolist() == [[0.5, 1.5, -2.0], [4.0, 5.0, 6.0]]
    assert signal.label is not None and signal.label.tolist() == [2, 0, 5]
    assert signal.attributes["label_names"][2] == "negative"
    assert signal.edge_weight.tolist() == [1.0]


@pytest.mark.parametrize(
    "reader, document, message",
    [
        ("england-covid-json", changed(COVID, "edge_mapping", "edge_index", "1", to=None),
         r"edge_index\.1: found None"),
        ("england-covid-json", changed(COVID, "y", to=[[1, 2]]), "'y' has 1 entries, but 'time_periods' says 3"),
        ("england-covid-json", changed(COVID, "edge_mapping", to={}), "'edge_mapping.edge_index' is missing"),
        ("england-covid-json", changed(COVID, "edge_mapping", "edge_weight", "1", to=[1, 2]),
         r"edge_weight\.1: 2 weights for 1 edges"),
        ("england-covid-json", changed(COVID, "edge_mapping", "edge_weight", "0", to=[1, -2]),
         r"edge_weight\.0: edge 1 has weight -2"),
        ("england-covid-json", changed(COVID, "edge_mapping", "edge_index", "1", to=[[0, 2]]),
         r"edge_index\.1: edge 0 is \(0, 2\), but there are 2 graph nodes"),
        ("twitter-tennis-json", changed(TENNIS, "1", "edges", to=[[0, 3]]), r"1\.edges: edge 0 is \(0, 3\)"),
        ("twitter-tennis-json", changed(TENNIS, "1", "y", to=[1]), r"1\.y: 1 numbers, but 3 in 0\.y"),
        ("twitter-tennis-json", changed(TENNIS, "1", "X", 2, to=[1]), r"1\[2\]\.X: 1 numbers, but 2"),
        ("twitter-tennis-json", changed(TENNIS, "1", "X", to=[[1, 2]]), r"1\.X: shape \(1, 2\), expected \(3, 2\)"),
        ("twitter-tennis-json", changed(TENNIS, "time_periods", to=3), "'time_periods' says 3"),
        ("twitter-tennis-json", changed(TENNIS, "node_ids", "WTA", to=5), "'node_ids': expected each index"),
        ("mtm-json", changed(MTM, "1", "1", to="(1, 2)"), r"key '1', frame '1': found '\(1, 2\)', expected"),
        ("mtm-json", changed(MTM, "1", "1", to="(1, 2, z)"), "key '1', frame '1'"),
        ("mtm-json", changed(MTM, "1", "1", to=3), "key '1', frame '1': found 3"),
        ("mtm-json", changed(MTM, "1", to={"0": "(1,2,3)"}), r"key '1': its frames differ .*first: 1"),
        ("mtm-json", changed(MTM, "0", "1", to="(nan, 0, 0)"), "joints: entry 1, node '0' is nan"),
        ("mtm-json", changed(MTM, "LABEL", "2", to=6), r"'LABEL', frame '2': found 6, expected 0\.\.5"),
        ("mtm-json", changed(MTM, "LABEL", "2", to=1.0), "'LABEL', frame '2': found 1.0"),
        ("mtm-json", changed(MTM, "edges", 0, to=[0, 2]), r"edges: edge 0 is \(0, 2\)"),
    ],
)  # fmt: skip
def test_a_wrong_dynamic_file_names_entry_and_position(
    read_json: Read, reader: str, document: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_json(reader, document)


def test_edges_of_every_entry_lie_end_to_end(read_json: Read) -> None:
    random = np.random.default_rng(1)
    counts = random.integers(0, 5, 7)
    graphs = [random.integers(0, 4, (count, 2)).tolist() for count in counts]
    document = {
        "edge_mapping": {
            "edge_index": {str(day): graph for day, graph in enumerate(graphs)},
            "edge_weight": {str(day): [float(day)] * len(graph) for day, graph in enumerate(graphs)},
        },
        "time_periods": 7,
        "y": np.zeros((7, 4)).tolist(),
    }
    signal = read_json("england-covid-json", document)
    assert signal.edge_ptr is not None
    for day, graph in enumerate(graphs):
        own = slice(signal.edge_ptr[day], signal.edge_ptr[day + 1])
        assert signal.edge_index[:, own].T.tolist() == graph
        assert (signal.edge_weight[own] == day).all()
