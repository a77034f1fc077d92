"""Which runs share a panel: those on one dataset with as many workers, for other numbers of workers train otherwise."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from stgnn.report.results import RunResult, name_workers


def by_workers(runs: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Return the runs of each panel under its title, datasets together; with one number of workers it goes unsaid."""
    several = len({run.workers for run in runs}) > 1
    together: dict[tuple[str, int], list[RunResult]] = {}
    for run in runs:
        together.setdefault((run.dataset, run.workers), []).append(run)
    datasets = list(dict.fromkeys(dataset for dataset, _ in together))
    ordered = sorted(together, key=lambda key: (datasets.index(key[0]), key[1]))
    return {name_workers(*key, several): together[key] for key in ordered}


def align(grid: Sequence[Axes], names: Sequence[str]) -> None:
    """Give all panels of one name the same range, so that they can be compared by eye."""
    for name in dict.fromkeys(names):
        alike = [axes for axes, other in zip(grid, names, strict=True) if other == name and axes.lines]
        if len({axes.get_yscale() for axes in alike}) == 1:
            low, high = zip(*(axes.get_ylim() for axes in alike), strict=True)
            for axes in alike:
                axes.set_ylim(min(low), max(high))
