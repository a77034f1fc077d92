"""Every mistake in a pipeline is one line before any job."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from stgnn.errors import InputError
from tests.study.declared import PIPELINE, Load

NAN = float("nan")


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"datasets": ["citty"]}, "datasets[0]: unknown \"citty\"; did you mean 'city'?"),
    ({"models": ["deep", "flot"]}, "models[1]: unknown \"flot\"; did you mean 'flat'?"),
    ({"datasets": ["city", "city"]}, 'datasets: "city" is listed twice; list it once'),
    ({"datasets": []}, "datasets: is empty; name at least one"),
    ({"exclude": [{"model": "flatt"}]}, "exclude[0].model: unknown \"flatt\"; did you mean 'flat'?"),
    ({"exclude": [{"seed": [0, 1]}]}, "exclude: leaves no run; exclude less"),
    (
        {"exclude": [{"model": "flat"}], "overrides": [{"match": {"model": "flat"}, "set": {"task": {"horizon": 1}}}]},
        "overrides[0].match: matches no run of this study; mend or remove it",
    ),
    (
        {"overrides": [{"match": {"seed": 7}, "set": {"task": {"horizon": 1}}}]},
        "overrides[0].match.seed: unknown 7; expected one of: 0, 1",
    ),
    (
        {"overrides": [{"match": {"model": "deep"}, "set": {"model": {"widht": 1}}}]},
        "overrides[0].set.model (deep): unknown key 'widht'; did you mean 'width'?",
    ),
    (
        {"overrides": [{"match": {"dataset": "city"}, "set": {"model": {"width": 1}}}]},
        "overrides[0].set.model (flat): unknown key 'width'; remove it",
    ),
    (
        {"overrides": [{"match": {"model": "deep"}, "set": {"model": {"width": "8"}}}]},
        'overrides[0].set.model (deep).width: expected a whole number, found "8"',
    ),
    (
        {"overrides": [{"match": {"model": "deep"}, "set": {"model": {"wide": 1}}}]},
        "overrides[0].set.model (deep).wide: expected true or false, found 1",
    ),
    (
        {"overrides": [{"match": {"model": "deep"}, "set": {"model": {"width": 8.5}}}]},
        "overrides[0].set.model (deep).width: expected a whole number, found 8.5",
    ),
    (
        {"overrides": [{"match": {"model": "deep"}, "set": {"model": {"rate": NAN}}}]},
        "overrides[0].set.model.rate: found nan; give a finite number",
    ),
    ({"training": {"learning_rate": NAN}}, "training.learning_rate: found nan; give a finite number"),
    ({"task": {"split": [NAN, 0.1, 0.2]}}, "task.split[0]: found nan; give a finite number"),
    ({"training": {"milestones": [3, 3]}}, "training.milestones: 3 follows 3; list the numbers in increasing"),
    ({"baseline": {"model": "last"}}, "baseline.model: unknown \"last\"; did you mean 'flat'?"),
    (
        {"baseline": {"model": "flat", "batching": "index"}, "exclude": [{"model": "flat", "batching": "index"}]},
        "baseline: matches no run of this study; mend or remove it",
    ),
    (
        {"references": [{"match": {"dataset": "paris"}, "metric": "mae", "value": 1, "source": "s"}]},
        'references[0].match.dataset: unknown "paris"',
    ),
    (
        {"tables": [{"name": "t", "columns": [{"metric": "mae", "horizon": 13}]}]},
        "tables[0].columns[0].horizon: step 13 of a horizon of 12",
    ),
    (
        {"tables": [{"name": "t", "columns": [{"metric": "training", "split": "test"}]}]},
        "tables[0].columns[0].split: the metric 'training' has none; remove it",
    ),
    (
        {
            "training": {"evaluate": ["test"]},
            "tables": [{"name": "t", "columns": [{"metric": "mae", "split": "train"}]}],
        },
        "tables[0].columns[0].split: no run evaluates 'train'; add it to training.evaluate",
    ),
    (
        {"tables": [{"name": "t", "rows": ["dataset", "model"], "columns": [{"metric": "mae"}]}]},
        "tables[0].rows: would average over batching (materialised and index); add 'batching'",
    ),
    ({"tables": [PIPELINE["tables"][0]] * 2}, "tables[1].name: 'accuracy' is taken; choose another name"),
    ({"task": {"calendar": ["time_of_day"]}}, "task.calendar: ['time_of_day'] asked for by the study or 'deep'"),
    (
        {"task": {"split": [0.9, 0, 0.1]}, "training": {"patience": 5}},
        "training.patience: waits for a better validation MAE, but task.split leaves no validation; set patience: null",
    ),
    (
        {"regimes": ["incremental"], "training": {"learning_rate_scaling": "linear"}},
        "training.learning_rate_scaling: regime 'incremental' has steps of its own size; use 'none'",
    ),
    (
        {"regimes": ["incremental"], "batching": ["distributed-index"], "workers": [2]},
        "regimes: regime 'incremental' has one window a step, too few for 2 workers",
    ),
    (
        {"regimes": ["cumulative"], "batching": ["partitioned-index"]},
        "regimes: regime 'cumulative' fixes the order of windows, and so does 'partitioned-index'; use",
    ),
    (
        {"regimes": ["minibatch", "cumulative"]},
        "tables[0].rows: would average over regime (minibatch and cumulative); add 'regime'",
    ),
    ({"regimes": ["cumulativ"]}, "regimes[0]: unknown \"cumulativ\"; did you mean 'cumulative'?"),
    ({"seeds": [2**63]}, "seeds[0]: 9223372036854775808 is greater than the maximum of"),
    ({"task": {"split": [0.7, 0.2, 0.2]}}, "task.split: [0.7, 0.2, 0.2] adds up to 1.1; make it 1"),
    (
        {"figures": [{"name": "f", "kind": "scaling", "metric": "total"}]},
        "figures[0]: every run has workers: 1, which shows no scaling; list several numbers under `workers:`",
    ),
    (
        {"figures": [{"name": "f", "kind": "scaling"}]},
        "figures[0]: key 'metric' is missing; name what to show against the workers",
    ),
    (
        {"figures": [{"name": "f", "kind": "curves", "metric": "mae"}]},
        "figures[0].metric: a figure of kind curves has none; remove it",
    ),
    (
        {"figures": [{"name": "f", "kind": "scaling", "metric": "total", "against": "graph_nodes",
                      "datasets": ["city"]}]},
        "figures[0]: every run has dataset: city, which shows no scaling; name several datasets",
    ),
    (
        {"figures": [{"name": "f", "kind": "scaling", "metric": "total", "against": "graph_nodes",
                      "datasets": ["cit"]}]},
        "figures[0].datasets[0]: unknown \"cit\"; did you mean 'city'?",
    ),
    (
        {"batching": ["device-index"], "workers": [1, 2],
         "tables": [{"name": "t", "rows": ["dataset", "model", "workers"], "columns": [{"metric": "total"}]}],
         "figures": [{"name": "f", "kind": "scaling", "metric": "total", "split": "test"}]},
        "figures[0].split: the metric 'total' has none; remove it",
    ),
    (
        {"batching": ["device-index"], "workers": [1, 2], "training": {"evaluate": ["validation"]},
         "tables": [{"name": "t", "rows": ["dataset", "model", "workers"], "columns": [{"metric": "total"}]}],
         "figures": [{"name": "f", "kind": "scaling", "metric": "mae"}]},
        "figures[0].split: no run evaluates 'test'; add it to training.evaluate",
    ),
]  # fmt: skip


@pytest.mark.parametrize("changes, line", MISTAKES, ids=[line.split(":")[0] for _, line in MISTAKES])
def test_a_mistake_is_one_line_naming_file_key_and_nearest(
    load: Load, tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(**changes)
    assert str(caught.value).startswith(f"{tmp_path / 'study.yaml'}: {line}")
    assert "\n" not in str(caught.value)


def test_a_calendar_without_dates_is_refused_with_the_override_that_mends_it(load: Load) -> None:
    task, overrides = {"calendar": ["time_of_day"]}, []
    for model, dataset in itertools.product(("deep", "flat"), ("city", "town")):
        line = rf"asked for by the study or '{model}' itself, but dataset '{dataset}' has no dates"
        with pytest.raises(InputError, match=line) as caught:
            load(task=task, models=[model], datasets=[dataset])
        overrides.append(yaml.safe_load("{" + str(caught.value).partition("override: ")[2] + "}"))
    runs = load(task=task, overrides=overrides).runs
    assert len(runs) == 16 and not any(run.settings["task"]["calendar"] for run in runs)
