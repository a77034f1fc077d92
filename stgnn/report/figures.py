"""The figures of a study by kind, written as SVG and PNG; `series`, `resources`, `scaling` and `tradeoff` draw them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from stgnn.errors import InputError
from stgnn.report.resources import draw_bars, draw_memory
from stgnn.report.results import RunResult, read_runs
from stgnn.report.scaling import draw_scaling
from stgnn.report.series import draw_curves, draw_horizon
from stgnn.report.style import save_figure, styled
from stgnn.report.tradeoff import draw_tradeoff

logger = logging.getLogger(__name__)

KINDS = ("curves", "horizon", "memory", "bars", "scaling", "tradeoff")


def write_figures(
    run_folders: Sequence[Path],
    specs: Sequence[Mapping[str, Any]],
    folder: Path,
    frequencies: Mapping[str, str | None] | None = None,
) -> list[Path]:
    """Write each declared figure (name, kind) as `<folder>/<name>.svg` and `.png`; return the paths.

    A figure of kind scaling also declares its metric, and the split of an error. `frequencies` (dataset to "5min",
    "1h", ...) turns forecast steps into times. Equal results give equal bytes. Raises InputError for an unknown kind,
    a figure that the runs cannot fill, or a result file that is missing or broken.
    """
    runs = read_runs(run_folders)
    written: list[Path] = []
    for spec in specs:
        figure = make_figure(runs, spec, frequencies)
        with styled():
            written += save_figure(figure, folder, spec["name"])
        logger.info("figure %s written to %s", spec["name"], folder)
    return written


def make_figure(
    runs: Sequence[RunResult], spec: Mapping[str, Any], frequencies: Mapping[str, str | None] | None = None
) -> Figure:
    """Return the figure that `spec` declares, of one of the `KINDS`."""
    if spec["kind"] not in KINDS:
        raise InputError(
            f"figure '{spec['name']}'", f"unknown kind '{spec['kind']}'", f"choose from {', '.join(KINDS)}"
        )
    if not runs:
        raise InputError(f"figure '{spec['name']}'", "the study has no run to draw", "declare at least one")
    draw: dict[str, Callable[[Sequence[RunResult]], Figure]] = {
        "curves": draw_curves,
        "horizon": partial(draw_horizon, frequencies=frequencies or {}),
        "memory": draw_memory,
        "bars": draw_bars,
        "tradeoff": draw_tradeoff,
        "scaling": partial(draw_scaling, spec=spec),
    }
    with styled():
        return draw[spec["kind"]](runs)
