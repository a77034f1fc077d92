"""A pipeline resolves to runs by the declared precedence, and every mistake in it is one line before any job."""

import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stgnn.data.placements import PLACEMENTS
from stgnn.errors import InputError
from stgnn.raw import EVENT_READERS, READERS
from stgnn.report.figures import KINDS
from stgnn.report.metrics import METRICS
from stgnn.settings import SCHEMAS
from stgnn.study import Study, check_run, configure, load_study
from stgnn.training.metrics import LOSSES
from stgnn.training.optimiser import OPTIMISERS, SCALINGS

ROOT = Path(__file__).parents[1]
CATALOGUE = """
city: {title: City, reader: windmill-json, files: [{name: a.json, role: values}], units: mph, task: {horizon: 6}}
town: {title: Town, reader: windmill-json, files: [{name: b.json, role: values}], units: mph}
"""
MODELS = """
deep:
  class: {top}.Deep
  description: deep
  settings: {width: 64, rate: 0.5, wide: true, name: x, maybe: null}
  training: {epochs: 50, learning_rate: 0.01}
flat: {class: stgnn.models.baselines.LastValue, description: flat, settings: {}, task: {horizon: 3}}
"""
OWN_MODEL = """
from stgnn.models.base import Forecaster

class Deep(Forecaster):
    def __init__(self, shape, graph, *, width: int, rate: float, wide: bool, name: str, maybe: int | None = None):
        super().__init__(shape, graph)
"""
PIPELINE: dict[str, Any] = {
    "title": "Study",
    "datasets": ["city", "town"],
    "models": ["deep", "flat"],
    "batching": ["materialised", "index"],
    "seeds": [0, 1],
    "tables": [{"name": "accuracy", "columns": [{"metric": "mae"}]}],
}
Load = Callable[..., Study]
numbers = itertools.count()


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the study above, whose `deep` is a class of the user's own, with changed top-level keys."""
    top = f"own_models_{next(numbers)}"
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"{top}.py").write_text(OWN_MODEL)
    (tmp_path / "datasets.yaml").write_text(CATALOGUE)
    (tmp_path / "models.yaml").write_text(MODELS.replace("{top}", top))

    def load(config: dict[str, Any] | None = None, **changes: Any) -> Study:
        base = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
        base["catalogues"] = [str(tmp_path / "datasets.yaml")]
        for section, values in (config or {}).items():
            base["defaults"][section] = (
                values if isinstance(values, str) else base["defaults"][section] | values
            )
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(base))
        (tmp_path / "study.yaml").write_text(yaml.safe_dump({**PIPELINE, **changes}))
        return load_study(tmp_path / "study.yaml", tmp_path / "config.yaml", models=tmp_path / "models.yaml")

    return load


def one(study: Study, **axes: Any) -> dict[str, Any]:
    """The settings of the first run with these axes."""
    return dict(next(run.settings for run in study.runs if axes.items() <= run.axes.items()))


def ids(study: Study) -> set[str]:
    return {run.id for run in study.runs}


def changed_runs(before: Study, after: Study) -> set[tuple[Any, ...]]:
    return {tuple(run.axes.values()) for run in after.runs if run.id not in ids(before)}


# -- which runs, with which settings ----------------------------------------------------------------


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


# -- the hash ---------------------------------------------------------------------------------------


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


# -- mistakes ---------------------------------------------------------------------------------------

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


