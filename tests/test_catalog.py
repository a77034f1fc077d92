"""Facts about the catalogue that ships, and about what it says to a mistaken entry."""

import hashlib
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stgnn.catalog import CATALOGUE, Dataset, find_dataset, load_catalog, require_whole
from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.raw.events import Events
from stgnn.retrieve import retrieve

SHIPPED = load_catalog()
# Whose files the folder of real data has; README there says what each is.
SHARED = [
    "chickenpox-hungary", "pedalme-london", "england-covid", "montevideo-bus", "twitter-tennis-rg17",
    "twitter-tennis-uo17", "metr-la-29", "pems-bay-67",
]  # fmt: skip
PUBLISHED = [
    *SHARED, "wikipedia-math", "windmill-small", "windmill-medium", "windmill-large", "mtm-1", "metr-la",
    "pems-bay", "pems-all-la", "pems", "twitter-tennis-rg17-encoded", "twitter-tennis-uo17-encoded",
]  # fmt: skip

SIGNALS = {name: dataset for name, dataset in SHIPPED.items() if dataset.kind == "signal"}
EVENTS = {name: dataset for name, dataset in SHIPPED.items() if dataset.kind == "events"}
SHARED_EVENTS = ["jodie-wikipedia-edges", "college-msg", "bitcoin-otc"]

ENTRY: dict[str, Any] = {
    "title": "Speeds in my city",
    "reader": "traffic-hdf5",
    "files": [
        {
            "name": "speeds.h5",
            "role": "values",
            "url": "https://example.org/speeds.h5",
            "size": 10,
            "sha256": "0" * 64,
        },
        {"name": "adj.pkl", "role": "adjacency", "url": None},
    ],
    "options": {"feature": "speed"},
    "frequency": "5min",
    "units": "km/h",
    "null_value": 0.0,
    "task": {"input_len": 12, "horizon": 12, "split": [0.7, 0.1, 0.2], "calendar": ["time_of_day"]},
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., dict[str, Dataset]]:
    """Load a catalogue file that holds ENTRY, changed, as `my-city`."""

    def load(change: Callable[[dict[str, Any]], object] = lambda entry: None) -> dict[str, Dataset]:
        entry: dict[str, Any] = yaml.safe_load(yaml.safe_dump(ENTRY))
        change(entry)
        (tmp_path / "own.yaml").write_text(yaml.safe_dump({"my-city": entry}))
        return load_catalog(tmp_path / "own.yaml")

    return load


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_datasets_say_whom_to_cite_and_how_they_are_used(name: str) -> None:
    dataset = SHIPPED[name]
    assert dataset.citation and dataset.homepage and dataset.units
    assert dataset.licence or "without stated terms" in str(dataset.note)
    assert {"input_len", "horizon", "split", "calendar"} <= dataset.task.keys()
    # The calendar needs dates: the catalogue's, or those of the HDF5 index.
    assert not dataset.task["calendar"] or dataset.start or dataset.reader == "traffic-hdf5"


def test_every_dataset_of_the_papers_is_there() -> None:
    assert SIGNALS.keys() == {*PUBLISHED, "synthetic-traffic", "synthetic-chickenpox", "pems-synthetic"}


@pytest.mark.parametrize("name", SHIPPED)
def test_files_come_from_an_encrypted_address_or_the_note_says_why_not(name: str) -> None:
    dataset = SHIPPED[name]
    for raw in dataset.files:
        if raw.url is None:
            assert dataset.synthetic or dataset.note
        else:
            assert raw.url.startswith("https://")


@pytest.mark.parametrize("name", SHARED + SHARED_EVENTS)
def test_the_real_files_are_those_that_the_catalogue_declares(name: str, shared_data: Path) -> None:
    for raw in SHIPPED[name].files:
        (path,) = shared_data.rglob(raw.name)
        assert path.stat().st_size == raw.size
        assert hashlib.sha256(path.read_bytes()).hexdigest() == raw.sha256


@pytest.mark.parametrize("name", SHARED + SHARED_EVENTS)
def test_the_folder_of_real_files_is_a_mirror(name: str, shared_data: Path, tmp_path: Path) -> None:
    for raw in SHIPPED[name].files:
        assert retrieve(SHIPPED[name], raw.name, tmp_path, mirror=shared_data).stat().st_size == raw.size


