"""Scaling figures, and what becomes of other figures, tables and findings when a study has several worker counts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stgnn.errors import InputError
from stgnn.report.figures import make_figure
from stgnn.report.findings import find
from stgnn.report.results import read_runs
from stgnn.report.tables import make_table

MakeRun = Callable[..., Path]
MakeFrame = Callable[..., pd.DataFrame]
WORKERS = (1, 2, 4)


def _draw(folders: list[Path], kind: str = "scaling", **spec: Any) -> Figure:
    return make_figure(read_runs(folders), {"name": "f", "kind": kind, **spec})


def _line(axes: Axes, label: str) -> Any:
    """The line of a panel that looks as the legend says under `label`."""
    (legend,) = axes.figure.legends
    handles = dict(zip([text.get_text() for text in legend.get_texts()], legend.legend_handles, strict=True))
    look = handles[label]
    return next(
        line for line in axes.lines
        if (line.get_color(), line.get_marker()) == (look.get_color(), look.get_marker())  # type: ignore[union-attr]
    )  # fmt: skip


def _costs(make_run: MakeRun, batching: str, totals: dict[int, list[float]], **changes: Any) -> list[Path]:
    return [
        make_run(batching=batching, workers=workers, seed=seed, stats={"total": total, **changes})
        for workers, several in totals.items()
        for seed, total in enumerate(several)
    ]


def test_line_is_the_mean_over_seeds_with_a_band_and_an_ideal_beside_it(make_run: MakeRun) -> None:
    folders = _costs(make_run, "distributed-index", {4: [30.0, 34.0], 1: [98.0, 102.0], 2: [51.0, 53.0]})
    folders += _costs(make_run, "dask-ddp", {2: [90.0], 4: [80.0]})
    figure = _draw(folders, metric="total")
    (axes,) = figure.axes
    ours = _line(axes, "distributed-index")
    assert list(ours.get_xdata()) == [1, 2, 4] and list(ours.get_ydata()) == [100, 52, 32]
    assert list(_line(axes, "dask-ddp").get_ydata()) == [90, 80]
    np.testing.assert_allclose(_line(axes, "ideal").get_ydata(), [100, 50, 25])
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (30, 102)
    assert axes.get_ylabel() == "Runtime (s)" and axes.get_yscale() == axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "4"]


def test_the_ideal_of_a_throughput_rises_and_other_metrics_have_none(make_run: MakeRun) -> None:
    folders = [make_run(workers=w, stats={"windows_per_second": 10.0 * w**0.5, "data_mb_per_epoch": w - 1.0})
               for w in (2, 8)]  # fmt: skip
    (axes,) = _draw(folders, metric="windows_per_second").axes
    np.testing.assert_allclose(_line(axes, "ideal").get_ydata(), np.array([1, 4]) * 10 * 2**0.5)
    (axes,) = _draw(folders, metric="data_mb_per_epoch").axes
    (line,) = axes.lines
    assert list(line.get_ydata()) == [1, 7] and axes.get_yscale() == "linear" and axes.get_ylim()[0] == 0


def test_an_error_is_that_of_the_split_asked_for(make_run: MakeRun) -> None:
    folders = [make_run(workers=workers) for workers in WORKERS]
    runs = read_runs(folders)
    (axes,) = _draw(folders, metric="mae", split="validation").axes
    assert list(axes.lines[0].get_ydata()) == [run.scores["splits"]["validation"]["mae"] for run in runs]
    assert axes.get_ylabel() == "Validation MAE (mph)"
    (axes,) = _draw(folders, metric="rmse").axes
    assert list(axes.lines[0].get_ydata()) == [run.scores["splits"]["test"]["rmse"] for run in runs]


def test_each_dataset_has_a_panel_and_several_models_keep_their_colours(make_run: MakeRun) -> None:
    folders = [
        make_run(dataset=dataset, model=model, batching=batching, workers=workers)
        for dataset in ("pems-bay-67", "chickenpox-hungary")
        for model in ("tgcn", "dcrnn")
        for batching in ("dask-ddp", "distributed-index")
        for workers in WORKERS
    ]
    figure = _draw(folders, metric="total")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["pems-bay-67", "chickenpox-hungary"]
    _, tgcn, tgcn_too, dcrnn, _ = figure.axes[0].lines
    assert tgcn.get_color() == tgcn_too.get_color() != dcrnn.get_color()
    assert tgcn.get_linestyle() != tgcn_too.get_linestyle()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == 5 and "tgcn, dask-ddp" in labels


def test_one_number_of_workers_and_an_unrecorded_metric_are_refused(make_run: MakeRun) -> None:
    with pytest.raises(
        InputError, match=r"figure 'f': all runs have 2 workers, which shows no scaling; list"
    ):
        _draw([make_run(workers=2), make_run(workers=2, seed=1)], metric="total")
    with pytest.raises(InputError, match="no run recorded 'sync_mb_per_epoch'"):
        _draw([make_run(workers=workers) for workers in (1, 4)], metric="sync_mb_per_epoch")


@pytest.mark.parametrize("kind", ["curves", "horizon", "bars", "memory"])
def test_other_figures_never_mix_numbers_of_workers(make_run: MakeRun, kind: str) -> None:
    folders = [
        make_run(batching=batching, workers=workers, seed=seed, model="tgcn")
        for workers in (4, 1)
        for batching in ("dask-ddp", "distributed-index")
        for seed in (0, 1)
    ]
    both, alone = _draw(folders, kind), _draw(folders[4:], kind)
    titles = [axes.get_title(loc="left").replace("\n", " ") for axes in both.axes]
    ours = [each for each in titles if each]
    named = "pems-bay-67, tgcn" if kind == "memory" else "pems-bay-67"
    assert ours == [f"{named}, 1 worker", f"{named}, 4 workers"]
    here = both.axes[titles.index(f"{named}, 1 worker")]
    drawn, expected = ([line.get_ydata() for line in axes.lines] for axes in (here, alone.axes[0]))
    assert len(drawn) == len(expected) and all(map(np.array_equal, drawn, expected))
    assert [bar.get_width() for bar in here.patches] == [bar.get_width() for bar in alone.axes[0].patches]


def test_panels_of_one_dataset_share_their_range(make_run: MakeRun) -> None:
    folders = [make_run(workers=workers) for workers in (1, 4)]
    folders.append(make_run(dataset="chickenpox-hungary", workers=1))
    one, four, other = _draw(folders, "horizon").axes
    assert one.get_ylim() == four.get_ylim() != other.get_ylim()


def _measured(batching: str, value: float, metric: str = "total", seed: int = 0) -> tuple[Any, ...]:
    split, unit = ("test", "mph") if metric == "mae" else ("", "s")
    return "a", "x", batching, seed, split, None, metric, value, unit


def _table(frame: pd.DataFrame, metric: str, baseline: dict[str, Any] | None = None) -> Any:
    spec = {"name": "t", "rows": ["batching", "workers"], "columns": [{"metric": metric}]}
    return make_table(frame, spec, baseline=baseline)


def _many(metric: str, **values: list[float]) -> list[tuple[Any, ...]]:
    return [_measured(batching.replace("_", "-"), value, metric, seed)
            for batching, seeds in values.items() for seed, value in enumerate(seeds)]  # fmt: skip


@pytest.mark.parametrize("metric", ["total", "mae"])
def test_the_best_is_sought_at_each_number_of_workers(make_frame: MakeFrame, metric: str) -> None:
    frame = make_frame(
        *_many(metric, index=[50, 51]),
        by_workers={2: _many(metric, dask_ddp=[30, 31], distributed_index=[20, 21]),
                    4: _many(metric, dask_ddp=[9, 9.1], distributed_index=[12, 12.1])},
    )  # fmt: skip
    table = _table(frame, metric)
    assert [row.labels for row in table.rows if row.cells[0].best] == [
        ("distributed-index", "2"),
        ("dask-ddp", "4"),
    ]
    assert any("the best of a dataset at each number of workers" in note for note in table.notes)


def test_ratio_is_to_as_many_workers_unless_the_baseline_names_them(make_frame: MakeFrame) -> None:
    frame = make_frame(
        _measured("dask-ddp", 100),
        by_workers={2: [_measured("dask-ddp", 80), _measured("distributed-index", 40)],
                    4: [_measured("distributed-index", 25)]},
    )  # fmt: skip
    table = _table(frame, "total", {"batching": "dask-ddp"})
    ratios = {row.labels: row.cells[0].ratio for row in table.rows}
    assert ratios[("distributed-index", "2")] == 0.5 and ratios[("distributed-index", "4")] is None
    assert table.notes[-1] == "Ratio: to dask-ddp with as many workers on the same dataset."
    table = _table(frame, "total", {"batching": "dask-ddp", "workers": 1})
    assert [row.cells[0].ratio for row in table.rows] == [1.0, 0.8, 0.4, 0.25]
    assert table.notes[-1] == "Ratio: to dask-ddp, 1 worker on the same dataset."


def _texts(frame: pd.DataFrame) -> list[str]:
    return [f"{finding.about}: {finding.text}".replace("\u00a0", " ") for finding in find(frame, None)]


def test_finding_says_what_workers_bring(make_frame: MakeFrame) -> None:
    def speed(batching: str, value: float) -> tuple[Any, ...]:
        return _measured(batching, value, "windows_per_second")

    frame = make_frame(
        speed("distributed-index", 1000), speed("index", 1100),
        by_workers={2: [speed("distributed-index", 1900), speed("dask-ddp", 500)],
                    4: [speed("distributed-index", 3000), speed("dask-ddp", 400)]},
    )  # fmt: skip
    assert _texts(frame) == [
        "a: x by distributed-index trains on 3,000 windows/s with 4 workers and on 1,000 with 1: 3.00 times as many "
        "with 4 times the workers, an efficiency of 75 %.",
        "a: x by dask-ddp trains on 400 windows/s with 4 workers and on 500 with 2: 0.800 times as many with 2 times "
        "the workers, an efficiency of 40 %.",
    ]


def test_models_are_ranked_at_each_number_of_workers(make_frame: MakeFrame) -> None:
    def maes(x: float, y: float) -> list[tuple[Any, ...]]:
        return [("a", model, "distributed-index", seed, "test", None, "mae", value + seed / 100, "mph")
                for model, value in (("x", x), ("y", y)) for seed in (0, 1)]  # fmt: skip

    first, second = _texts(make_frame(*maes(1.0, 2.0), by_workers={8: maes(3.0, 1.5)}))
    assert first.startswith("a, 1 worker: x has the lowest test MAE, 1.0050 ± 0.0071 mph, 50 % below y")
    assert second.startswith("a, 8 workers: y has the lowest test MAE, 1.5050 ± 0.0071 mph, 50 % below x")


def _draw_sizes(make_run: MakeRun, **spec: Any) -> Figure:
    """A run of each regime and two seeds on datasets of 64, 256 and 128 graph nodes."""
    (run,) = read_runs([make_run()])
    runs = [
        replace(
            run, dataset=f"of-{nodes}", regime=regime, seed=seed, run=f"{nodes}-{regime}-{seed}",
            stats={"graph_nodes": nodes, "total": slow * nodes + seed},
        )
        for nodes in (64, 256, 128)
        for regime, slow in (("incremental", 3.0), ("cumulative", 1.0))
        for seed in (0, 2)
    ]  # fmt: skip
    return make_figure(runs, {"name": "f", "kind": "scaling", "metric": "total", **spec})


def test_against_a_size_all_datasets_share_a_panel_without_an_ideal(make_run: MakeRun) -> None:
    (axes,) = _draw_sizes(make_run, against="graph_nodes").axes
    incremental, cumulative = axes.lines
    assert axes.get_xlabel() == "Graph nodes" and axes.get_title() == ""
    assert list(incremental.get_xdata()) == [64, 128, 256]
    assert list(incremental.get_ydata()) == [193, 385, 769] and list(cumulative.get_ydata()) == [65, 129, 257]


def test_a_scaling_figure_is_drawn_of_the_datasets_it_names(make_run: MakeRun) -> None:
    (axes,) = _draw_sizes(make_run, against="graph_nodes", datasets=["of-64", "of-256"]).axes
    assert list(axes.lines[0].get_xdata()) == [64, 256]


def test_one_size_shows_no_scaling(make_run: MakeRun) -> None:
    with pytest.raises(InputError, match="all runs have graph nodes: 64, which shows no scaling"):
        _draw_sizes(make_run, against="graph_nodes", datasets=["of-64"])


def test_a_size_that_a_run_did_not_record_is_named(make_run: MakeRun) -> None:
    with pytest.raises(InputError, match="recorded no 'edges_per_node'"):
        _draw_sizes(make_run, against="edges_per_node")
