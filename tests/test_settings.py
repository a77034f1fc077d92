"""YAML and schema mistakes end in one line; equal settings have one canonical text."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stgnn.errors import InputError
from stgnn.settings import canonical, canonical_json, check, read_yaml, with_defaults

MINIMAL = {
    "title": "t",
    "datasets": ["d"],
    "models": ["m"],
    "batching": ["index"],
    "seeds": [0],
    "tables": [{"name": "t", "columns": [{"metric": "mae"}]}],
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def write(folder: Path, text: str) -> Path:
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text, value", [("1e-3", 0.001), ("1E5", 1e5), ("-2e+3", -2000.0), ("1.0e-3", 0.001), ("7", 7)]
)
def test_numbers_are_read_as_people_write_them(tmp_path: Path, text: str, value: float) -> None:
    assert read_yaml(write(tmp_path, f"x: {text}")) == {"x": value}


def test_a_text_that_only_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path, "x: 1e\ny: e5\nz: '1e-3'")) == {"x": "1e", "y": "e5", "z": "1e-3"}


@pytest.mark.parametrize(
    "text, problem",
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: key 'a' is given twice"),
        ("a: [1, 2\nb: 3", "line 2, column 2"),
        ("a: !!python/object:os.system x", "line 1, column 4: could not determine a constructor"),
        ("a: &here [1, *here]", "an alias stands inside what it stands for; write it out"),
        ("a: &here {b: [{c: *here}]}", "an alias stands inside what it stands for"),
        ("[" * 5000 + "]" * 5000, "is nested too deeply"),
    ],
)
def test_a_yaml_mistake_is_named_by_line_and_column(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: {problem}")
    assert "\n" not in str(caught.value)


def test_an_alias_beside_what_it_stands_for_is_read(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path, "a: &x [1]\nb: *x\nc: [*x, *x]")) == {
        "a": [1], "b": [1], "c": [[1], [1]],
    }  # fmt: skip


def test_a_missing_file_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").touch()
    with pytest.raises(InputError, match=r"quikstart\.yaml: no such file; did you mean 'quickstart\.yaml'\?"):
        read_yaml(tmp_path / "quikstart.yaml")


@pytest.mark.parametrize(
    "change, line",
    [
        ({"titel": "t"}, "f.yaml: unknown key 'titel'; did you mean 'title'?"),
        ({"zzz": 1}, "f.yaml: unknown key 'zzz'; expected one of: baseline, batching,"),
        ({"seeds": []}, "f.yaml: seeds: is empty; name at least one"),
        ({"seeds": [0, 3, 0]}, "f.yaml: seeds: 0 is listed twice; list it once"),
        ({"seeds": ["0"]}, 'f.yaml: seeds[0]: expected a whole number, found "0"'),
        ({"seeds": [True]}, "f.yaml: seeds[0]: expected a whole number, found true"),
        ({"seeds": 3}, "f.yaml: seeds: expected a list, found 3"),
        ({"batching": ["indx"]}, "f.yaml: batching[0]: unknown \"indx\"; did you mean 'index'?"),
        ({"device": "gpu"}, 'f.yaml: device: "gpu" does not fit the pattern'),
        (
            {"training": {"learning_rte": 1}},
            "f.yaml: training: unknown key 'learning_rte'; did you mean 'learning_rate'?",
        ),
        ({"training": {"epochs": 0}}, "f.yaml: training.epochs: 0 is less than the minimum of 1"),
        (
            {"training": {"learning_rate": 11}},
            "f.yaml: training.learning_rate: 11 is greater than the maximum of 10",
        ),
        (
            {"training": {"learning_rate": 0}},
            "f.yaml: training.learning_rate: 0 is less than or equal to the minimum",
        ),
        (
            {"training": {"milestones": [0, 3]}},
            "f.yaml: training.milestones[0]: 0 is less than the minimum of 1",
        ),
        (
            {"training": {"milestones": [2, 5, 4]}},
            "f.yaml: training.milestones: 4 follows 5; list the numbers in increasing order, each once",
        ),
        ({"training": {"milestones": "soon"}}, 'f.yaml: training.milestones: expected a list, found "soon"'),
        ({"training": {"epochs": float("inf")}}, "f.yaml: training.epochs: found inf; give a finite number"),
        (
            {"overrides": [{"match": {"model": "m"}, "set": {"model": {"rates": [0.5, float("nan")]}}}]},
            "f.yaml: overrides[0].set.model.rates[1]: found nan; give a finite number",
        ),
        ({"training": {"epochs": 1.5}}, "f.yaml: training.epochs: expected a whole number, found 1.5"),
        ({"training": {"epochs": "ten"}}, 'f.yaml: training.epochs: expected a whole number, found "ten"'),
        ({"task": {"split": [0.7, 0.3]}}, "f.yaml: task.split: has 2 entries, expected 3: [0.7, 0.3]"),
        ({"overrides": [{"match": {"dataset": "d"}}]}, "f.yaml: overrides[0]: key 'set' is missing; add it"),
        (
            {"overrides": [{"match": {"data": "d"}, "set": {"task": {}}}]},
            "f.yaml: overrides[0].match: unknown key 'data'; did you mean 'dataset'?",
        ),
        (
            {"tables": [{"name": "t", "columns": [{"metric": "maes"}]}]},
            "f.yaml: tables[0].columns[0].metric: unknown \"maes\"; did you mean 'mae'?",
        ),
        (
            {"figures": [{"name": "f", "kind": "curve"}]},
            "f.yaml: figures[0].kind: unknown \"curve\"; did you mean 'curves'?",
        ),
    ],
)
def test_a_schema_mistake_is_one_line_with_file_key_and_nearest_name(
    change: dict[str, object], line: str
) -> None:
    with pytest.raises(InputError) as caught:
        check({**MINIMAL, **change}, "pipeline.schema.json", "f.yaml")
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_schema_of_ones_own_names_the_place_in_the_file() -> None:
    schema = {"properties": {"width": {"type": ["integer", "null"]}}, "additionalProperties": False}
    check({"width": None}, schema, "f.yaml", "m.settings")
    with pytest.raises(
        InputError, match=r"^f\.yaml: m\.settings\.width: expected a whole number or null, found"
    ):
        check({"width": "w"}, schema, "f.yaml", "m.settings")


def test_a_misspelt_required_key_is_named_by_its_spelling_not_as_missing() -> None:
    document = {key: value for key, value in MINIMAL.items() if key != "title"} | {"titel": "t"}
    with pytest.raises(InputError, match="unknown key 'titel'"):
        check(document, "pipeline.schema.json", "f.yaml")


def test_defaults_of_the_schema_fill_what_is_absent_and_nothing_else() -> None:
    filled = with_defaults(
        {**MINIMAL, "workers": [1], "figures": [{"name": "f", "kind": "bars"}]}, "pipeline.schema.json"
    )
    assert filled["exclude"] == [] and filled["description"] == ""
    assert filled["tables"][0]["rows"] == ["dataset", "model", "batching"]
    assert filled["figures"] == [{"name": "f", "kind": "bars", "caption": ""}]
    assert "device" not in filled and "baseline" not in filled


def test_filled_defaults_are_not_shared_between_documents() -> None:
    with_defaults(MINIMAL, "pipeline.schema.json")["seeds_like"] = None
    with_defaults(MINIMAL, "pipeline.schema.json")["overrides"].append("mine")
    assert with_defaults(MINIMAL, "pipeline.schema.json")["overrides"] == []


@given(json_values)
def test_canonical_text_reads_back_as_an_equal_value(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), st.integers(-(2**53), 2**53)))
def test_canonical_text_ignores_key_order_and_whole_floats(numbers: dict[str, int]) -> None:
    backwards = {key: float(numbers[key]) for key in reversed(numbers)}
    assert canonical_json(backwards) == canonical_json(numbers)


def test_canonical_keeps_booleans_apart_from_numbers() -> None:
    assert canonical({"a": True, "b": 1.0, "c": -0.0, "d": 0.5}) == {"a": True, "b": 1, "c": 0, "d": 0.5}
    assert canonical_json(True) != canonical_json(1)


def test_a_setting_that_is_no_json_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))
