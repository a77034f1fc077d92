"""From a pipeline file to its runs: validated, resolved, content-addressed. Starts nothing, needs no torch.

Nothing here knows Snakemake; `workflow/` turns the runs into jobs.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stgnn.catalog import Dataset, load_catalog
from stgnn.classes import classes_of, settings_schema
from stgnn.compatible import check_compatible, check_event_run
from stgnn.errors import InputError
from stgnn.event_runs import Settings
from stgnn.runs import LISTS, Run, matches, resolve
from stgnn.scores import ENTRY_SCORES, PROPERLY, RANKINGS, RECORDED_BY, SCORES, SCORES_OF, in_full
from stgnn.settings import canonical, check, read_yaml, require_known, with_defaults
from stgnn.site import COMMAND_LINE, PROFILES, as_meant, site_file
from stgnn.tasks import ENTRIES, PREDICTED, predicted

PIPELINES = Path("pipelines")
CONFIG = Path("config/config.yaml")
MODELS = Path("config/models.yaml")

# What `--config` may change: it moves files and jobs about and changes no number.
FOR_ONE_COMMAND = ("pipeline", "mirror", "raw", "stores", "results", "threads", "site")


@dataclass(frozen=True)
class Study:
    """A pipeline file, resolved: its runs and what is to be made of them.

    `tables`, `figures`, `references` and `baseline` are as in the file, with the schema's defaults filled in.
    """

    name: str
    title: str
    description: str
    runs: tuple[Run, ...]
    datasets: Mapping[str, Dataset]  # the catalogue entries that the runs use
    tables: tuple[Settings, ...]
    figures: tuple[Settings, ...]
    references: tuple[Settings, ...]
    baseline: Settings | None

    @cached_property
    def all_runs(self) -> tuple[Run, ...]:
        """The runs declared, and behind them those that train the encoders which some of them build on."""
        encoders = (run.encoder for run in self.runs if run.encoder)
        return tuple({run.id: run for run in (*self.runs, *encoders)}.values())


def load_config(path: Path = CONFIG) -> dict[str, Any]:
    """Return config/config.yaml, checked."""
    config: dict[str, Any] = read_yaml(path)
    check(config, "config.schema.json", path)
    return config


def configure(given: Settings, path: Path = CONFIG, said: Settings | None = None) -> dict[str, Any]:
    """Return config/config.yaml with what this command gave over it, checked.

    `given` is from a profile's files and the command line (`--config key=value`), and of it `said` (all of it, if
    left out) from the command line alone, which is then named for a mistake. What a run *is* cannot be given so: files
    alone say it, so that a result can always be declared again.
    """
    config = load_config(path)
    for key in given:
        require_known(key, FOR_ONE_COMMAND, COMMAND_LINE, "key")
    site = _site(config["site"], given.get("site", {}), (given if said is None else said).get("site", {}))
    config |= {**given, "site": site}
    check(config, "config.schema.json", COMMAND_LINE)
    _require_mirror(config["mirror"], COMMAND_LINE if "mirror" in given else path)
    return config


def _site(usual: Settings, given: Any, said: Any) -> Settings:
    """Return the site of this command: what a profile and `--config` say of it over this machine's."""
    check(said, {"type": "object"}, COMMAND_LINE, "site")
    check(_over(usual, said), "site.schema.json", COMMAND_LINE, "site")
    check(given, {"type": "object"}, PROFILES, "site")
    site = _over(usual, given)
    check(site, "site.schema.json", site_file(site), "site")
    return site


def _over(usual: Settings, said: Settings) -> Settings:
    return {**usual, **{key: as_meant(key, value) for key, value in said.items()}}


def _require_mirror(mirror: str | None, where: str | Path) -> None:
    """Raise `InputError` for a folder that is not there; what an address serves is seen when a file is fetched."""
    if mirror is None or mirror.startswith(("http://", "https://")):
        return
    if not os.path.isdir(os.path.expanduser(mirror)):  # unlike Path's, leaves a user nobody knows alone
        raise InputError(where, f"mirror: no such folder '{mirror}'", "give a folder or an http(s) address")


def load_models(path: Path = MODELS) -> dict[str, Settings]:
    """Return config/models.yaml, checked."""
    models: dict[str, Settings] = read_yaml(path)
    check(models, "models.schema.json", path)
    return models


def pipeline_path(name: str | Path, folder: Path = PIPELINES) -> Path:
    """Return the file of the pipeline `name`, which may be the file itself."""
    path = Path(name)
    return path if path.suffix in (".yaml", ".yml") else folder / f"{name}.yaml"


