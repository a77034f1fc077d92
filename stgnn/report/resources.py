"""Cost figures: memory over the time of a run, and bars of run time and peak memory."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from stgnn.report.metrics import metric_of
from stgnn.report.panels import by_workers
from stgnn.report.results import ACCELERATOR, RunResult, name_workers, read_system
from stgnn.report.style import INK, MUTED, PANEL_WIDTH, add_legend, batching_colours, panels, say_empty
from stgnn.report.summary import MISSING, format_digits, summarise

KINDS = {
    "Private_Memory_Used": ("private", "-", 1.5),
    "Shared_Memory_Used": ("shared", (0, (1, 1.2)), 1.2),
    ACCELERATOR: ("accelerator", (0, (5, 1.5)), 1.5),
}
BAR_METRICS = ("total", "max_private_mem")
BAR_INCHES = 0.24
GIGABYTE = 1024.0  # MB
MOST_TITLE = 34  # characters on one line over a panel


def draw_memory(runs: Sequence[RunResult]) -> Figure:
    """Draw memory over the time of each run: a panel a dataset, model and number of workers, a line a run.

    It is the first worker's, its own and what it shares, and the accelerator's where there is one. Models trained in
    several batchings are shown where there are any, and models without epochs only where there are no others: the
    figure is there to compare.
    """
    chosen = _to_compare(runs)
    several = len({run.workers for run in chosen}) > 1
    together: dict[str, list[RunResult]] = {}
    for run in sorted(chosen, key=_place_in(chosen)):
        together.setdefault(_title(run.dataset, name_workers(run.line, run.workers, several)), []).append(run)
    batchings = batching_colours(list(dict.fromkeys(run.batching for run in runs)))
    models = len({run.line for run in chosen})
    figure, grid = panels(list(together), models if 1 < models <= 3 and not several else 3)
    usage = {run.run: read_system(run.folder) for run in chosen}
    for axes, here in zip(grid, together.values(), strict=True):
        _say_peaks(axes, here)
        _draw_usage(axes, {run.run: (run.batching, usage[run.run]) for run in here}, batchings)
    entries: list[tuple[str, Mapping[str, object]]] = [
        (name, {"color": colour, "linewidth": 2}) for name, colour in batchings.items()
    ]
    entries += [
        (label, {"color": INK, "linestyle": dash, "linewidth": wide})
        for column, (label, dash, wide) in KINDS.items()
        if any(_is_used(table, column) for table in usage.values())
    ]
    add_legend(figure, entries)
    return figure


def draw_bars(runs: Sequence[RunResult]) -> Figure:
    """Draw run time and peak private memory as bars: mean over seeds, whisker from least to most."""
    shown = by_workers(runs)
    chosen_of = list(shown.values())
    batchings = batching_colours(list(dict.fromkeys(run.batching for run in runs)))
    figure, grid = panels([title for title in shown for _ in BAR_METRICS], across=len(BAR_METRICS))
    most = 0
    for position, axes in enumerate(grid):
        chosen, metric = chosen_of[position // len(BAR_METRICS)], BAR_METRICS[position % len(BAR_METRICS)]
        if position % len(BAR_METRICS):
            axes.set_title("")
            axes.tick_params(labelleft=False)
        most = max(most, _draw_bar_panel(axes, chosen, metric, batchings))
    _share_lengths(grid, [runs_here[0].dataset for runs_here in chosen_of])
    figure.set_size_inches(PANEL_WIDTH * len(BAR_METRICS), len(shown) * (0.9 + BAR_INCHES * most) + 0.5)
    add_legend(figure, [(name, {"color": colour, "linewidth": 5}) for name, colour in batchings.items()])
    return figure


def _share_lengths(grid: Sequence[Axes], datasets: Sequence[str]) -> None:
    """Let a second mean the same length wherever bars of one dataset stand, and a megabyte too."""
    for column in range(len(BAR_METRICS)):
        across = grid[column :: len(BAR_METRICS)]
        for dataset in dict.fromkeys(datasets):
            alike = [axes for axes, other in zip(across, datasets, strict=True) if other == dataset]
            longest = max(axes.get_xlim()[1] for axes in alike)
            for axes in alike:
                axes.set_xlim(right=longest)


def _to_compare(runs: Sequence[RunResult]) -> list[RunResult]:
    trained = [run for run in runs if (run.scores.get("epochs") or 0) > 1] or list(runs)
    batchings: dict[tuple[str, str], set[str]] = {}
    for run in trained:
        batchings.setdefault((run.dataset, run.line), set()).add(run.batching)
    return [run for run in trained if len(batchings[run.dataset, run.line]) > 1] or trained


def _place_in(runs: Sequence[RunResult]) -> Callable[[RunResult], tuple[int, int, int]]:
    """Datasets and models in the order of the runs, workers by number."""
    datasets = list(dict.fromkeys(run.dataset for run in runs))
    models = list(dict.fromkeys(run.line for run in runs))
    return lambda run: (datasets.index(run.dataset), models.index(run.line), run.workers)


def _is_used(table: pd.DataFrame, column: str) -> bool:
    """Has this kind of memory a line? An accelerator's, where there is none, is no level line at zero."""
    return column != ACCELERATOR or bool((table[column] > 0).any())


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
            if not _is_used(table, column):
                continue
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
    models = list(dict.fromkeys(run.line for run in runs))
    bars = 0
    ticks: list[float] = []
    for model in models:
        start = bars
        for batching in dict.fromkeys(run.batching for run in runs if run.line == model):
            values = [
                run.stats.get(metric, np.nan) for run in runs if (run.line, run.batching) == (model, batching)
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
