"""Gathers the runs of a study into one tidy `runs.csv`: one line a run and metric. Averages nothing."""

import csv
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from stgnn.errors import InputError
from stgnn.files import replacing
from stgnn.report.metrics import unit_of
from stgnn.report.results import RunResult, number, read_runs
from stgnn.scores import ENTRY_SCORES
from stgnn.tasks import ENTRIES, LINKS

logger = logging.getLogger(__name__)

COLUMNS = (
    "dataset", "model", "regime", "batching", "workers", "seed", "run", "split", "horizon", "nodes", "negatives",
    "metric", "value", "unit",
)  # fmt: skip
TEXTS = ("dataset", "model", "regime", "batching", "run", "split", "nodes", "negatives", "metric", "unit")
TRAINING_FACTS = ("parameters", "best_epoch", "epochs")
Line = tuple[str | int | float, ...]
Measurement = tuple[str, int | str, str, str, str, float | int]


def collect(run_folders: Sequence[Path], out: Path) -> None:
    """Write the metrics of every run to `out` (CSV), runs in the order given, whole or not at all.

    `horizon` is empty where the metric is pooled over the horizon, `nodes` and `negatives` where it is not of
    links, `split` where it belongs to the whole run (seconds, MB, counts), `value` where it was not measurable.
    Floats are written so that they read back bit for bit.

    Raises InputError naming the file when a run's `metrics.json` or `stats.csv` is missing or broken.
    """
    runs = read_runs(run_folders)
    with replacing(out) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for run in runs:
            writer.writerows(_lines(run))
    logger.info("%d runs collected in %s", len(runs), out)


def read_frame(path: Path) -> pd.DataFrame:
    """Return `runs.csv` with `horizon` as nullable integers and `value` exact to the last bit.

    Raises InputError when the file is missing or is no `runs.csv`.
    """
    # A dataset may be called NA; and Python's float() is exact where pandas' own parser need not be.
    converters: dict[str, Callable[[str], Any]] = dict.fromkeys(TEXTS, str)
    converters["value"] = lambda cell: float(cell or "nan")
    try:
        frame = pd.read_csv(
            path,
            keep_default_na=False,
            na_values={"horizon": [""]},
            dtype={"horizon": "Int64", "workers": "int64", "seed": "int64"},
            converters=converters,
        )
    except FileNotFoundError:
        raise InputError(path, "no such file", "collect the study's runs first") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(
            path, f"not a runs.csv: {' '.join(str(error).split())}", "collect the study's runs again"
        ) from error
    if tuple(frame.columns) != COLUMNS:
        found = ", ".join(frame.columns)
        raise InputError(
            path, f"columns are {found}, expected {', '.join(COLUMNS)}", "collect the study's runs again"
        )
    return frame.astype({"value": "float64"})


def _lines(run: RunResult) -> Iterator[Line]:
    identity = (run.dataset, run.model, run.regime, run.batching, run.workers, run.seed, run.run)
    for *where, metric, value in _measurements(run):
        cell = "" if math.isnan(value) else repr(value)
        yield (*identity, *where, metric, cell, unit_of(metric, run.units))


def _measurements(run: RunResult) -> Iterator[Measurement]:
    scored = {ENTRIES: _of_entries, LINKS: _of_links}.get(run.task, _of_labels)
    for split, scores in run.scores["splits"].items():
        yield from scored(split, scores)
    for metric in TRAINING_FACTS:
        if run.scores.get(metric) is not None:
            yield "", "", "", "", metric, number(run.scores[metric])
    for metric, value in run.stats.items():
        if metric not in TRAINING_FACTS:
            yield "", "", "", "", metric, value


def _of_entries(split: str, scores: Any) -> Iterator[Measurement]:
    for entry in (scores, *scores["horizon"]):
        for metric in ENTRY_SCORES:
            yield split, entry.get("step", ""), "", "", metric, number(entry[metric])


def _of_links(split: str, scores: Any) -> Iterator[Measurement]:
    for nodes, kinds in scores.items():
        yield split, "", nodes, "", "count", number(kinds["count"])
        for negatives, values in kinds.items():
            for metric, value in values.items() if negatives != "count" else ():
                yield split, "", nodes, negatives, metric, number(value)


def _of_labels(split: str, scores: Any) -> Iterator[Measurement]:
    for metric, value in scores.items():
        yield split, "", "", "", metric, number(value)