def test_the_task_settings_are_those_of_the_index_batching_paper() -> None:
    task = {name: (dataset.task["input_len"], dataset.task["horizon"]) for name, dataset in SIGNALS.items()}
    assert task["chickenpox-hungary"] == (4, 4) and task["windmill-large"] == (8, 8)
    assert all(
        task[name] == (12, 12) for name in ("metr-la", "pems-bay", "pems-bay-67", "pems-all-la", "pems")
    )
    assert all(dataset.task["split"] == [0.7, 0.1, 0.2] for dataset in SIGNALS.values())


def test_the_commented_examples_are_complete_entries(tmp_path: Path) -> None:
    lines = CATALOGUE.read_text().split("# -----")[1].splitlines()
    examples = [line[2:] for line in lines if line.startswith(("# my-city:", "# pems-bay-dcrnn:", "#   "))]
    (tmp_path / "own.yaml").write_text("\n".join(examples))
    own = load_catalog([CATALOGUE, tmp_path / "own.yaml"])
    assert own.keys() == SHIPPED.keys() | {"my-city", "pems-bay-dcrnn"}
    assert own["my-city"].reader == "table"
    assert own["my-city"].files[0].url == (Path.home() / "measurements" / "speeds.csv").as_uri()
    described = {field for field, value in vars(own["my-city"]).items() if value is not None}
    assert described == Dataset.__dataclass_fields__.keys() - {"synthetic", "start"}
    assert own["pems-bay-dcrnn"].files[1] == SHIPPED["pems-bay-67"].files[1]


def test_a_later_file_adds_datasets_and_changes_none(load: Callable[..., Any], tmp_path: Path) -> None:
    load()
    own = tmp_path / "own.yaml"
    assert load_catalog([CATALOGUE, own]).keys() == SHIPPED.keys() | {"my-city"}
    with pytest.raises(InputError, match=r"own\.yaml: my-city: an earlier catalogue file has this dataset"):
        load_catalog([own, own])


def test_what_is_left_out_is_none_or_empty(load: Callable[..., Any]) -> None:
    def bare(entry: dict[str, Any]) -> None:
        for key in entry.keys() - {"title", "reader", "files", "units"}:
            del entry[key]

    dataset = load(bare)["my-city"]
    assert dataset.kind == "signal" and dataset.options == {} and dataset.task == {}
    assert dataset.null_value is None and dataset.citation is None


def test_a_path_is_found_from_the_catalogue_file(load: Callable[..., Any], tmp_path: Path) -> None:
    dataset = load(
        lambda entry: entry["files"].__setitem__(
            1, {"name": "adj.pkl", "role": "adjacency", "path": "./x y.pkl"}
        )
    )
    assert dataset["my-city"].files[1].url == (tmp_path / "x y.pkl").as_uri()
    (tmp_path / "x y.pkl").write_bytes(b"\x80\x04N.")
    assert retrieve(dataset["my-city"], "adj.pkl", tmp_path / "raw").read_bytes() == b"\x80\x04N."


@pytest.mark.parametrize("null_value, marks", [(".nan", math.isnan), ("0", lambda value: value == 0.0)])
def test_null_values_may_be_nan_or_a_number(
    tmp_path: Path, null_value: str, marks: Callable[[float], bool]
) -> None:
    text = yaml.safe_dump({"my-city": ENTRY}).replace("null_value: 0.0", f"null_value: {null_value}")
    (tmp_path / "own.yaml").write_text(text)
    found = load_catalog(tmp_path / "own.yaml")["my-city"].null_value
    assert isinstance(found, float) and marks(found)


@pytest.mark.parametrize("start", ["2017-01-01", "2017-01-01T00:05", "'2017-01-01'"])
def test_a_start_may_be_written_with_or_without_quotes(tmp_path: Path, start: str) -> None:
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"my-city": ENTRY}) + f"  start: {start}\n")
    assert load_catalog(tmp_path / "own.yaml")["my-city"].start == start.strip("'")


