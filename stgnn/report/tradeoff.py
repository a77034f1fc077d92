"""Trade-off figures: what a model reaches on the test split against what an epoch of it costs."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

from stgnn.report.metrics import metric_of
from stgnn.report.panels import by_workers
from stgnn.report.results import RunResult
from stgnn.report.style import INK, MARKERS, add_legend, batching_colours, model_colours, panels, say_empty
from stgnn.scores import HEADLINE

COST = "epoch_seconds"
Key = tuple[str, str]  # model, batching
Point = tuple[float, float]
# Where a name may stand, in points from what it names: right above, left above, right below, left below, farther up.
PLACES: tuple[tuple[int, int, Literal["left", "right"]], ...] = (
    (5, 3, "left"), (-5, 3, "right"), (5, -9, "left"), (-5, -9, "right"), (5, 12, "left"), (-5, 12, "right"),
)  # fmt: skip


def draw_tradeoff(runs: Sequence[RunResult]) -> Figure:
    """Draw the test score against the seconds of an epoch: a panel a dataset, a named point each model and batching.

    A point is the mean over the seeds, its whiskers go from least to most. Models that are not trained have no epoch
    worth a time: they are level lines.
    """
    shown = by_workers(runs)
    figure, grid = panels(list(shown), across=2)
    looks = _looks(runs)
    points = []
    for axes, chosen in zip(grid, shown.values(), strict=True):
        trained = [run for run in chosen if run.scores["parameters"]]
        _draw_levels(axes, [run for run in chosen if not run.scores["parameters"]])
        points.append(_draw_points(axes, trained, looks))
        axes.set_xlabel("Time of an epoch (s)")
        axes.set_ylabel(f"Test {metric_of(HEADLINE[chosen[0].task]).label}")
    several = len({run.batching for run in runs}) > 1
    entries = {key[several]: look for key, look in looks.items()}
    add_legend(figure, [(name, {**look, "linestyle": ""}) for name, look in entries.items()])
    figure.draw_without_rendering()  # where the points are is known from here on
    for axes, named in zip(grid, points, strict=True):
        _name_points(axes, named)
    return figure


def _draw_points(
    axes: Axes, runs: Sequence[RunResult], looks: Mapping[Key, Mapping[str, Any]]
) -> dict[Key, Point]:
    """Draw them; return where they are."""
    together: dict[Key, list[tuple[float, float]]] = {}
    for run in runs:
        point = (run.stats.get(COST, np.nan), run.headline("test"))
        if np.isfinite(point).all():
            together.setdefault((run.line, run.batching), []).append(point)
    if not together:
        say_empty(axes, "no finite values")
        return {}
    drawn: dict[Key, Point] = {}
    for key, points in together.items():
        seconds, scores = np.array(points).T
        x, y = seconds.mean(), scores.mean()
        whiskers = [[y - scores.min()], [scores.max() - y]]
        axes.errorbar(x, y, yerr=whiskers, elinewidth=1, **looks[key])
        drawn[key] = (x, y)
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return drawn


def _name_points(axes: Axes, points: Mapping[Key, Point]) -> None:
    """Write each point's name beside it, from the left, where no other name or point is, if there is such a place."""
    half = 2.5 * axes.figure.dpi / 72  # of a marker, in pixels
    taken = [
        Bbox.from_extents(x - half, y - half, x + half, y + half)
        for x, y in axes.transData.transform(np.array(list(points.values())).reshape(-1, 2))
    ]
    for (name, _), point in sorted(points.items(), key=lambda item: item[1]):
        label = axes.annotate(name, point, xytext=(0, 0), textcoords="offset points", fontsize=7, color=INK)
        for right, up, side in PLACES:
            label.set_position((right, up))
            label.set_horizontalalignment(side)
            place = label.get_window_extent()
            if not place.count_overlaps(taken):
                break
        taken.append(place)


def _draw_levels(axes: Axes, runs: Sequence[RunResult]) -> None:
    for model in dict.fromkeys(run.line for run in runs):
        level = np.mean([run.headline("test") for run in runs if run.line == model])
        if np.isfinite(level):
            axes.axhline(float(level), color=INK, linewidth=0.9, linestyle=(0, (1, 2)), alpha=0.6)
            axes.annotate(
                model, (0, float(level)), xycoords=("axes fraction", "data"), xytext=(3, 2),
                textcoords="offset points", fontsize=7, color=INK,
            )  # fmt: skip


def _looks(runs: Sequence[RunResult]) -> dict[Key, dict[str, Any]]:
    """Models by colour; where there are several batchings, these by colour, for points bear their model's name."""
    trained = [run for run in runs if run.scores["parameters"]] or list(runs)
    models = list(dict.fromkeys(run.line for run in trained))
    batchings = list(dict.fromkeys(run.batching for run in trained))
    own = batching_colours(batchings) if len(batchings) > 1 else model_colours(models)
    return {
        (run.line, run.batching): {
            "color": own.get(run.batching) or own[run.line],
            "marker": MARKERS[models.index(run.line) % len(MARKERS)] if len(batchings) == 1 else "o",
            "markersize": 5, "markeredgecolor": INK, "markeredgewidth": 0.3,
        }
        for run in trained
    }  # fmt: skip
