"""Every shipped pipeline is a study that could start now, and says what it takes from the paper consistently."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stgnn.data.windows import split_windows
from stgnn.runs import matches
from stgnn.study import Study, load_study

ROOT = Path(__file__).parents[1]
PIPELINES = sorted(path.stem for path in (ROOT / "pipelines").glob("*.yaml"))
PGTI = (
    "table1",
    "table2",
    "table3",
    "table4",
    "table5",
    "table6",
    "figure7",
    "figure8",
    "figure9",
    "figure10",
)
PGT = ("table5", "figure2", "case-study")
SMALL = [name for name in PIPELINES if name.startswith(("pgt-", "pgti-")) and name.endswith("-small")]
BASELINES = {"linear", "least-squares", "last-value", "train-mean"}


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_each_experiment_has_its_full_and_its_small_form() -> None:
    full = {*(f"pgti-{name}" for name in PGTI), *(f"pgt-{name}" for name in PGT)}
    assert full | {f"{name}-small" for name in full} <= set(PIPELINES)


@cache
def _study(name: str) -> Study:
    return load_study(name)


@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipeline_loads(name: str) -> None:
    study = _study(name)
    assert study.name == name and study.runs and study.title and study.tables


@pytest.mark.parametrize("name", PIPELINES)
def test_every_published_value_has_a_cell_beside_it(name: str) -> None:
    study = _study(name)
    for reference in study.references:
        assert any(_has_cell(table, reference, study) for table in study.tables), reference


def _has_cell(table: Any, reference: Any, study: Study) -> bool:
    keys = ("metric", "split", "horizon")
    wanted = [reference.get(key) for key in keys]
    shown = any([column.get(key) for key in keys] == wanted for column in table["columns"])
    rows = {
        tuple(run.axes[row] for row in table["rows"])
        for run in study.runs
        if matches(run.axes, reference["match"])
    }
    return shown and len(rows) == 1


@pytest.mark.parametrize("name", SMALL)
def test_small_forms_ask_the_full_one_s_questions_of_small_data(name: str) -> None:
    small, full = _study(name), _study(name.removesuffix("-small"))
    for axis in ("batching", "regime"):
        assert {run.axes[axis] for run in small.runs} == {run.axes[axis] for run in full.runs}
    assert {run.axes["model"] for run in small.runs} >= {run.axes["model"] for run in full.runs}
    assert {run.axes["workers"] for run in small.runs} <= {1, 2, 4}
    assert {figure["kind"] for figure in small.figures} <= {figure["kind"] for figure in full.figures}
    here = {
        "chickenpox-hungary", "pedalme-london", "twitter-tennis-rg17-encoded", "pems-bay-67", "metr-la-29",
        "synthetic-traffic",
    }  # fmt: skip
    assert {run.axes["dataset"] for run in small.runs if "watts-strogatz" not in run.axes["dataset"]} <= here


def _training(study: Study, **axes: Any) -> dict[str, Any]:
    (settings,) = {str(run.settings["training"]): run.settings["training"] for run in study.runs
                   if axes.items() <= run.axes.items()}.values()  # fmt: skip
    return dict(settings)


@pytest.mark.parametrize(
    "name, epochs, batch, workers",
    [
        ("pgti-table2", 1, 32, {1}),
        ("pgti-table4", 30, 64, {1}),
        ("pgti-table5", 30, 64, {4, 8, 16}),
        ("pgti-figure7", 30, 64, {1, 4, 8, 16, 32, 64, 128}),
        ("pgti-figure8", 30, 64, {1, 4, 8, 16, 32, 64, 128}),
        ("pgti-figure9", 1, 64, {4, 8, 16, 32, 64, 128}),
    ],
)
def test_full_forms_train_as_the_paper_does(name: str, epochs: int, batch: int, workers: set[int]) -> None:
    study = _study(name)
    training = _training(study, model="pgti-dcrnn")
    assert (training["epochs"], training["batch_size"], training["batch_scope"]) == (epochs, batch, "worker")
    assert (training["optimiser"], training["learning_rate"], training["learning_rate_scaling"]) == (
        "adam",
        0.001,
        "none",
    )
    assert {run.axes["workers"] for run in study.runs} == workers


def test_figure_8_differs_from_itself_in_the_learning_rate_alone() -> None:
    study = _study("pgti-figure8")
    plain, scaled = _training(study, model="pgti-dcrnn"), _training(study, model="pgti-dcrnn-scaled")
    changed = {key for key in plain if plain[key] != scaled[key]}
    assert (
        changed == {"learning_rate_scaling", "warmup_epochs"} and scaled["learning_rate_scaling"] == "linear"
    )


def test_dask_ddp_always_lives_in_dask_workers() -> None:
    for name in PIPELINES:
        for run in _study(name).runs:
            dask = run.axes["batching"] == "dask-ddp" or run.axes["workers"] > 1
            assert run.settings["launcher"] == ("dask" if dask else "none")


def test_table_5_is_eleven_layers_four_datasets_two_regimes_ten_seeds_a_hundred_epochs() -> None:
    study = _study("pgt-table5")
    layers = [run for run in study.runs if run.axes["model"] not in BASELINES]
    assert len(layers) == 11 * 4 * 2 * 10 and len(study.references) == 11 * 4 * 2
    for run in layers:
        task, training = run.settings["task"], run.settings["training"]
        assert (task["horizon"], training["epochs"], training["learning_rate"]) == (1, 100, 0.01)
        hidden = run.settings["model"]["settings"].get(
            "hidden_channels", 32
        )  # EvolveGCN is as wide as its features
        assert (hidden, training["loss"], run.settings["model"]["settings"]["dropout"]) == (
            32,
            "masked-mse",
            0.5,
        )
    lags = {run.axes["dataset"]: run.settings["task"]["input_len"] for run in layers}
    assert list(lags.values()) == [4, 1, 4, 8]


ENTRIES = {
    "chickenpox-hungary": 521,
    "twitter-tennis-rg17-encoded": 120,
    "pedalme-london": 35,
    "wikipedia-math": 731,
}
TABLE_5 = ["pgt-table5", "pgt-table5-small", "pgt-case-study", "pgt-case-study-small"]


@pytest.mark.parametrize("name", TABLE_5)
def test_a_tenth_is_held_back_as_the_paper_cuts_it(name: str) -> None:
    for run in _study(name).runs:
        task = run.settings["task"]
        windows = split_windows(ENTRIES[run.axes["dataset"]], task["input_len"], 1, task["split"])
        count = len(windows.train) + len(windows.test)
        assert len(windows.train) == int(0.9 * count) and not windows.validation, run.id


@pytest.mark.parametrize("name", TABLE_5)
def test_no_table_of_errors_lacks_its_baselines(name: str) -> None:
    study = _study(name)
    for dataset in study.datasets:
        assert {run.axes["model"] for run in study.runs if run.axes["dataset"] == dataset} >= BASELINES


@pytest.mark.parametrize("name", ["pgt-figure2", "pgt-figure2-small"])
def test_figure_2_changes_one_size_at_a_time(name: str) -> None:
    study = _study(name)
    runs = {run.axes["dataset"]: run.settings["task"]["input_len"] for run in study.runs}
    place = {"graph_nodes": 0, "edges_per_node": 1, "node_inputs": 2}
    for figure in study.figures:
        sizes = [_sizes(study, dataset, runs[dataset]) for dataset in figure["datasets"]]
        differing = {number for number, size in enumerate(zip(*sizes, strict=True)) if len(set(size)) > 1}
        assert differing == {place[figure["against"]]} and len(set(sizes)) == len(sizes) >= 4


def _sizes(study: Study, dataset: str, features: int) -> tuple[int, int, int]:
    settings = study.datasets[dataset].synthetic
    assert settings is not None
    return settings["nodes"], settings["edges"], features


def test_the_small_figure_10_has_its_language_model_at_hand() -> None:
    (settings,) = {str(run.settings["model"]["settings"]): run.settings["model"]["settings"]
                   for run in _study("pgti-figure10-small").runs}.values()  # fmt: skip
    folder = Path(settings["gpt2"])
    config = json.loads((folder / "config.json").read_text())
    assert (folder / "model.safetensors").is_file() and config["n_layer"] == settings["gpt_layers"]
    synthetic = _study("pgti-figure10-small").datasets["synthetic-traffic"].synthetic
    assert synthetic is not None and config["n_positions"] >= synthetic["nodes"]  # a token for each