MISTAKES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a misspelt key": (lambda e: e.update(unitz="x"), "my-city: unknown key 'unitz'; did you mean 'units'?"),
    "a misspelt reader": (
        lambda e: e.update(reader="trafic-hdf5"),
        "my-city.reader: unknown \"trafic-hdf5\"; did you mean 'traffic-hdf5'?",
    ),
    "a misspelt role": (
        lambda e: e["files"][1].update(role="adjacencies"),
        "my-city.files[1].role: unknown \"adjacencies\"; did you mean 'adjacency'?",
    ),
    "a misspelt file key": (
        lambda e: e["files"][0].update(sha="1"),
        "my-city.files[0]: unknown key 'sha'; did you mean 'sha256'?",
    ),
    "another reader's option": (
        lambda e: e["options"].update(features=["speed"]),
        "my-city.options: unknown key 'features'; did you mean 'feature'?",
    ),
    "a misspelt task key": (
        lambda e: e["task"].update(horizons=3),
        "my-city.task: unknown key 'horizons'; did you mean 'horizon'?",
    ),
    "a missing key": (lambda e: e.pop("units"), "my-city: key 'units' is missing"),
    "text for a number": (
        lambda e: e.update(null_value="zero"),
        'my-city.null_value: expected a number or null, found "zero"',
    ),
    "a checksum cut short": (lambda e: e["files"][0].update(sha256="abc"), 'my-city.files[0].sha256: "abc"'),
    "a file outside its folder": (
        lambda e: e["files"][0].update(name="../x.h5"),
        'my-city.files[0].name: "../x.h5"',
    ),
    "an address that is none": (
        lambda e: e["files"][0].update(url="speeds.h5"),
        'my-city.files[0].url: "speeds.h5"',
    ),
    "no files": (lambda e: e.update(files=[]), "my-city.files: is empty"),
    "one file twice": (
        lambda e: e["files"][1].update(name="speeds.h5"),
        "my-city.files: two files have the same name",
    ),
    "a path and an address": (
        lambda e: e["files"][0].update(path="x.h5"),
        "my-city.files[0]: has both 'url' and 'path'",
    ),
    "too few roles": (
        lambda e: e["files"].pop(),
        "my-city.files: has the roles ['values']; the reader 'traffic-hdf5' needs values+adjacency or",
    ),
    "a split that is no number": (
        lambda e: e["task"].update(split=[math.nan, 0.1, 0.2]),
        "my-city.task.split[0]: found nan; give a finite number",
    ),
    "an option that is no finite number": (
        lambda e: e["options"].update(null_value=math.inf),
        "my-city.options.null_value: found inf; give a finite number",
    ),
    "a split of more than all": (
        lambda e: e["task"].update(split=[0.7, 0.2, 0.2]),
        "my-city.task.split: [0.7, 0.2, 0.2] adds up to 1.1",
    ),
    "a start without a frequency": (
        lambda e: (e.pop("frequency"), e.update(start="2017-01-01")),
        "my-city: has 'start' but no 'frequency'",
    ),
    "another generator's setting": (
        lambda e: e.update(synthetic={"generator": "chickenpox", "missing": 0.1}),
        "my-city.synthetic: unknown key 'missing'",
    ),
    "a clock without features": (
        lambda e: e.update(reader="table", options={"clock": "speed"}),
        'my-city.options.clock: unknown "speed"',
    ),
    "a clock that is no feature": (
        lambda e: e.update(reader="npy-pair", options={"features": ["speed"], "clock": "sped"}),
        "my-city.options.clock: unknown \"sped\"; did you mean 'speed'?",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_file_and_key(
    load: Callable[..., Any], tmp_path: Path, mistake: str
) -> None:
    change, expected = MISTAKES[mistake]
    with pytest.raises(InputError) as caught:
        load(change)
    assert str(caught.value).startswith(f"{tmp_path}/own.yaml: {expected}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n", "{}\n"])
def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(InputError, match=r"own\.yaml: "):
        load_catalog(tmp_path / "own.yaml")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(SHIPPED)), place=st.integers(0, 30), letter=st.sampled_from("aqz"))
def test_a_slip_of_one_letter_finds_the_dataset_meant(name: str, place: int, letter: str) -> None:
    slip = name[: place % len(name)] + letter + name[place % len(name) + 1 :]
    if slip in SHIPPED:
        return
    with pytest.raises(InputError, match="did you mean '") as caught:
        find_dataset(SHIPPED, slip)
    # Sisters (windmill-small, ...) are as near as the one meant.
    assert name.split("-")[0] in str(caught.value) or name[:2] in str(caught.value)


