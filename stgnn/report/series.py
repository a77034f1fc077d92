"""Line figures: validation curves over epochs, and test error over the forecast horizon."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from stgnn.report.metrics import metric_of
from stgnn.report.panels import align, by_workers
from stgnn.report.results import RunResult, number, read_epochs
from stgnn.report.steps import step_unit
from stgnn.report.style import (
    INK,
    MARKERS,
    MUTED,
    add_legend,
    batching_lines,
    model_colours,
    panels,
    say_empty,
)
from stgnn.report.summary import format_digits
from stgnn.tasks import ENTRIES

FAR_ABOVE = 1.1  # of the top of the curves, which must not be pressed flat for a baseline's sake
WIDE_RANGE = 6  # beyond this ratio of largest to smallest value, a linear axis hides what matters
Curves = Mapping[
    tuple[str, str], pd.DataFrame
]  # (model, batching) -> one column a seed, index x; of one panel


def draw_curves(runs: Sequence[RunResult]) -> Figure:
    """Draw the validation score after each epoch: a panel a dataset and number of workers.

    A line each model and batching: the mean over the seeds, in a band from the least to the most. A mean covers the
    epochs that all seeds reached. A model without epochs (a baseline) is a level line.
    """
    shown = by_workers(runs)
    figure, grid = panels(list(shown))
    for axes, chosen in zip(grid, shown.values(), strict=True):
        curves = _over_seeds(chosen, {run.run: _validation_curve(run) for run in chosen})
        trained = {key: frame for key, frame in curves.items() if len(frame) > 1}
        _draw_lines(axes, trained, runs, marked=False)
        _draw_levels(axes, {key: frame for key, frame in curves.items() if len(frame) == 1}, runs)
        _finish(axes, trained or curves)
        judged = metric_of(chosen[0].predicted.validation)
        axes.set_ylabel(_with_unit(judged.label, chosen[0].units if judged.unit else ""))
        axes.set_xlabel("Epoch")
        if trained:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        else:
            axes.set_xticks([])
    align(grid, [chosen[0].dataset for chosen in shown.values()])
    _add_model_legend(figure, runs)
    return figure


def draw_horizon(runs: Sequence[RunResult], frequencies: Mapping[str, str | None]) -> Figure:
    """Draw the test MAE at each forecast step: a panel a dataset and number of workers, lines as in `draw_curves`."""
    runs = [run for run in runs if run.task == ENTRIES]
    shown = by_workers(runs)
    figure, grid = panels(list(shown))
    for axes, chosen in zip(grid, shown.values(), strict=True):
        length, unit = step_unit(frequencies.get(chosen[0].dataset))
        curves = _over_seeds(chosen, {run.run: _test_errors(run, length) for run in chosen})
        _draw_lines(axes, curves, runs, marked=True)
        _finish(axes, curves)
        axes.set_ylabel(_with_unit("Test MAE", chosen[0].units))
        axes.set_xlabel(_with_unit("Forecast horizon", unit) if unit else "Forecast step")
        axes.set_xticks(_step_ticks(curves))
    align(grid, [chosen[0].dataset for chosen in shown.values()])
    _add_model_legend(figure, runs)
    return figure


def _validation_curve(run: RunResult) -> pd.Series:
    epochs = read_epochs(run.folder, run.predicted)
    return pd.Series(epochs[run.predicted.validation].to_numpy(), index=epochs["epoch"].to_numpy())


def _test_errors(run: RunResult, length: float) -> pd.Series:
    entries = run.scores["splits"].get("test", {"horizon": []})["horizon"]
    return pd.Series(
        [number(entry["mae"]) for entry in entries],
        index=[entry["step"] * length for entry in entries],
        dtype=float,
    )


def _over_seeds(runs: Sequence[RunResult], series: Mapping[str, pd.Series]) -> Curves:
    """One frame for each model and batching, a column a seed; only x where all are finite stay."""
    together: dict[tuple[str, str], list[pd.Series]] = {}
    for run in runs:
        together.setdefault((run.line, run.batching), []).append(series[run.run])
    frames = {key: pd.concat(each, axis=1) for key, each in together.items()}
    return {key: frame.replace([np.inf, -np.inf], np.nan).dropna() for key, frame in frames.items()}


def _draw_lines(axes: Axes, curves: Curves, runs: Sequence[RunResult], marked: bool) -> None:
    models, lines = _looks(runs)
    for (model, batching), frame in curves.items():
        x, mean = frame.index.to_numpy(float), frame.mean(axis=1).to_numpy()
        marker = MARKERS[list(models).index(model) % len(MARKERS)] if marked else ""
        axes.plot(x, mean, color=models[model], marker=marker, markersize=3.5, **lines[batching])
        if len(frame.columns) > 1:
            low, high = frame.min(axis=1).to_numpy(), frame.max(axis=1).to_numpy()
            axes.fill_between(x, low, high, color=models[model], alpha=0.18, linewidth=0)


def _draw_levels(axes: Axes, levels: Curves, runs: Sequence[RunResult]) -> None:
    """Draw models of one epoch as level lines; one far above the curves is named at the top instead."""
    models, _ = _looks(runs)
    top = axes.get_ylim()[1] if axes.lines else np.inf
    above = []
    for (model, _), frame in levels.items():
        level = float(frame.iloc[0].mean())
        if level <= top * FAR_ABOVE:
            axes.axhline(level, color=models[model], linewidth=1.4, linestyle=(0, (1, 1.5)))
        else:
            above.append(f"{model} at {format_digits(level, 3)} ↑")
    if above:
        text = "\n".join(dict.fromkeys(above))
        axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=7.5, color=MUTED)


def _finish(axes: Axes, curves: Curves) -> None:
    if not any(len(frame) for frame in curves.values()):
        say_empty(axes, "no finite values")
        return
    _scale(axes, {key: frame for key, frame in curves.items() if len(frame)})


def _scale(axes: Axes, drawn: Curves) -> None:
    low = min(float(frame.min().min()) for frame in drawn.values())
    high = max(float(frame.max().max()) for frame in drawn.values())
    if low <= 0 or high / low <= WIDE_RANGE:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _step_ticks(curves: Curves) -> list[float]:
    """About four steps, evenly spaced and ending at the last."""
    steps = sorted({float(x) for frame in curves.values() for x in frame.index})
    return steps[:: -max(1, -(-len(steps) // 4))]


def _looks(runs: Sequence[RunResult]) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    models = list(dict.fromkeys(run.line for run in runs))
    batchings = list(dict.fromkeys(run.batching for run in runs))
    return model_colours(models), batching_lines(batchings)


def _add_model_legend(figure: Figure, runs: Sequence[RunResult]) -> None:
    models, lines = _looks(runs)
    entries = [(model, {"color": colour, "linewidth": 2}) for model, colour in models.items()]
    if len(lines) > 1:
        entries += [(batching, {"color": INK, **look}) for batching, look in lines.items()]
    add_legend(figure, entries)


def _with_unit(label: str, unit: str) -> str:
    return f"{label} ({unit})" if unit else label