@pytest.mark.parametrize(
    "path, line",
    [
        (
            "stgnn.models.dcrnn.Seq2SeqDCRN",
            "deep.class: unknown \"Seq2SeqDCRN\"; did you mean 'Seq2SeqDCRNN'?",
        ),
        ("stgnn.models.dcrn.Seq2SeqDCRNN", "deep.class: stgnn.models.dcrn: no such module"),
        ("no_such_package.models.Model", "deep.class: no_such_package.models: no such module"),
    ],
)
def test_a_misspelt_class_is_found_without_importing_it(
    load: Load, tmp_path: Path, path: str, line: str
) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(re.sub(r"own_models_\d+\.Deep", path, models.read_text()))
    with pytest.raises(InputError) as caught:
        load()
    assert str(caught.value).startswith(f"{models}: {line}")


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("width: 64", "widht: 64", "deep.settings: unknown key 'widht'; did you mean 'width'?"),
        ("width: 64", 'width: "64"', 'deep.settings.width: expected a whole number, found "64"'),
        ("width: 64", "width: true", "deep.settings.width: expected a whole number, found true"),
        ("width: 64, ", "", "deep.settings: key 'width' is missing; add it"),
        ("rate: 0.5", "rate: x", 'deep.settings.rate: expected a number, found "x"'),
        ("rate: 0.5", "rate: .inf", "deep.settings.rate: found inf; give a finite number"),
        ("wide: true", "wide: 1", "deep.settings.wide: expected true or false, found 1"),
        ("name: x", "name: null", "deep.settings.name: expected text, found null"),
        ("maybe: null", "maybe: 0.5", "deep.settings.maybe: expected a whole number or null, found 0.5"),
        ("settings: {}", "settings: {x: 1}", "flat.settings: unknown key 'x'; remove it"),
    ],
)
def test_a_wrong_setting_of_a_model_is_found_without_importing_it(
    load: Load, tmp_path: Path, old: str, new: str, line: str
) -> None:
    models = tmp_path / "models.yaml"
    assert old in models.read_text()
    models.write_text(models.read_text().replace(old, new))
    with pytest.raises(InputError) as caught:
        load()
    assert str(caught.value) == f"{models}: {line}"


NEEDY = """
needy:
  class: {cls}
  description: needy
  settings: {settings}
"""


