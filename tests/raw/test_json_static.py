"""JSON files with one graph for all entries: PyTorch Geometric Temporal's static datasets."""

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.raw.signal import Signal

Read = Callable[..., Signal]
FLOATS = st.floats(-(2.0**99), 2.0**99, width=32)

CHICKENPOX = {
    "edges": [[0, 1], [1, 0], [2, 2]],
    "node_ids": {"PEST": 1, "BARANYA": 0, "BACS": 2},
    "FX": [[0.5, -1.0, 2], [1.5, 0.25, 3], [2.5, 8.5, -4], [0.0, 0.125, 5]],
}
PEDALME = {"edges": [[0, 1], [1, 0]], "weights": [0.25, 1.0], "X": [[1.0, 2.0], [3.0, 4.0]]}
WIKIPEDIA = {
    "edges": [[0, 1], [1, 2]],
    "weights": [3, 1],
    "time_periods": 3,
    "0": {"index": 0, "year": 2019, "y": [1, 2, 3]},
    "1": {"index": 1, "year": 2019, "y": [4, 5, 6]},
    "2": {"index": 2, "year": 2019, "y": [7, 8, 9]},
}
WINDMILL = {
    "block": [[0.1, 0.2], [0.3, 0.4]],
    "edges": [[0, 0], [0, 1], [1, 0], [1, 1]],
    "weights": [1, 0.5, 0.5, 1],
}
MONTEVIDEO = {
    "directed": True,
    "multigraph": False,
    "graph": {"name": "Bus lines"},
    "nodes": [
        {"bus_stop": 5289, "in_degree": 0, "lon": 1, "lat": 2, "y": [0, 1, 2], "X": {"y": [0, 1, 2]}, "id": 5289},
        {"bus_stop": 17, "in_degree": 1, "lon": 1, "lat": 2, "y": [3, 4, 5], "X": {"y": [3, 4, 5]}, "id": 17},
    ],
    "links": [{"weight": 172.2, "source": 5289, "target": 17}],
}  # fmt: skip


