"""Reads the result files of one run, whoever wrote them, and refuses what is missing or broken.

Nothing is averaged or drawn here.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from stgnn.errors import InputError
from stgnn.runs import USUAL_REGIME
from stgnn.scores import ENTRY_SCORES, HEADLINE, in_full
from stgnn.tasks import ENTRIES, LINKS, PREDICTED, Predicted

RETRAIN = "train this run again"
IDENTITY = {
    "dataset": str, "model": str, "regime": str, "batching": str, "workers": int, "seed": int, "run": str,
}  # fmt: skip
ACCELERATOR = "GPU_Memory_Used"  # a column of system_stats.csv that may be empty


@dataclass(frozen=True)
class RunResult:
    """One run as its result files tell it: who it is, `metrics.json`, and the one row of `stats.csv`."""

    folder: Path
    dataset: str
    model: str
    regime: str
    batching: str
    workers: int
    seed: int
    run: str  # the folder's name, content-addressed
    units: str  # of the dataset's values; "" when it has none
    scores: Mapping[str, Any]  # metrics.json
    stats: Mapping[str, float]  # the numeric columns of stats.csv, NaN where a cell is empty
    device: str  # what stats.csv says it ran on; "" when it does not

    @property
    def task(self) -> str:
        """What it predicts: entries, links or nodes."""
        return str(self.scores.get("predict", ENTRIES))

    @property
    def predicted(self) -> Predicted:
        """What its epochs were judged by."""
        return PREDICTED[self.task]

    def headline(self, split: str) -> float:
        """The score of a split that models are ranked by; NaN where the split was not scored."""
        scores = self.scores["splits"].get(split)
        if not scores:
            return math.nan
        asked = in_full({"metric": HEADLINE[self.task]})
        inside = scores[asked["nodes"]][asked["negatives"]] if self.task == LINKS else scores
        return number(inside[asked["metric"]])

    @property
    def label(self) -> str:
        """How a person names this run."""
        batching = name_workers(self.batching, self.workers, self.workers > 1)
        return f"{self.dataset}, {self.line}, {batching}, seed {self.seed}"

    @property
    def line(self) -> str:
        """The model, and how it was trained if not by minibatches: what a figure has a line or bar for."""
        return self.model if self.regime == USUAL_REGIME else f"{self.model}, {self.regime}"


def name_workers(name: str, workers: int, several: bool = True) -> str:
    """Return `name` and how many workers it has, where a study has `several` numbers of them."""
    return f"{name}, {say_workers(workers)}" if several else name


def say_workers(workers: int) -> str:
    """Return "1 worker", "4 workers"."""
    return f"{workers} worker{'s' * (workers != 1)}"


def read_run(folder: Path) -> RunResult:
    """Read `metrics.json` and `stats.csv` of one run.

    Raises InputError naming the file when one is missing, is not what it should be, or lacks a key.
    """
    path = folder / "metrics.json"
    scores = _read_json(path)
    for key, kind in IDENTITY.items():
        _require(path, key, scores.get(key), kind)
    _require(path, "splits", scores.get("splits"), dict)
    if scores.setdefault("predict", ENTRIES) not in PREDICTED:
        raise InputError(
            path, f"predict is {scores['predict']!r}, expected one of {', '.join(PREDICTED)}", RETRAIN
        )
    check = {ENTRIES: _check_entries, LINKS: _check_links}.get(scores["predict"], _check_numbers)
    for split, values in scores["splits"].items():
        check(path, f"splits.{split}", values)
    stats, device = _read_stats(folder / "stats.csv")
    identity = {key: scores[key] for key in IDENTITY}
    return RunResult(
        folder=folder, units=scores.get("units") or "", scores=scores, stats=stats, device=device, **identity
    )


def read_runs(folders: Sequence[Path]) -> list[RunResult]:
    """Read each run once, in the order given."""
    return [read_run(folder) for folder in dict.fromkeys(folders)]


def read_epochs(folder: Path, judged: Predicted = PREDICTED[ENTRIES]) -> pd.DataFrame:
    """Return `per_epoch_stats.csv`: epoch, runtime (s), and what epochs are `judged` by; no rows without epochs."""
    path = folder / "per_epoch_stats.csv"
    epochs = _read_numbers(path, ("epoch", "runtime", judged.train, judged.validation))
    twice = epochs["epoch"][epochs["epoch"].duplicated()]
    if len(twice):
        raise InputError(path, f"epoch {twice.iloc[0]:g} is there twice", RETRAIN)
    return epochs


def read_system(folder: Path) -> pd.DataFrame:
    """Return `system_stats.csv`: Timestamp (s since the run's start) and memory columns (MB)."""
    columns = ("Timestamp", "System_Memory_Used", "Private_Memory_Used", "Shared_Memory_Used", ACCELERATOR)
    return _read_numbers(folder / "system_stats.csv", columns)


def read_settings(folder: Path) -> Mapping[str, Any]:
    """Return the resolved settings that the run was trained with (`run.yaml`)."""
    path = folder / "run.yaml"
    try:
        settings = yaml.safe_load(_read_text(path))
    except yaml.YAMLError as error:
        raise InputError(path, f"not YAML: {' '.join(str(error).split())}", RETRAIN) from error
    checked: dict[str, Any] = _require(path, "the whole file", settings, dict)
    return checked


def number(value: Any) -> float:
    """Return a recorded value as a float; what was not recorded (null, empty) is NaN."""
    return math.nan if value is None else float(value)


def _check_entries(path: Path, key: str, values: Any) -> None:
    """A split of a signal: scores pooled over the horizon, and those of each of its steps."""
    _require(path, key, values, dict)
    _require(path, f"{key}.horizon", values.get("horizon"), list)
    entries = [(key, values)]
    for position, entry in enumerate(values["horizon"]):
        where = f"{key}.horizon[{position}]"
        _require(path, where, entry, dict)
        _require(path, f"{where}.step", entry.get("step"), int)
        entries.append((where, entry))
    for where, entry in entries:
        for score in ENTRY_SCORES:
            if score not in entry:
                raise InputError(path, f"{where} lacks '{score}'", RETRAIN)
            if entry[score] is not None:
                _require(path, f"{where}.{score}", entry[score], (int, float))


def _check_links(path: Path, key: str, values: Any) -> None:
    """A split of an event stream: by whose events are counted and by what they are told from, scores."""
    _require(path, key, values, dict)
    for nodes, kinds in values.items():
        _require(path, f"{key}.{nodes}", kinds, dict)
        for kind, scores in kinds.items():
            if kind != "count":
                _check_numbers(path, f"{key}.{nodes}.{kind}", scores)


def _check_numbers(path: Path, key: str, values: Any) -> None:
    _require(path, key, values, dict)
    for score, value in values.items():
        if value is not None:
            _require(path, f"{key}.{score}", value, (int, float))


def _read_stats(path: Path) -> tuple[dict[str, float], str]:
    table = _read_csv(path)
    if len(table) != 1:
        raise InputError(path, f"{len(table)} rows, expected 1", RETRAIN)
    cells = {str(column): str(table[column].iloc[0]) for column in table.columns}
    device = cells.pop("device", "")
    return {column: _to_number(path, 0, column, cell) for column, cell in cells.items()}, device


def _read_numbers(path: Path, required: Sequence[str]) -> pd.DataFrame:
    table = _read_csv(path)
    for column in required:
        if column not in table.columns:
            raise InputError(path, f"no column '{column}', found {', '.join(table.columns)}", RETRAIN)
    columns = {
        str(column): [_to_number(path, row, str(column), cell) for row, cell in enumerate(table[column])]
        for column in table.columns
    }
    return pd.DataFrame(columns, dtype="float64")


def _read_csv(path: Path) -> pd.DataFrame:
    _read_text(path)
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise InputError(path, f"not CSV: {' '.join(str(error).split())}", RETRAIN) from error


def _to_number(path: Path, row: int, column: str, cell: str) -> float:
    try:
        return float(cell) if cell else math.nan
    except ValueError:
        raise InputError(path, f"row {row + 1}, column '{column}': '{cell}' is no number", RETRAIN) from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(path, f"not JSON at {where}: {error.msg}", RETRAIN) from error
    checked: dict[str, Any] = _require(path, "the whole file", content, dict)
    return checked


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(path, "no such file", RETRAIN) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read: {error}", RETRAIN) from error


def _require(path: Path, key: str, value: Any, kind: type | tuple[type, ...]) -> Any:
    # bool is an int to Python, never a count, seed or score to us.
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(each.__name__ for each in kinds)
        raise InputError(path, f"{key} is {type(value).__name__}, expected {expected}", RETRAIN)
    return value
