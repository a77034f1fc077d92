"""A pipeline resolves to runs by the declared precedence, each in a folder named by all its settings."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from stgnn.errors import InputError
from stgnn.study import Study, check_run
from tests.study.declared import PIPELINE, Load, ids, one


def changed_runs(before: Study, after: Study) -> set[tuple[Any, ...]]:
    return {tuple(run.axes.values()) for run in after.runs if run.id not in ids(before)}


def test_every_combination_is_one_run_with_its_own_folder(load: Load) -> None:
    study = load()
    assert len(study.runs) == len(ids(study)) == 2 * 2 * 2 * 2
    shape = re.compile(r"(city|town)/(deep|flat)/(materialised|index)-w1-s[01]-[0-9a-f]{8}")
    assert all(shape.fullmatch(run.id) and run.path == Path("runs") / run.id for run in study.runs)


def test_another_regime_is_another_run_and_says_so(load: Load) -> None:
    rows = ["dataset", "model", "batching", "regime"]
    study = load(regimes=["minibatch", "cumulative"], tables=[{**PIPELINE["tables"][0], "rows": rows}])
    assert len(ids(study)) == 2 * len(ids(load()))
    assert {run.axes["regime"] for run in study.runs if "-cumulative-w1-" in run.folder} == {"cumulative"}
    assert ids(load()) < ids(study)


def test_later_layers_of_settings_win(load: Load) -> None:
    assert one(load(), dataset="town", model="deep")["task"]["horizon"] == 12  # config
    assert one(load(), dataset="city", model="deep")["task"]["horizon"] == 6  # dataset over config
    assert one(load(), dataset="city", model="flat")["task"]["horizon"] == 3  # model over dataset
    assert one(load(task={"horizon": 4}), model="flat")["task"]["horizon"] == 4  # pipeline over model
    override = {"match": {"model": "flat"}, "set": {"task": {"horizon": 5}}}
    study = load(task={"horizon": 4}, overrides=[override])
    assert one(study, model="flat")["task"]["horizon"] == 5  # override over pipeline
    assert one(study, model="deep")["task"]["horizon"] == 4
    later = {"match": {"dataset": "city"}, "set": {"task": {"horizon": 2}}}
    assert one(load(overrides=[override, later]), dataset="city", model="flat")["task"]["horizon"] == 2


def test_training_settings_are_merged_key_by_key(load: Load) -> None:
    training = one(load(training={"epochs": 7}, config={"training": {"gamma": 0.3}}), model="deep")[
        "training"
    ]
    assert (training["epochs"], training["learning_rate"], training["gamma"]) == (7, 0.01, 0.3)


def test_an_override_changes_settings_of_the_model_it_names(load: Load) -> None:
    study = load(
        overrides=[{"match": {"model": "deep", "seed": [1]}, "set": {"model": {"width": 8, "maybe": 3}}}]
    )
    assert one(study, model="deep", seed=1)["model"]["settings"] == {
        "width": 8, "rate": 0.5, "wide": True, "name": "x", "maybe": 3,
    }  # fmt: skip
    assert one(study, model="deep", seed=0)["model"]["settings"]["width"] == 64
    assert one(study, model="flat", seed=1)["model"]["settings"] == {}


def test_excluded_combinations_are_not_run(load: Load) -> None:
    study = load(exclude=[{"model": "flat", "seed": [1]}, {"dataset": "town", "batching": "materialised"}])
    assert len(study.runs) == 16 - 4 - 4 + 1
    assert not any(run.axes["model"] == "flat" and run.axes["seed"] == 1 for run in study.runs)


def test_every_resolved_run_is_whole_and_passes_as_a_run_file(load: Load) -> None:
    for run in load().runs:
        assert check_run(run.settings, "run") == run.settings


def test_a_run_file_with_a_hole_is_refused(load: Load) -> None:
    settings = one(load())
    settings["training"] = {key: value for key, value in settings["training"].items() if key != "loss"}
    with pytest.raises(InputError, match=r"run\.yaml: training: key 'loss' is missing"):
        check_run(settings, "run.yaml")


def test_equal_settings_share_a_folder_however_they_are_spelt(load: Load) -> None:
    spelt = load(training={"learning_rate": 1.0, "weight_decay": 0, "batch_size": 64})
    assert ids(spelt) == ids(load(training={"batch_size": 64.0, "weight_decay": 0.0, "learning_rate": 1}))


def test_names_and_tables_of_a_study_are_no_part_of_its_runs(load: Load) -> None:
    other = {"name": "other", "columns": [{"metric": "rmse", "horizon": 2}]}
    assert ids(load()) == ids(load(title="Other", tables=[other], baseline={"model": "flat"}))
    assert ids(load(seeds=[0])) < ids(load())


@pytest.mark.parametrize(
    "change, stale",
    [
        ({"training": {"epochs": 3}}, {"city", "town"}),
        ({"task": {"nulls": "exclude"}}, {"city", "town"}),
        ({"device": "cpu"}, {"city", "town"}),
        ({"overrides": [{"match": {"dataset": "town"}, "set": {"training": {"clip_norm": 1}}}]}, {"town"}),
        ({"seeds": [0, 1, 2]}, {"city", "town"}),
    ],
)
def test_a_changed_setting_gives_new_folders_to_exactly_its_runs(
    load: Load, change: Any, stale: set[str]
) -> None:
    changed = changed_runs(load(), load(**change))
    assert {axes[0] for axes in changed} == stale
    if "seeds" in change:
        assert {axes[-1] for axes in changed} == {2}


def test_every_single_setting_is_part_of_the_hash(load: Load) -> None:
    run = load().runs[0]
    text = run.json
    for section, value in itertools.chain(run.settings["training"].items(), run.settings["task"].items()):
        assert f'"{section}":' in text, value
    assert {"dataset", "model", "batching", "workers", "seed", "device"} <= run.settings.keys()
