"""The runs that a study declares: its combinations, and the layers of settings that resolve each one.

Files are read and checked in `stgnn.study`; what comes here is a checked pipeline with its defaults filled in.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from stgnn.catalog import Dataset
from stgnn.classes import settings_schema
from stgnn.errors import InputError
from stgnn.event_runs import Settings, event_sections, section
from stgnn.settings import canonical, canonical_json, check, require_known, several

# What a run is a combination of, and where a pipeline lists the values.
LISTS = {
    "dataset": "datasets",
    "model": "models",
    "regime": "regimes",
    "batching": "batching",
    "workers": "workers",
    "seed": "seeds",
}

USUAL_REGIME = "minibatch"


@dataclass(frozen=True)
class Run:
    """One training job, fully resolved; `settings` is what `stgnn train --settings` takes.

    Its folder's name ends in a hash of all settings, so equal settings share a folder between studies and
    a changed one never overwrites a result. Paths, threads and the mirror are no settings: they change no
    number. `device` is one: `auto` stands for whatever the machine has, a named device is part of the claim.
    """

    settings: Settings
    encoder: "Run | None" = None  # whose trained model this one builds on, if any; `settings` names it

    @property
    def json(self) -> str:
        """The canonical JSON text that the hash is taken of."""
        return canonical_json(self.settings)

    @property
    def folder(self) -> str:
        """`<batching>-w<workers>-s<seed>-<hash8>`; other regimes than minibatch stand behind the batching."""
        hash8 = hashlib.sha256(self.json.encode()).hexdigest()[:8]
        way: str = self.settings["batching"]
        way += "" if self.settings["regime"] == USUAL_REGIME else f"-{self.settings['regime']}"
        return way + "-w{workers}-s{seed}-".format(**self.settings) + hash8

    @property
    def id(self) -> str:
        """`<dataset>/<model>/<folder>`."""
        return f"{self.settings['dataset']}/{self.settings['model']['name']}/{self.folder}"

    @property
    def axes(self) -> dict[str, Any]:
        """What distinguishes this run within its study: dataset, model, regime, batching, workers, seed."""
        return {**{axis: self.settings[axis] for axis in LISTS}, "model": self.settings["model"]["name"]}

    @property
    def path(self) -> Path:
        """The run's folder, relative to the folder of results."""
        return Path("runs") / self.id


def resolve(
    declared: Settings,
    defaults: Settings,
    datasets: Mapping[str, Dataset],
    models: Mapping[str, Settings],
    path: Path,
) -> tuple[Run, ...]:
    """Return the runs of a checked pipeline, dataset by dataset, seeds innermost.

    Raises:
        InputError: an exclusion or override matches nothing or changes what is not there; names `path`.
    """
    combinations = [
        dict(zip(LISTS, values, strict=True))
        for values in product(*(declared[key] for key in LISTS.values()))
    ]
    for number, match in enumerate(declared["exclude"]):
        require_match(match, combinations, declared, path, f"exclude[{number}]")
    kept = [each for each in combinations if not any(matches(each, match) for match in declared["exclude"])]
    if not kept:
        raise InputError(path, "exclude: leaves no run", "exclude less")
    for number, override in enumerate(declared["overrides"]):
        require_match(override["match"], kept, declared, path, f"overrides[{number}].match")
        _check_model_settings(override, kept, models, path, f"overrides[{number}].set.model")
    return tuple(
        _run_of(each, declared, defaults, datasets[each["dataset"]], models[each["model"]], path)
        for each in kept
    )


def _run_of(
    combination: Settings,
    declared: Settings,
    defaults: Settings,
    dataset: Dataset,
    model: Settings,
    path: Path,
) -> Run:
    changes = [each["set"] for each in declared["overrides"] if matches(combination, each["match"])]
    layers = [{"task": dataset.task}, model, declared, *changes]
    settings = {
        **combination,
        "model": {
            "name": combination["model"],
            "class": model["class"],
            "settings": section("model", [{"model": model["settings"]}, *changes]),
        },
        "device": declared.get("device", defaults["device"]),
        "launcher": _launcher(combination, declared.get("launcher", defaults["launcher"])),
    }
    if dataset.kind != "events":
        own = {key: section(key, [defaults, *layers]) for key in ("task", "training")}
        return Run(canonical(settings | own))
    own, trained_before = event_sections(settings, defaults, model, layers, path)
    if trained_before is None:
        return Run(canonical(settings | own))
    encoder = Run(canonical(trained_before))
    own["task"] |= {"encoder": {"run": encoder.id}}
    return Run(canonical(settings | own), encoder)


def _launcher(combination: Settings, declared: str) -> str:
    """What `auto` stands for: nothing to launch for one worker, but `dask-ddp` always lives in Dask workers."""
    if declared != "auto":
        return declared
    return "dask" if combination["workers"] > 1 or combination["batching"] == "dask-ddp" else "none"


def matches(combination: Settings, match: Settings) -> bool:
    """Has the combination each value of `match`, or one of them where it lists several?"""
    return all(combination[key] in several(wanted) for key, wanted in match.items())


def require_match(
    match: Settings, combinations: Sequence[Settings], declared: Settings, path: Path, key: str
) -> None:
    """Raise `InputError` unless every value of `match` is in the study and some run has all of them."""
    for axis, wanted in match.items():
        for value in several(wanted):
            require_known(value, declared[LISTS[axis]], path, f"{key}.{axis}")
    if not any(matches(each, match) for each in combinations):
        raise InputError(path, f"{key}: matches no run of this study", "mend or remove it")


def _check_model_settings(
    override: Settings, combinations: Sequence[Settings], models: Mapping[str, Settings], path: Path, key: str
) -> None:
    """A class whose source does not tell its settings takes those of config/models.yaml."""
    changed = override["set"].get("model", {})
    for name in sorted({each["model"] for each in combinations if matches(each, override["match"])}):
        usual = {"properties": dict.fromkeys(models[name]["settings"], True), "additionalProperties": False}
        schema = settings_schema(models[name]["class"]) or usual
        check(changed, {**schema, "required": []}, path, f"{key} ({name})")
