"""Writes `report.html`: one page that needs nothing but itself, from a study's results.

What is on it comes from `tables`, `figures` (as saved), `findings` and `provenance`; how it looks is
in page.html.j2.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from stgnn.errors import InputError
from stgnn.files import write_text
from stgnn.report.collect import read_frame
from stgnn.report.findings import find
from stgnn.report.formats import to_html
from stgnn.report.inline import DARK_COLOURS, inline_svg, sparkline, variable
from stgnn.report.metrics import metric_of
from stgnn.report.provenance import dataset_facts, hardware, software
from stgnn.report.results import RunResult, number, read_epochs, read_runs, read_settings
from stgnn.report.summary import MISSING, format_digits
from stgnn.report.tables import make_table
from stgnn.report.templates import render
from stgnn.scores import HEADLINE
from stgnn.study import Study

logger = logging.getLogger(__name__)

APART = ("regime", "batching", "workers", "seed")

# What a figure shows, for its caption where the pipeline gives none, and for who cannot see it.
SHOWN = {
    "curves": "The validation score after each epoch: mean over the seeds, with a band from the least to the most; "
    "dotted lines are models without epochs",
    "memory": "Memory of each run's first worker from its start to its end, every seed a line",
    "horizon": "Test MAE at each forecast step: mean over the seeds, with a band from the least to the most",
    "bars": "Run time and peak private memory: mean over the seeds, with a whisker from least to most",
    "tradeoff": "The test score against the time of an epoch: mean over the seeds, with whiskers from least to most",
    "scaling": "{measured} against {against}: mean over the seeds, with a band from the least to the most",
}


@dataclass(frozen=True)
class RunRow:
    """One run of the page's last table."""

    result: RunResult
    parameters: str
    epochs: str
    validation: str
    test: str
    seconds: str
    megabytes: str
    curve: Markup


def write_page(
    study: Study,
    runs: Path,
    run_folders: Sequence[Path],
    figures: Path,
    stores: Path,
    out: Path,
    command: str,
) -> None:
    """Write the study's page to `out`, whole or not at all; equal inputs give equal bytes.

    Args:
        study: what was declared; its title, tables, figures, references, baseline and datasets are used.
        runs: the study's `runs.csv`.
        run_folders: the folders of its runs, in order.
        figures: the folder of its saved figures (`<name>.svg`).
        stores: the folder of the stores' manifests.
        command: how to make all of it again, as the reader would type it.

    Raises:
        InputError: a result file, figure or manifest is missing or broken; names it.
    """
    frame = read_frame(runs)
    results = read_runs(run_folders)
    frequencies = {name: dataset.frequency for name, dataset in study.datasets.items()}
    tables = [make_table(frame, spec, study.references, study.baseline, frequencies) for spec in study.tables]
    page = render(
        "page.html.j2",
        study=study,
        findings=find(frame, study.baseline),
        tables=[(table, Markup(to_html(table))) for table in tables],
        figures=[_figure(spec, figures, results) for spec in study.figures],
        runs=[_run_row(result) for result in results],
        score=" or ".join(dict.fromkeys(metric_of(HEADLINE[result.task]).label for result in results)),
        several_workers=len({result.workers for result in results}) > 1,
        settings=list(_settings(results)),
        seeds=sorted({result.seed for result in results}),
        datasets=dataset_facts(study.datasets, stores),
        software=software(),
        hardware=hardware(results),
        command=command,
        colours=[(variable(light), light, dark) for light, dark in DARK_COLOURS.items()],
    )
    write_text(out, page)
    logger.info("report written to %s", out)


def _figure(spec: Mapping[str, Any], folder: Path, results: Sequence[RunResult]) -> tuple[str, str, Markup]:
    """Name, caption and drawing of a saved figure."""
    path = folder / f"{spec['name']}.svg"
    try:
        svg = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(path, "no such file", "plot the study's figures first") from None
    if "<svg" not in svg:
        raise InputError(path, "not an SVG figure", "plot the study's figures again")
    against = "the number of workers"
    if spec.get("against", "workers") != "workers":
        against = metric_of(spec["against"]).label.lower()
    shown = SHOWN[spec["kind"]].format(measured=metric_of(spec.get("metric", "")).label, against=against)
    datasets = ", ".join(dict.fromkeys(result.dataset for result in results))
    models = ", ".join(dict.fromkeys(result.model for result in results))
    label = f"{shown}. Datasets: {datasets}. Models: {models}."
    return spec["name"], spec.get("caption") or f"{shown}.", inline_svg(svg, spec["name"], label)


def _run_row(result: RunResult) -> RunRow:
    scores = result.scores
    return RunRow(
        result=result,
        parameters=_count(scores.get("parameters")),
        epochs=f"{_count(scores.get('best_epoch'))} of {_count(scores.get('epochs'))}",
        validation=_shown(result.headline("validation")),
        test=_shown(result.headline("test")),
        seconds=_shown(result.stats.get("total"), 3),
        megabytes=_shown(result.stats.get("max_private_mem"), 3),
        curve=sparkline(list(read_epochs(result.folder, result.predicted)[result.predicted.validation])),
    )


def _count(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}"


def _settings(results: Sequence[RunResult]) -> Iterator[tuple[str, str, list[RunResult]]]:
    """Settings that several runs share, as YAML without what tells those runs apart: name, text, runs."""
    shared: dict[tuple[str, str], list[RunResult]] = {}
    for result in results:
        settings = {key: each for key, each in read_settings(result.folder).items() if key not in APART}
        text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
        shared.setdefault((f"{result.dataset}, {result.model}", text), []).append(result)
    for (name, text), members in shared.items():
        yield name, text, members


def _shown(value: Any, digits: int = 5) -> str:
    measured = number(value)
    return format_digits(measured, digits) if abs(measured) < float("inf") else MISSING