def check_run(settings: Any, where: str | Path) -> dict[str, Any]:
    """Return the settings of one resolved run, checked and canonical (1.0 is 1)."""
    check(settings, "run.schema.json", where)
    run: dict[str, Any] = canonical(settings)
    if predicted(run) != ENTRIES:
        check_event_run(run, Path(where))
    return run


def load_study(
    pipeline: str | Path,
    config: Path = CONFIG,
    catalog: Path | Sequence[Path] | None = None,
    models: Path = MODELS,
) -> Study:
    """Return the study that a pipeline (its name or its file) declares.

    A run's settings come from, later over earlier: config.yaml's `defaults`, the dataset's `task`, the
    model's `task` and `training`, the pipeline's `task` and `training`, its `overrides` in order. The
    catalogue files are those of config.yaml unless given.

    Raises:
        InputError: any of the files has a mistake; names file, key and the nearest valid one.
    """
    path = pipeline_path(pipeline)
    declared = read_yaml(path)
    check(declared, "pipeline.schema.json", path)
    declared = with_defaults(declared, "pipeline.schema.json")
    settings = load_config(config)
    datasets = load_catalog(catalog or settings["catalogues"])
    known_models = load_models(models)
    for number, name in enumerate(declared["datasets"]):
        require_known(name, datasets, path, f"datasets[{number}]")
    for number, name in enumerate(declared["models"]):
        require_known(name, known_models, path, f"models[{number}]")
        _require_class(name, known_models[name]["class"], models)
        _check_model(name, known_models[name], models)
    runs = resolve(declared, settings["defaults"], datasets, known_models, path)
    tables = tuple(_with_splits(table) for table in declared["tables"])
    study = Study(
        name=path.stem,
        title=declared["title"],
        description=declared["description"],
        runs=runs,
        datasets={name: datasets[name] for name in declared["datasets"]},
        tables=tables,
        figures=tuple(in_full(figure) if "metric" in figure else figure for figure in declared["figures"]),
        references=tuple(in_full(reference) for reference in declared["references"]),
        baseline=declared.get("baseline"),
    )
    _check_uses(study, path)
    return study


def _require_class(name: str, dotted_path: str, models: Path) -> None:
    """Raise `InputError` unless the class stands in its module; reads the source, imports nothing."""
    module, _, class_name = dotted_path.rpartition(".")
    try:
        classes = classes_of(module)
    except InputError as error:
        raise InputError(models, f"{name}.class: {error.where}: {error.problem}", error.todo) from None
    if classes is not None:
        require_known(class_name, classes, models, f"{name}.class")


def _check_model(name: str, model: Settings, models: Path) -> None:
    """Raise `InputError` for a setting that the model's class does not take, lacks, or wants of another type."""
    schema = settings_schema(model["class"])
    if schema is not None:
        check(model["settings"], schema, models, f"{name}.settings")


def _with_splits(table: Settings) -> Settings:
    return {**table, "columns": [in_full(column) for column in table["columns"]]}


def _check_uses(study: Study, path: Path) -> None:
    """Raise `InputError` where a table, reference or baseline asks for what no run will have."""
    for run in study.all_runs:
        check_compatible(run.settings, study.datasets[run.settings["dataset"]], path)
    for kind in ("tables", "figures"):
        names = [each["name"] for each in getattr(study, kind)]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise InputError(path, f"{kind}[{number}].name: '{name}' is taken", "choose another name")
    for number, table in enumerate(study.tables):
        _check_rows(table["rows"], study.runs, path, f"tables[{number}].rows")
        for place, column in enumerate(table["columns"]):
            _check_measured(column, study.runs, path, f"tables[{number}].columns[{place}]")
    for number, figure in enumerate(study.figures):
        _check_figure(figure, study.runs, path, f"figures[{number}]")
    for number, reference in enumerate(study.references):
        _check_row(reference["match"], study.runs, path, f"references[{number}].match")
        _check_measured(reference, study.runs, path, f"references[{number}]")
    if study.baseline:
        _check_row(study.baseline, study.runs, path, "baseline")


def _check_rows(rows: Sequence[str], runs: Sequence[Run], path: Path, key: str) -> None:
    """A table averages over seeds and over nothing else."""
    first: dict[tuple[Any, ...], Settings] = {}
    for axes in (run.axes for run in runs):
        other = first.setdefault(tuple(axes[row] for row in rows), axes)
        for axis in LISTS:
            if axis != "seed" and axes[axis] != other[axis]:
                problem = f"would average over {axis} ({other[axis]} and {axes[axis]})"
                raise InputError(path, f"{key}: {problem}", f"add '{axis}'")


