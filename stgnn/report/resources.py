"""Cost figures: memory over the time of a run, and bars of run time and peak memory."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from stgnn.report.metrics import metric_of
from stgnn.report.results import RunResult, read_system
from stgnn.report.style import INK, MUTED, PANEL_WIDTH, add_legend, batching_colours, panels, say_empty
from stgnn.report.summary import MISSING, format_digits, summarise

KINDS = {"Private_Memory_Used": ("private", "-", 1.5), "Shared_Memory_Used": ("shared", (0, (1, 1.2)), 1.2)}
BAR_METRICS = ("total", "max_private_mem")
BAR_INCHES = 0.24
GIGABYTE = 1024.0  # MB
MOST_TITLE = 34  # characters on one line over a panel


def draw_memory(runs: Sequence[RunResult]) -> Figure:
    """Draw private and shared memory over the time of each run: a panel a dataset and model, a line a run.

    Models trained in several batchings are shown where there are any, and models without epochs only
    where there are no others: the figure is there to compare.
    """
    chosen = _to_compare(runs)
    pairs = list(dict.fromkeys((run.dataset, run.model) for run in chosen))
    batchings = batching_colours(list(dict.fromkeys(run.batching for run in runs)))
    models = len({model for _, model in pairs})
    figure, grid = panels([_title(*pair) for pair in pairs], models if 1 < models <= 3 else 3)
    for axes, pair in zip(grid, pairs, strict=True):
        here = [run for run in chosen if (run.dataset, run.model) == pair]
        _say_peaks(axes, here)
        _draw_usage(axes, {run.run: (run.batching, read_system(run.folder)) for run in here}, batchings)
    entries: list[tuple[str, Mapping[str, object]]] = [
        (name, {"color": colour, "linewidth": 2}) for name, colour in batchings.items()
    ]
    entries += [
        (label, {"color": INK, "linestyle": dash, "linewidth": wide}) for label, dash, wide in KINDS.values()
    ]
    add_legend(figure, entries)
    return figure


def draw_bars(runs: Sequence[RunResult]) -> Figure:
    """Draw run time and peak private memory as bars: mean over seeds, whisker from least to most."""
    datasets = list(dict.fromkeys(run.dataset for run in runs))
    batchings = batching_colours(list(dict.fromkeys(run.batching for run in runs)))
    figure, grid = panels([dataset for dataset in datasets for _ in BAR_METRICS], across=len(BAR_METRICS))
    most = 0
    for position, axes in enumerate(grid):
        dataset, metric = datasets[position // len(BAR_METRICS)], BAR_METRICS[position % len(BAR_METRICS)]
        chosen = [run for run in runs if run.dataset == dataset]
        if position % len(BAR_METRICS):
            axes.set_title("")
            axes.tick_params(labelleft=False)
        most = max(most, _draw_bar_panel(axes, chosen, metric, batchings))
    figure.set_size_inches(PANEL_WIDTH * len(BAR_METRICS), len(datasets) * (0.9 + BAR_INCHES * most) + 0.5)
    add_legend(figure, [(name, {"color": colour, "linewidth": 5}) for name, colour in batchings.items()])
    return figure


def _to_compare(runs: Sequence[RunResult]) -> list[RunResult]:
    trained = [run for run in runs if (run.scores.get("epochs") or 0) > 1] or list(runs)
    batchings: dict[tuple[str, str], set[str]] = {}
    for run in trained:
        batchings.setdefault((run.dataset, run.model), set()).add(run.batching)
    return [run for run in trained if len(batchings[run.dataset, run.model]) > 1] or trained


def _title(dataset: str, model: str) -> str:
    together = f"{dataset}, {model}"
    return together if len(together) <= MOST_TITLE else f"{dataset},\n{model}"


def _say_peaks(axes: Axes, runs: Sequence[RunResult]) -> None:
    """Name the peaks under the title: stats.csv has them exactly, the samples of the line may miss them."""
    peaks = {}
    for batching in dict.fromkeys(run.batching for run in runs):
        peak = summarise(run.stats.get("max_private_mem", np.nan) for run in runs if run.batching == batching)
        if peak:
            peaks[batching] = f"{batching} {peak.mean:,.0f} MB"
    axes.set_title(axes.get_title(loc="left"), pad=17)
    if peaks:
        text = f"peak private: {', '.join(peaks.values())}"
        axes.text(0, 1.03, text, transform=axes.transAxes, color=MUTED, fontsize=7.5)


def _draw_usage(
    axes: Axes, usage: Mapping[str, tuple[str, pd.DataFrame]], batchings: Mapping[str, str]
) -> None:
    usage = {run: (batching, table) for run, (batching, table) in usage.items() if len(table)}
    if not usage:
        say_empty(axes, "no samples")
        return
    longest = max(float(table["Timestamp"].max()) for _, table in usage.values())
    most = max(float(table[list(KINDS)].max().max()) for _, table in usage.values())
    seconds, unit_of_time = (
        (3600.0, "h") if longest > 3 * 3600 else (60.0, "min") if longest > 600 else (1.0, "s")
    )
    megabytes, unit = (GIGABYTE, "GB") if most > 10 * GIGABYTE else (1.0, "MB")
    for batching, table in usage.values():
        for column, (_, dash, wide) in KINDS.items():
            x, y = table["Timestamp"] / seconds, table[column] / megabytes
            # A run too short for two samples would leave no line at all.
            axes.plot(x, y, color=batchings[batching], linestyle=dash, linewidth=wide, alpha=0.85,
                      marker="o" if len(table) == 1 else "", clip_on=False)  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, longest / seconds or 1.0)
    axes.set_ylabel(f"Memory ({unit})")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if most / megabytes > 10 else "{x:g}"))
    axes.set_xlabel(f"Time since start ({unit_of_time})")


def _draw_bar_panel(axes: Axes, runs: Sequence[RunResult], metric: str, batchings: Mapping[str, str]) -> int:
    """Draw one metric of one dataset; return the number of bars."""
    models = list(dict.fromkeys(run.model for run in runs))
    bars = 0
    ticks: list[float] = []
    for model in models:
        start = bars
        for batching in dict.fromkeys(run.batching for run in runs if run.model == model):
            values = [
                run.stats.get(metric, np.nan)
                for run in runs
                if (run.model, run.batching) == (model, batching)
            ]
            _draw_bar(axes, bars + 0.5 * len(ticks), values, batchings[batching])
            bars += 1
        ticks.append((start + bars - 1) / 2 + 0.5 * len(ticks))
    described = metric_of(metric)
    axes.set(yticks=ticks, yticklabels=models, xlabel=f"{described.label} ({described.unit})")
    axes.invert_yaxis()
    axes.margins(x=0.2)  # room for the labels
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    return bars


def _draw_bar(axes: Axes, place: float, values: Sequence[float], colour: str) -> None:
    summary = summarise(values)
    if summary is None:
        axes.text(0, place, MISSING, va="center", color=MUTED)
        return
    finite = [value for value in values if np.isfinite(value)]
    axes.barh(place, summary.mean, height=0.85, color=colour)
    axes.hlines(place, min(finite), max(finite), color=INK, linewidth=1)
    axes.annotate(
        format_digits(summary.mean, 3), (max(finite), place), xytext=(5, 0), textcoords="offset points",
        va="center", fontsize=7.5,
    )  # fmt: skip
