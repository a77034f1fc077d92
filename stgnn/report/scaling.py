"""Scaling figures: what a study measures against how many workers it gave each run, or how large its dataset is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from stgnn.errors import InputError
from stgnn.report.metrics import DATA_UNITS, metric_of
from stgnn.report.results import RunResult, number, say_workers
from stgnn.report.style import (
    INK,
    MARKERS,
    MUTED,
    add_legend,
    batching_colours,
    batching_dashes,
    model_colours,
    panels,
    say_empty,
)
from stgnn.scores import ENTRY_SCORES

# Unit of a metric -> the power of the workers that it goes with when none of their work is lost.
IDEAL = {"s": -1.0, "windows/s": 1.0}
IDEAL_LOOK: dict[str, Any] = {"color": MUTED, "linestyle": (0, (1, 2)), "linewidth": 1.2}
MOST_LABEL = 24  # characters that leave room for the unit beside a panel
NARROW = 20.0  # largest by smallest value up to which a logarithmic axis needs more ticks than 1, 2, 5

Lines = Mapping[tuple[str, str], pd.DataFrame]  # (model, batching) -> low, mean, high by x
WORKERS = "workers"  # what x is unless the figure says


def draw_scaling(runs: Sequence[RunResult], spec: Mapping[str, Any]) -> Figure:
    """Draw a metric against the workers: a panel a dataset, a line each model and batching, a band over the seeds.

    `spec` names the metric, and the split of an error (test unless it says). Times and throughputs stand on
    logarithmic axes beside what no loss at all would make of the first line's fewest workers. `against` may name a size
    of the datasets in the place of the workers: all `datasets` of `spec`, or of the study, then share one panel.

    Raises InputError when all runs have equally many workers or one size, or none recorded the metric or that size.
    """
    metric, split = spec["metric"], spec.get("split") or "test"
    against = spec.get("against", WORKERS)
    runs = [run for run in runs if run.dataset in spec.get("datasets", (run.dataset,))]
    x = {run.run: _x_of(run, against, spec) for run in runs}
    _require_several(set(x.values()), against, spec)
    values = {run.run: value_of(run, metric, split) for run in runs}
    if all(np.isnan(value) for value in values.values()):
        raise InputError(f"figure '{spec['name']}'", f"no run recorded '{metric}'", "choose another metric")
    together = _panels_of(runs, against)
    figure, grid = panels(list(together))
    looks = _looks(runs)
    power = IDEAL.get(metric_of(metric).unit) if against == WORKERS else None
    for axes, chosen in zip(grid, together.values(), strict=True):
        lines = _lines(chosen, x, values)
        _draw(axes, lines, looks, power)
        _scale(axes, sorted({x[run.run] for run in chosen}), metric)
        axes.set_xlabel("Workers" if against == WORKERS else metric_of(against).label)
        axes.set_ylabel(_label(metric, split, chosen[0].units))
    entries = [(_name(key, runs), look) for key, look in looks.items()]
    add_legend(figure, [*entries, ("ideal", IDEAL_LOOK)] if power is not None else entries)
    return figure


def value_of(run: RunResult, metric: str, split: str) -> float:
    """Return what the run recorded of `metric`: of the split where it is an error; NaN where it did not."""
    if metric in ENTRY_SCORES:
        return number(run.scores["splits"].get(split, {}).get(metric))
    recorded = run.stats.get(metric, np.nan)
    return number(run.scores.get(metric)) if np.isnan(recorded) else recorded


def _x_of(run: RunResult, against: str, spec: Mapping[str, Any]) -> float:
    x = run.workers if against == WORKERS else run.stats.get(against, np.nan)
    if np.isnan(x):
        raise InputError(f"figure '{spec['name']}'", f"{run.label} recorded no '{against}'", "train it again")
    return x


def _require_several(found: set[float], against: str, spec: Mapping[str, Any]) -> None:
    if len(found) > 1:
        return
    (only,) = found
    if against == WORKERS:
        same, todo = say_workers(int(only)), "list several numbers under `workers:`"
    else:
        same, todo = f"{metric_of(against).label.lower()}: {only:g}", "choose datasets of several sizes"
    raise InputError(f"figure '{spec['name']}'", f"all runs have {same}, which shows no scaling", todo)


def _panels_of(runs: Sequence[RunResult], against: str) -> dict[str, list[RunResult]]:
    """The runs of each panel under its title: those on a dataset, or all where the datasets are what differs."""
    together: dict[str, list[RunResult]] = {}
    for run in runs:
        together.setdefault(run.dataset if against == WORKERS else "", []).append(run)
    return together


def _lines(runs: Sequence[RunResult], x: Mapping[str, float], values: Mapping[str, float]) -> Lines:
    together: dict[tuple[str, str], dict[float, list[float]]] = {}
    for run in runs:
        together.setdefault((run.line, run.batching), {}).setdefault(x[run.run], []).append(values[run.run])
    lines = {}
    for key, by_place in together.items():
        seeds = {place: [value for value in found if np.isfinite(value)] for place, found in by_place.items()}
        rows = {
            place: (min(found), float(np.mean(found)), max(found))
            for place, found in sorted(seeds.items())
            if found
        }
        lines[key] = pd.DataFrame.from_dict(rows, orient="index", columns=["low", "mean", "high"])
    return lines


def _draw(axes: Axes, lines: Lines, looks: Mapping[tuple[str, str], Any], power: float | None) -> None:
    drawn = {key: line for key, line in lines.items() if len(line)}
    if not drawn:
        say_empty(axes, "no finite values")
        return
    if power is not None:
        _draw_ideal(axes, drawn, power)
    for key, line in drawn.items():
        x = line.index.to_numpy(float)
        axes.plot(x, line["mean"], **looks[key])
        if (line["high"] > line["low"]).any():
            axes.fill_between(
                x, line["low"], line["high"], color=looks[key]["color"], alpha=0.18, linewidth=0
            )


def _draw_ideal(axes: Axes, lines: Lines, power: float) -> None:
    """From the fewest workers of any line, the first such line's, to the most."""
    start = min(min(line.index) for line in lines.values())
    base = next(line for line in lines.values() if start in line.index)
    x = np.array(sorted({workers for line in lines.values() for workers in line.index}), float)
    axes.plot(x, base["mean"][start] * (x / start) ** power, zorder=1, **IDEAL_LOOK)