def _check_figure(figure: Settings, runs: Sequence[Run], path: Path, key: str) -> None:
    """Only a figure of kind scaling measures something of one's choice, over several numbers of workers or datasets."""
    scaling, against = figure["kind"] == "scaling", figure.get("against", "workers")
    for word in ("metric", "split", "against", "datasets"):
        if word in figure and not scaling:
            raise InputError(path, f"{key}.{word}: a figure of kind {figure['kind']} has none", "remove it")
    if figure["kind"] == "horizon" and not any(predicted(run.settings) == ENTRIES for run in runs):
        raise InputError(
            path, f"{key}.kind: no run of this study forecasts a horizon", "use curves or tradeoff"
        )
    if scaling and "metric" not in figure:
        raise InputError(path, f"{key}: key 'metric' is missing", f"name what to show against the {against}")
    for number, name in enumerate(figure.get("datasets", ())):
        require_known(name, {run.axes["dataset"]: None for run in runs}, path, f"{key}.datasets[{number}]")
    if scaling:
        _check_measured(figure, runs, path, key)
        axis = "workers" if against == "workers" else "dataset"
        chosen = figure.get("datasets", [run.axes["dataset"] for run in runs])
        found = {run.axes[axis] for run in runs if run.axes["dataset"] in chosen}
        if len(found) < 2:
            problem = f"{key}: every run has {axis}: {found.pop()}, which shows no scaling"
            todo = "list several numbers under `workers:`" if axis == "workers" else "name several datasets"
            raise InputError(path, problem, todo)


def _check_row(match: Settings, runs: Sequence[Run], path: Path, key: str) -> None:
    for axis, value in match.items():
        require_known(value, dict.fromkeys(run.axes[axis] for run in runs), path, f"{key}.{axis}")
    if not any(matches(run.axes, match) for run in runs):
        raise InputError(path, f"{key}: matches no run of this study", "mend or remove it")


def _check_measured(measured: Settings, runs: Sequence[Run], path: Path, key: str) -> None:
    metric, split, horizon = measured["metric"], measured.get("split"), measured.get("horizon")
    own = {"split", "nodes", "negatives", "horizon"} & in_full({"metric": metric}).keys()
    own |= {"horizon"} if metric in ENTRY_SCORES else set()
    for word in ("split", "horizon", "nodes", "negatives"):
        if measured.get(word) is not None and word not in own:
            raise InputError(path, f"{key}.{word}: the metric '{metric}' has none", "remove it")
    if metric not in SCORES:
        recording = RECORDED_BY.get(metric, tuple(PREDICTED))
        if not any(predicted(run.settings) in recording for run in runs):
            raise InputError(path, f"{key}.metric: no run of this study records '{metric}'", "remove it")
        return
    scored = [run for run in runs if metric in SCORES_OF[predicted(run.settings)]]
    if not scored:
        raise InputError(path, f"{key}.metric: no run of this study is scored by '{metric}'", "remove it")
    if not any(split in run.settings["training"]["evaluate"] for run in scored):
        raise InputError(path, f"{key}.split: no run evaluates '{split}'", "add it to training.evaluate")
    if "negatives" in own:
        _check_negatives(measured, scored, path, f"{key}.negatives")
    elif horizon is not None:
        longest = max(run.settings["task"]["horizon"] for run in scored)
        if horizon > longest:
            raise InputError(path, f"{key}.horizon: step {horizon} of a horizon of {longest}", "")


def _check_negatives(measured: Settings, runs: Sequence[Run], path: Path, key: str) -> None:
    metric, negatives = measured["metric"], measured["negatives"]
    if (metric in RANKINGS) != (negatives == "every"):
        of = (
            "are of ranks among all destinations"
            if metric in RANKINGS
            else "tells events from stored negatives"
        )
        todo = "use every, or leave it out" if metric in RANKINGS else "use random, historical or inductive"
        raise InputError(path, f"{key}: '{negatives}', but {metric} {of}", todo)
    if metric in PROPERLY and negatives == "random":
        problem = f"{key}: 'random', but {metric} leaves out what is random for want of others"
        raise InputError(path, problem, "use historical or inductive")
    if not any(negatives in run.settings["task"]["negatives"] for run in runs):
        raise InputError(path, f"{key}: no run scores '{negatives}'", "add it to task.negatives")