def test_the_catalogue_and_retrieve_do_not_import_torch() -> None:
    program = "import sys, stgnn.catalog, stgnn.retrieve; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("split", [[math.nan, 0.1, 0.2], [0.7, 0.2, 0.2], [math.inf, 0.1, 0.2]])
def test_shares_that_do_not_make_a_whole_are_refused(split: list[float]) -> None:
    require_whole([0.7, 0.1, 0.2], "f.yaml", "split")
    with pytest.raises(InputError, match=r"^f\.yaml: split: .* adds up to .*; make it 1$"):
        require_whole(split, "f.yaml", "split")


OWN_EVENTS: dict[str, Any] = {
    "title": "Who wrote to whom",
    "kind": "events",
    "reader": "snap-text",
    "files": [{"name": "mail.txt", "role": "events", "path": "mail.txt"}],
    "options": {"columns": ["src", "dst", "-", "time"], "split": [0.6, 0.2, 0.2]},
}
EVENT_MISTAKES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another kind": (
        lambda e: e.pop("kind"),
        "my-mail: the reader 'snap-text' does not read this kind; say `kind: events`",
    ),
    "units": (lambda e: e.update(units="mph"), "my-mail: has 'units', which events do not have"),
    "a frequency": (
        lambda e: e.update(frequency="5min"),
        "my-mail: has 'frequency', which events do not have",
    ),
    "another role": (
        lambda e: e["files"][0].update(role="values"),
        "my-mail.files: has the roles ['values']; the reader 'snap-text' needs events",
    ),
    "no time": (
        lambda e: e["options"].update(columns=["src", "dst", "rating"]),
        "my-mail.options.columns: 0 columns are 'time'; name it once",
    ),
    "a column twice": (
        lambda e: e["options"].update(columns=["src", "dst", "time", "x", "x"]),
        "my-mail.options.columns: 'x' is listed twice",
    ),
    "the rest before the end": (
        lambda e: e["options"].update(columns=["...", "src", "dst", "time"]),
        "my-mail.options.columns: '...' stands before the end",
    ),
    "a split of more than all": (
        lambda e: e["options"].update(split=[0.7, 0.2, 0.2]),
        "my-mail.options.split: [0.7, 0.2, 0.2] adds up to 1.1",
    ),
    "a misspelt unit": (
        lambda e: e["options"].update(time_unit="usec"),
        'my-mail.options.time_unit: unknown "usec"',
    ),
    "another reader's option": (
        lambda e: e["options"].update(member="x.csv"),
        "my-mail.options: unknown key 'member'",
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_published_events_say_whom_to_cite_and_under_what_terms(name: str) -> None:
    dataset = EVENTS[name]
    assert dataset.citation and dataset.note
    assert (
        dataset.licence or "ithout stated terms" in dataset.note or "homepage says the terms" in dataset.note
    )
    assert dataset.synthetic or dataset.homepage


def test_events_need_no_units(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"my-mail": OWN_EVENTS}))
    dataset = load_catalog(tmp_path / "own.yaml")["my-mail"]
    assert dataset.kind == "events" and dataset.units == "" and not dataset.may_have_dates


@pytest.mark.parametrize("mistake", EVENT_MISTAKES)
def test_a_mistake_about_events_is_one_line_with_file_and_key(tmp_path: Path, mistake: str) -> None:
    change, expected = EVENT_MISTAKES[mistake]
    entry = yaml.safe_load(yaml.safe_dump(OWN_EVENTS))
    change(entry)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"my-mail": entry}))
    with pytest.raises(InputError) as caught:
        load_catalog(tmp_path / "own.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/own.yaml: {expected}")


def test_the_readme_s_entry_for_one_s_own_events_is_complete(tmp_path: Path) -> None:
    text = (CATALOGUE.parent / "README.md").read_text().split("## Your own events")[1]
    (tmp_path / "own.yaml").write_text(text.split("```yaml")[1].split("```")[0])
    dataset = load_catalog(tmp_path / "own.yaml")["my-calls"]
    assert dataset.reader == "event-json-lines" and dataset.options["split"] == [0.7, 0.15, 0.15]
    (tmp_path / "calls.jsonl").write_text(text.split("```json")[1].split("```")[0].strip() + "\n")
    events = read(dataset, tmp_path)
    assert isinstance(events, Events)
    assert next(events.blocks()).t.tolist() == [1772366405250]