def _scale(axes: Axes, places: Sequence[float], metric: str) -> None:
    logarithmic = metric_of(metric).unit in IDEAL
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(list(places)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    drawn = [value for line in axes.lines for value in np.asarray(line.get_ydata())]
    if logarithmic and drawn and min(drawn) > 0:
        narrow = max(drawn) / min(drawn) < NARROW
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if narrow else (1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    elif metric_of(metric).cost:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _label(metric: str, split: str, data_units: str) -> str:
    described = metric_of(metric)
    label = f"{split.capitalize()} {described.label}" if metric in ENTRY_SCORES else described.label
    unit = data_units if described.unit == DATA_UNITS else described.unit
    between = "\n" if len(label) > MOST_LABEL else " "
    return f"{label}{between}({unit})" if unit else label


def _looks(runs: Sequence[RunResult]) -> dict[tuple[str, str], dict[str, Any]]:
    """Models by colour and batchings by line; where all have one model, batchings have their own colours."""
    keys = list(dict.fromkeys((run.line, run.batching) for run in runs))
    models = list(dict.fromkeys(run.line for run in runs))
    batchings = list(dict.fromkeys(run.batching for run in runs))
    colours, own = model_colours(models), batching_colours(batchings)
    dashes = batching_dashes(batchings)
    return {
        (model, batching): {
            "color": colours[model] if len(models) > 1 else own[batching],
            "linestyle": dashes[batching] if len(models) > 1 else "-",
            "linewidth": 1.6, "marker": MARKERS[position % len(MARKERS)], "markersize": 4.5,
            "markeredgecolor": INK, "markeredgewidth": 0.3,
        }
        for position, (model, batching) in enumerate(keys)
    }  # fmt: skip


def _name(key: tuple[str, str], runs: Sequence[RunResult]) -> str:
    """What tells a line from the others."""
    axes = [
        list(dict.fromkeys(names)) for names in zip(*((run.line, run.batching) for run in runs), strict=True)
    ]
    telling = [name for name, found in zip(key, axes, strict=True) if len(found) > 1]
    return ", ".join(telling or key)