@pytest.mark.parametrize(
    "cls, settings, changes, line",
    [
        ("stgnn.models.baselines.HistoricalAverage", "{}", {}, "models: 'needy' needs the time of each entry"),
        (
            "stgnn.models.pgti.OneCellDCRNN",
            "{max_diffusion_step: 2}",
            {"task": {"input_len": 5, "horizon": 6}},
            "task: input_len is 5 and horizon 6 on 'city', but 'needy' needs them equal",
        ),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_trained_on_a_dataset_is_refused_before_any_job(
    load: Load, tmp_path: Path, cls: str, settings: str, changes: dict[str, Any], line: str
) -> None:
    (tmp_path / "models.yaml").write_text(NEEDY.replace("{cls}", cls).replace("{settings}", settings))
    with pytest.raises(InputError) as caught:
        load(models=["needy"], **changes)
    assert str(caught.value).startswith(f"{tmp_path / 'study.yaml'}: {line}")


def test_settings_of_a_model_that_the_study_does_not_use_are_left_alone(load: Load, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(models.read_text().replace("width: 64", "widht: 64"))
    assert load(models=["flat"]).runs


def test_a_whole_number_will_do_for_a_float_and_a_default_may_be_left_out(load: Load, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(models.read_text().replace("rate: 0.5", "rate: 1").replace(", maybe: null", ""))
    change = {"match": {"model": "deep"}, "set": {"model": {"maybe": 3, "width": 8.0}}}
    settings = one(load(overrides=[change]), model="deep")["model"]["settings"]
    assert settings == {"width": 8, "rate": 1, "wide": True, "name": "x", "maybe": 3}
    assert type(settings["width"]) is int


def test_a_pipeline_that_is_not_there_is_answered_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(
        InputError, match=r"pipelines/quickstrat\.yaml: no such file; did you mean 'quickstart\.yaml'\?"
    ):
        load_study("quickstrat")


@pytest.mark.parametrize(
    "given, line",
    [
        ({"pipline": "x"}, "--config: key: unknown \"pipline\"; did you mean 'pipeline'?"),
        ({"defaults": {}}, '--config: key: unknown "defaults"'),
        ({"threads": "two"}, '--config: threads: expected a whole number, found "two"'),
        ({"pipeline": 3}, "--config: pipeline: expected text, found 3"),
        ({"pipeline": "x.yaml"}, '--config: pipeline: "x.yaml" does not fit the pattern'),
        ({"pipeline": "x.yml"}, '--config: pipeline: "x.yml" does not fit the pattern'),
        (
            {"mirror": "/nope"},
            "--config: mirror: no such folder '/nope'; give a folder or an http(s) address",
        ),
        ({"site": {"quue": "debug"}}, "--config: site: unknown key 'quue'; did you mean 'queue'?"),
        ({"site": {"runtime": "long"}}, '--config: site.runtime: expected a whole number, found "long"'),
        ({"mirror": "~nobody/x"}, "--config: mirror: no such folder '~nobody/x'"),
    ],
)
def test_a_wrong_command_line_key_is_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        configure(given, ROOT / "config" / "config.yaml")
    assert str(caught.value).startswith(line)


def test_a_mistake_in_a_profile_names_its_file_whatever_the_command_line_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    said = {"site": {"queue": "debug"}}
    given = {"site": {"name": "polaris", "quues": {}, **said["site"]}}
    with pytest.raises(InputError, match=r"^profiles/polaris/site.yaml: site: unknown key 'quues'"):
        configure(given, said=said)


def test_a_pipeline_is_named_without_its_suffix_and_the_refusal_says_so() -> None:
    with pytest.raises(InputError, match=r"\(The study: the name of a file in pipelines/, without \.yaml\)$"):
        configure({"pipeline": "x.yaml"}, ROOT / "config" / "config.yaml")
    assert configure({"pipeline": "x.2"}, ROOT / "config" / "config.yaml")["pipeline"] == "x.2"


def test_a_mirror_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for mirror in (str(tmp_path), "~", "http://localhost:1/never-asked"):
        assert configure({"mirror": mirror}, ROOT / "config" / "config.yaml")["mirror"] == mirror


def test_the_command_line_wins_over_the_file() -> None:
    config = configure({"pipeline": "other", "mirror": "https://m"}, ROOT / "config" / "config.yaml")
    assert (config["pipeline"], config["mirror"], config["raw"]) == ("other", "https://m", "data/raw")


# -- what is shipped --------------------------------------------------------------------------------


def test_the_schema_knows_the_metrics_that_the_report_knows() -> None:
    schema = yaml.safe_load((SCHEMAS / "pipeline.schema.json").read_text())
    assert set(schema["$defs"]["metric"]["enum"]) == set(METRICS)


def test_the_schemas_know_what_the_engine_knows() -> None:
    training = yaml.safe_load((SCHEMAS / "models.schema.json").read_text())["$defs"]["training"]["properties"]
    assert set(training["loss"]["enum"]) == {*LOSSES, "bce"}
    assert set(training["optimiser"]["enum"]) == set(OPTIMISERS)
    assert set(training["learning_rate_scaling"]["enum"]) == set(SCALINGS)
    batching = yaml.safe_load((SCHEMAS / "pipeline.schema.json").read_text())["$defs"]["batching"]
    assert set(batching["else"]["enum"]) == {
        *PLACEMENTS, "partitioned-index", "dask-ddp", "strict-time-b200", "previous-batches-b200"
    }  # fmt: skip


def test_the_schemas_know_every_reader_and_figure() -> None:
    dataset = yaml.safe_load((SCHEMAS / "datasets.schema.json").read_text())["$defs"]["dataset"]
    assert set(dataset["properties"]["reader"]["enum"]) == {*READERS, *EVENT_READERS}
    figure = yaml.safe_load((SCHEMAS / "pipeline.schema.json").read_text())["$defs"]["figure"]
    assert set(figure["properties"]["kind"]["enum"]) == set(KINDS)


def test_resolving_a_study_imports_nothing_heavy() -> None:
    heavy = "[name for name in ('torch', 'pandas', 'xarray', 'zarr') if name in sys.modules]"
    code = f"import sys, stgnn.study, stgnn.workdir; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_calendar_without_dates_is_refused_with_the_override_that_mends_it(load: Load) -> None:
    task, overrides = {"calendar": ["time_of_day"]}, []
    for model, dataset in itertools.product(("deep", "flat"), ("city", "town")):
        line = rf"asked for by the study or '{model}' itself, but dataset '{dataset}' has no dates"
        with pytest.raises(InputError, match=line) as caught:
            load(task=task, models=[model], datasets=[dataset])
        overrides.append(yaml.safe_load("{" + str(caught.value).partition("override: ")[2] + "}"))
    runs = load(task=task, overrides=overrides).runs
    assert len(runs) == 16 and not any(run.settings["task"]["calendar"] for run in runs)
