"""JSON read member by member: whatever the size of the pieces it is read in, and however it breaks off."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stgnn.errors import InputError
from stgnn.raw import json_text
from stgnn.raw.json_text import read_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda item: st.lists(item, max_size=4) | st.dictionaries(st.text(max_size=3), item, max_size=4),
    max_leaves=10,
)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "CHUNK", 3)


@pytest.mark.usefixtures("small_chunks")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.dictionaries(st.text(max_size=4), JSON, max_size=5), indent=st.sampled_from([None, 1]))
def test_what_is_read_in_small_pieces_equals_the_whole(
    tmp_path: Path, document: dict[str, Any], indent: int | None
) -> None:
    path = tmp_path / "any.json"
    path.write_text(json.dumps(document, indent=indent) + "\n", encoding="utf-8")
    assert read_object(path) == document


@pytest.mark.parametrize("chunk", range(1, 9))
def test_a_number_cut_in_two_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(json_text, "CHUNK", chunk)
    path = tmp_path / "any.json"
    path.write_text('{"a":0.5,"b":1e+5,"c":[-2.25E-3,12,1.0e5],"d":1234}')
    assert read_object(path) == {"a": 0.5, "b": 1e5, "c": [-2.25e-3, 12, 1e5], "d": 1234}


@pytest.mark.usefixtures("small_chunks")
def test_a_matrix_is_read_row_by_row_in_small_pieces(tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    x = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)
    path.write_text(json.dumps({"a": 1, "FX": x.tolist(), "b": [2]}))
    document = read_object(path, {"FX"})
    np.testing.assert_array_equal(document["FX"], x)
    assert (document["a"], document["b"]) == (1, [2])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "cut short at character 0"),
        ("  \n", "cut short"),
        ("[1]", "expected '{', found '\\['"),
        ("<!DOCTYPE html>", "expected '{', found '<'"),
        ('{"a": 1', "cut short at character 7, in key 'a'"),
        ('{"a": [1, 2', "cut short or damaged at character 11, in key 'a'"),
        ('{"FX": [[1], [2', "in key 'FX', item 1"),
        ('{"a": "no end', "cut short or damaged"),
        ('{"a": 1}, {', "text follows its end at character 8"),
        ('{"a": 1, "a": 2}', "key 'a' is there twice"),
        ('{"a" 1}', "expected ':', found '1'"),
        ("{a: 1}", "expected a key in double quotes at character 1"),
        ('{"a": ' + "[" * 100_000, "too long or too deep"),
        ('{"a": ' + "9" * 10_000 + "}", "too long or too deep"),
        ('{"a": [1 2]' + " " * 100 + "}", "Expecting ',' delimiter at character 9"),
    ],
)
def test_a_broken_file_is_an_error_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "any.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_object(path, {"FX"})
    assert "any.json" in str(caught.value)


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(b'{"a": "\xff\xfe"}')
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_object(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.floats(0, 0.999))
def test_a_file_cut_anywhere_is_an_error(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "any.json"
    text = json.dumps({"edges": [[0, 1]], "FX": [[1.5, 2.5], [3.5, 4.5]], "name": "x"})
    path.write_text(text[: int(kept * len(text))])
    with pytest.raises(InputError):
        read_object(path, {"FX"})


def test_a_long_matrix_is_never_python_numbers_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_text, "CHUNK", 10_000)
    path = tmp_path / "any.json"
    row = json.dumps([0.123456789] * 500)
    path.write_text('{"FX": [' + ",".join([row] * 500) + "]}")
    tracemalloc.start()
    x = read_object(path, {"FX"})["FX"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The numbers as Python floats are 8 MB; the array, stacked from its rows, is twice 1 MB.
    assert x.shape == (500, 500) and peak < 3e6