def changed(document: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """A copy of the document with the item at `path` replaced, or removed where `to` is `...`."""
    document = copy.deepcopy(document)
    item: Any = document
    for key in path[:-1]:
        item = item[key]
    if to is ...:
        del item[path[-1]]
    else:
        item[path[-1]] = to
    return document


def test_chickenpox_layout_gives_values_ids_and_unit_weights(
    read_json: Read, values: Callable[..., Any]
) -> None:
    signal = read_json("pgt-static-json", CHICKENPOX, {"values": "FX", "feature": "cases"}, frequency="7D")
    np.testing.assert_array_equal(values(signal)[..., 0], np.float32(CHICKENPOX["FX"]))
    assert signal.node == ("BARANYA", "PEST", "BACS")
    assert signal.feature == ("cases",)
    assert signal.edge_index.tolist() == [[0, 1, 2], [1, 0, 2]]
    assert signal.edge_weight.tolist() == [1.0, 1.0, 1.0]
    assert signal.time.tolist() == [0, 1, 2, 3]
    assert signal.attributes["units"] == "mph" and signal.attributes["frequency"] == "7D"
    assert signal.attributes["standardised"] is False


def test_pedalme_layout_keeps_the_weights_and_numbers_the_nodes(
    read_json: Read, values: Callable[..., Any]
) -> None:
    signal = read_json("pgt-static-json", PEDALME, {"values": "X"}, start="2020-01-06", frequency="7D")
    assert signal.edge_weight.tolist() == [0.25, 1.0]
    assert signal.node == ("0", "1")
    assert values(signal).shape == (2, 2, 1)
    assert signal.time.tolist() == np.array(["2020-01-06", "2020-01-13"], "datetime64[ns]").tolist()


def test_wikipedia_layout_stacks_the_days_in_their_order(read_json: Read, values: Callable[..., Any]) -> None:
    shuffled = dict(sorted(WIKIPEDIA.items(), reverse=True))
    signal = read_json("wikipedia-math-json", shuffled, start="2019-03-16", frequency="1D")
    assert values(signal)[..., 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert signal.edge_weight.tolist() == [3.0, 1.0]
    assert str(signal.time[2]).startswith("2019-03-18T00:00")


def test_windmill_layout(read_json: Read, values: Callable[..., Any]) -> None:
    signal = read_json("windmill-json", WINDMILL)
    np.testing.assert_array_equal(values(signal)[..., 0], np.float32(WINDMILL["block"]))
    assert signal.edge_index.shape == (2, 4)


def test_montevideo_links_are_found_by_bus_stop(read_json: Read, values: Callable[..., Any]) -> None:
    signal = read_json("montevideo-json", MONTEVIDEO)
    assert values(signal)[..., 0].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert signal.node == ("5289", "17")
    assert signal.edge_index.tolist() == [[0], [1]]
    np.testing.assert_array_equal(signal.edge_weight, np.float32([172.2]))


def test_values_standardised_before_publication_are_said_to_be(read_json: Read) -> None:
    series = np.random.default_rng(0).normal(5.0, 3.0, (50, 3))
    scored = (series - series.mean(axis=0)) / series.std(axis=0)
    assert (
        read_json("pgt-static-json", CHICKENPOX | {"FX": scored.tolist()}).attributes["standardised"] is True
    )
    assert (
        read_json("pgt-static-json", CHICKENPOX | {"FX": series.tolist()}).attributes["standardised"] is False
    )


@pytest.mark.parametrize(
    "document, message",
    [
        (changed(CHICKENPOX, "FX", to=...), r"key 'FX' is missing \(found: edges, node_ids\)"),
        (changed(CHICKENPOX, "edges", to=...), r"key 'edges' is missing"),
        (changed(CHICKENPOX, "FX", 2, to=[1.0, 2.0]), r"FX\[2\]: 2 numbers, but 3 in FX\[0\]"),
        (changed(CHICKENPOX, "FX", 1, 2, to="3"), r"FX\[1\]\[2\]: found '3', expected a number"),
        (changed(CHICKENPOX, "FX", 1, 2, to=True), r"FX\[1\]\[2\]: found True, expected a number"),
        (changed(CHICKENPOX, "FX", 1, 2, to=None), r"FX\[1\]\[2\]: found None, expected a number"),
        (changed(CHICKENPOX, "FX", 1, to=7), r"FX\[1\]: found 7, expected a list of numbers"),
        (changed(CHICKENPOX, "FX", 3, 1, to=float("nan")), r"FX: entry 3, node 'PEST' is nan"),
        (changed(CHICKENPOX, "FX", 3, 1, to=float("inf")), r"FX: entry 3, node 'PEST' is inf"),
        (changed(CHICKENPOX, "FX", 3, 1, to=1e300), r"FX: entry 3, node 'PEST' is inf"),
        (changed(CHICKENPOX, "FX", 3, 1, to=10**400), r"FX\[3\]: a number too large"),
        (changed(CHICKENPOX, "FX", to=[]), r"FX: shape \(0, 0, 1\) holds no values|edge 0 is \(0, 1\)"),
        (changed(CHICKENPOX, "edges", 2, to=[2, 3]), r"edges: edge 2 is \(2, 3\), but there are 3 graph nodes"),
        (changed(CHICKENPOX, "edges", 0, to=[-1, 0]), r"edges: edge 0 is \(-1, 0\)"),
        (changed(CHICKENPOX, "edges", 1, to=[0, 1, 2]), r"edges\[1\]: found \[0, 1, 2\], expected a \[source"),
        (changed(CHICKENPOX, "edges", 1, to=[0, 1.0]), r"edges\[1\]: found \[0, 1.0\]"),
        (changed(CHICKENPOX, "edges", 1, to=[0, "1"]), r"edges\[1\]: found \[0, '1'\]"),
        (changed(CHICKENPOX, "edges", 1, to=[0, 2**70]), r"edges: an edge end too large"),
        (changed(CHICKENPOX, "node_ids", "PEST", to=0), r"key 'node_ids': expected each index 0\.\.2 once"),
        (CHICKENPOX | {"node_ids": {"BACS": 0, "\ud800": 1, "PEST": 2}}, r"node_ids\[1\]: id '\\ud800' is not text"),
        (CHICKENPOX | {"weights": [1.0, 2.0]}, r"weights: 2 weights for 3 edges"),
        (CHICKENPOX | {"weights": [1.0, -2.0, 1.0]}, r"weights: edge 1 has weight -2.0"),
        (CHICKENPOX | {"weights": [1.0, 2.0, float("nan")]}, r"weights: edge 2 has weight nan"),
        (CHICKENPOX | {"weights": [1.0, "2", 1.0]}, r"weights\[1\]: found '2', expected a number"),
    ],
)  # fmt: skip
def test_a_wrong_static_file_is_one_line_naming_key_and_position(
    read_json: Read, document: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_json("pgt-static-json", document)
    assert "values.json" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "reader, document, message",
    [
        (
            "wikipedia-math-json",
            changed(WIKIPEDIA, "1", to=...),
            "'time_periods' says 3, but the file holds 2",
        ),
        ("wikipedia-math-json", changed(WIKIPEDIA, "1", "y", to=...), r"1\.y: found None, expected a list"),
        ("wikipedia-math-json", changed(WIKIPEDIA, "2", "y", to=[1, 2]), r"2\.y: 2 numbers, but 3 in 0\.y"),
        ("wikipedia-math-json", changed(WIKIPEDIA, "time_periods", to="3"), "'time_periods': found '3'"),
        ("windmill-json", changed(WINDMILL, "weights", to=...), "key 'weights' is missing"),
        ("windmill-json", changed(WINDMILL, "block", 1, to=[0.1]), r"block\[1\]: 1 numbers, but 2"),
        (
            "montevideo-json",
            changed(MONTEVIDEO, "links", 0, "target", to=99),
            r"links\[0\].target: bus stop '99'",
        ),
        (
            "montevideo-json",
            changed(MONTEVIDEO, "links", 0, "weight", to=...),
            r"links.weight\[0\]: found None",
        ),
        ("montevideo-json", changed(MONTEVIDEO, "links", 0, "weight", to=-1), r"links: edge 0 has weight -1"),
        ("montevideo-json", changed(MONTEVIDEO, "nodes", 1, "y", to=[1]), r"nodes\[1\]\.y: 1 numbers, but 3"),
        (
            "montevideo-json",
            changed(MONTEVIDEO, "nodes", 1, "bus_stop", to=5289),
            "id '5289' at positions 0 and 1",
        ),
        (
            "montevideo-json",
            changed(MONTEVIDEO, "nodes", 1, to=[]),
            r"nodes\[1\]: found \[\], expected an object",
        ),
        ("montevideo-json", changed(MONTEVIDEO, "nodes", to=[]), "y: no series at all"),
    ],
)
def test_each_static_layout_names_what_is_wrong(
    read_json: Read, reader: str, document: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_json(reader, document)


def test_nulls_are_missing_only_where_the_catalogue_says_nan(
    read_json: Read, values: Callable[..., Any]
) -> None:
    document = changed(changed(CHICKENPOX, "FX", 1, 2, to=None), "FX", 0, 0, to=float("nan"))
    signal = read_json("pgt-static-json", document, null_value=float("nan"))
    assert np.isnan(values(signal)[..., 0]).sum() == 2
    with pytest.raises(InputError, match="is inf"):
        read_json("pgt-static-json", changed(document, "FX", 2, 0, to=float("inf")), null_value=float("nan"))


def test_a_start_needs_a_frequency_that_is_a_length_of_time(read_json: Read) -> None:
    for frequency in (None, "often"):
        with pytest.raises(InputError, match="`frequency"):
            read_json("pgt-static-json", CHICKENPOX, start="2020-01-01", frequency=frequency)
    with pytest.raises(InputError, match="`start: soon` is no date"):
        read_json("pgt-static-json", CHICKENPOX, start="soon", frequency="1D")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    x=arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=FLOATS),
    data=st.data(),
)  # fmt: skip
def test_any_matrix_and_edges_come_back_as_written(
    read_json: Read, values: Callable[..., Any], x: np.ndarray, data: st.DataObject
) -> None:
    end = st.integers(0, x.shape[1] - 1)
    edges = data.draw(st.lists(st.tuples(end, end), max_size=6))
    weights = data.draw(st.lists(st.floats(0, 1e9, width=32), min_size=len(edges), max_size=len(edges)))
    signal = read_json("pgt-static-json", {"edges": edges, "weights": weights, "FX": x.tolist()})
    np.testing.assert_array_equal(values(signal)[..., 0], x)
    assert signal.edge_index.T.tolist() == [list(edge) for edge in edges]
    np.testing.assert_array_equal(signal.edge_weight, np.float32(weights))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    case=st.sampled_from(
        [("pgt-static-json", CHICKENPOX), ("wikipedia-math-json", WIKIPEDIA), ("windmill-json", WINDMILL),
         ("montevideo-json", MONTEVIDEO)]
    ),
    place=st.floats(0, 1), junk=st.sampled_from(["", "}", "]", ",", "-", "null", '"', "1e999", "[", "{", "NaN", "\0"]),
    cut=st.integers(0, 3),
)  # fmt: skip
def test_a_damaged_file_is_an_input_error_or_whole(
    tmp_path: Path, declare: Callable[..., Any], values: Callable[..., Any],
    case: tuple[str, Any], place: float, junk: str, cut: int,
) -> None:  # fmt: skip
    reader, document = case
    text = json.dumps(document)
    at = int(place * len(text))
    (tmp_path / "values.json").write_text(text[:at] + junk + text[at + cut :], encoding="utf-8")
    with suppress(InputError):
        signal = read(declare(reader, {"values": "values.json"}), tmp_path)
        assert np.isfinite(values(signal)).all()
        assert (signal.edge_index < signal.shape[1]).all()
