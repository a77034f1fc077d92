"""Figures: what is drawn equals the results, equal results give equal bytes, degenerate results are drawn."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from stgnn.errors import InputError
from stgnn.report.figures import KINDS, make_figure, write_figures
from stgnn.report.results import read_epochs, read_runs

MakeRun = Callable[..., Path]
SPECS: list[dict[str, Any]] = [
    {"name": kind, "kind": kind} | ({"metric": "mae"} if kind == "scaling" else {}) for kind in KINDS
]


def _draw(folders: list[Path], kind: str, frequencies: dict[str, str] | None = None) -> Figure:
    return make_figure(read_runs(folders), {"name": kind, "kind": kind}, frequencies)


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_curve_is_the_mean_over_seeds_with_a_band_from_least_to_most(make_run: MakeRun) -> None:
    folders = [make_run(model="tgcn", seed=seed) for seed in range(3)]
    (axes,) = _draw(folders, "curves").axes
    curves = np.stack([read_epochs(folder)["v_mae"] for folder in folders])
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 31))
    np.testing.assert_allclose(line.get_ydata(), curves.mean(axis=0), rtol=1e-12)
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == curves.min(axis=0).min() and heights.max() == curves.max(axis=0).max()
    assert axes.get_ylabel() == "Validation MAE (mph)"


def test_curve_covers_the_epochs_that_all_seeds_reached(make_run: MakeRun) -> None:
    folders = [make_run(model="tgcn", seed=seed) for seed in range(2)]
    path = folders[1] / "per_epoch_stats.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:11]) + "\n")  # stopped after 10 epochs
    (axes,) = _draw(folders, "curves").axes
    assert list(axes.lines[0].get_xdata()) == list(range(1, 11))


def test_model_without_epochs_is_a_level_line_that_leaves_room_for_the_curves(make_run: MakeRun) -> None:
    near, far = make_run(model="linear"), make_run(model="historical-average")
    (axes,) = _draw([make_run(model="dcrnn"), near, far], "curves").axes
    level = read_epochs(near)["v_mae"].iloc[0]
    assert [line.get_ydata()[0] for line in axes.lines[1:]] == [level]
    assert axes.get_ylim()[1] < read_epochs(far)["v_mae"].iloc[0]
    assert any(text.startswith("historical-average at 6.98") for text in _texts(axes.figure))


def test_batchings_of_one_model_share_its_colour_but_not_its_line(make_run: MakeRun) -> None:
    (axes,) = _draw([make_run(batching="materialised"), make_run(batching="index")], "curves").axes
    below, above = axes.lines
    assert below.get_color() == above.get_color()
    assert below.get_linewidth() > above.get_linewidth()  # so that equal curves are both seen


def test_horizon_is_in_minutes_where_the_frequency_is_known(make_run: MakeRun) -> None:
    folder = make_run()
    (axes,) = _draw([folder], "horizon", {"pems-bay-67": "5min"}).axes
    assert list(axes.lines[0].get_xdata()) == [5 * step for step in range(1, 13)]
    errors = [
        entry["mae"]
        for entry in json.loads((folder / "metrics.json").read_text())["splits"]["test"]["horizon"]
    ]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), errors, rtol=1e-12)
    assert axes.get_xlabel() == "Forecast horizon (min)"
    assert sorted(axes.get_xticks()) == [15, 30, 45, 60]
    assert _draw([folder], "horizon").axes[0].get_xlabel() == "Forecast step"


def test_memory_shows_private_and_shared_of_every_run_of_a_trained_model(make_run: MakeRun) -> None:
    folders = [make_run(model=model, batching=batching) for model in ("dcrnn", "last-value")
               for batching in ("materialised", "index")]  # fmt: skip
    folders.append(make_run(model="tgcn"))  # in one batching: nothing to compare
    (axes,) = _draw(folders, "memory").axes
    assert axes.get_title(loc="left") == "pems-bay-67, dcrnn"
    assert len(axes.lines) == 4
    assert max(axes.lines[0].get_ydata()) > 4000 > 500 > max(axes.lines[2].get_ydata())
    assert any(text.startswith("peak private: materialised 4,8") for text in _texts(axes.figure))


def test_memory_of_an_accelerator_is_shown_where_there_is_one(make_run: MakeRun) -> None:
    with_one, without = make_run(), make_run(batching="device-index")
    path = with_one / "system_stats.csv"
    header, *rows = (line.split(",") for line in path.read_text().splitlines())
    for row in rows:
        row[3] = "512.5"
    path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    figure = _draw([with_one, without], "memory")
    used = [line for line in figure.axes[0].lines if set(line.get_ydata()) == {512.5}]
    assert len(figure.axes[0].lines) == 5 and len(used) == 1
    assert "accelerator" in _texts(figure) and "accelerator" not in _texts(_draw([without], "memory"))


def test_memory_of_untrained_models_is_shown_when_there_are_no_others(make_run: MakeRun) -> None:
    (axes,) = _draw([make_run(model="last-value")], "memory").axes
    assert len(axes.lines) == 2


def test_bars_are_means_over_seeds(make_run: MakeRun) -> None:
    folders = [make_run(model="tgcn", seed=seed) for seed in range(3)]
    runtime, memory = _draw(folders, "bars").axes
    runs = read_runs(folders)
    assert runtime.patches[0].get_width() == pytest.approx(np.mean([run.stats["total"] for run in runs]))
    assert memory.patches[0].get_width() == pytest.approx(
        np.mean([run.stats["max_private_mem"] for run in runs])
    )


def test_points_that_lie_together_have_names_that_do_not(make_run: MakeRun) -> None:
    ways = ["index", "materialised", "distributed-index", "dask-ddp"]
    figure = _draw([make_run(batching=way, stats={"epoch_seconds": 5.0}) for way in ways], "tradeoff")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text() == "dcrnn"]
    assert len(boxes) == len(ways)
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)  # itself


def test_same_results_give_the_same_bytes(
    make_run: MakeRun, study_folders: list[Path], tmp_path: Path, frequencies: Any
) -> None:
    few = [*study_folders[::20], make_run(workers=2)]
    for name in ("one", "other"):
        write_figures(few, SPECS, tmp_path / name, frequencies)
    for kind in KINDS:
        for suffix in ("svg", "png"):
            written = [(tmp_path / name / f"{kind}.{suffix}").read_bytes() for name in ("one", "other")]
            assert written[0] == written[1]
        Image.open(tmp_path / f"one/{kind}.png").verify()


def test_saved_figures_hold_no_date_and_keep_their_text(make_run: MakeRun, tmp_path: Path) -> None:
    svg, _ = write_figures([make_run()], [SPECS[0]], tmp_path)
    text = svg.read_text()
    assert "Validation MAE (mph)</text>" in text
    assert "<dc:date>" not in text and "Matplotlib" not in text.partition("<svg")[2]


def test_names_are_drawn_as_they_are(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run()
    metrics = json.loads((folder / "metrics.json").read_text()) | {"model": "<script>$x^2$</script>"}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    for path in write_figures([folder, make_run(workers=2)], SPECS, tmp_path):
        if path.suffix == ".svg":
            assert "<script" not in path.read_text()
    assert "&lt;script&gt;$x^2$&lt;/script&gt;</text>" in (tmp_path / "curves.svg").read_text()


def _empty(folder: Path) -> None:
    for name in ("per_epoch_stats.csv", "system_stats.csv"):
        (folder / name).write_text((folder / name).read_text().splitlines()[0] + "\n")
    metrics = json.loads((folder / "metrics.json").read_text())
    for split in metrics["splits"].values():
        for entry in (split, *split["horizon"]):
            entry["mae"] = None
    (folder / "metrics.json").write_text(json.dumps(metrics))


def _diverged(folder: Path) -> None:
    header, *rows = (folder / "per_epoch_stats.csv").read_text().splitlines()
    rows = [",".join([row.split(",")[0], "1", "nan", "nan", "0.01"]) for row in rows]
    (folder / "per_epoch_stats.csv").write_text("\n".join([header, *rows]) + "\n")


def _short(folder: Path) -> None:
    for name in ("per_epoch_stats.csv", "system_stats.csv"):
        (folder / name).write_text("\n".join((folder / name).read_text().splitlines()[:2]) + "\n")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spec", SPECS, ids=KINDS)
@pytest.mark.parametrize("damage", [_empty, _diverged, _short])
def test_degenerate_results_are_drawn_without_complaint(
    make_run: MakeRun, tmp_path: Path, spec: dict[str, Any], damage: Callable[[Path], None]
) -> None:
    folders = [make_run(workers=workers) for workers in ((1, 2) if spec["kind"] == "scaling" else (1,))]
    damage(folders[0])
    svg, png = write_figures(folders, [spec], tmp_path)
    assert svg.stat().st_size > 1000 and png.stat().st_size > 1000


def test_empty_panel_says_why(make_run: MakeRun) -> None:
    folder = make_run()
    _empty(folder)
    assert "no finite values" in _texts(_draw([folder], "curves"))
    assert "no samples" in _texts(_draw([folder], "memory"))


def test_unknown_kind_and_no_runs_are_refused(make_run: MakeRun) -> None:
    with pytest.raises(InputError, match="figure 'f': unknown kind 'pie'; choose from curves"):
        make_figure(read_runs([make_run()]), {"name": "f", "kind": "pie"})
    with pytest.raises(InputError, match="no run to draw"):
        make_figure([], SPECS[0])


@pytest.mark.parametrize(
    "name, content, problem",
    [
        ("per_epoch_stats.csv", "epoch,v_mae\n1,2\n", "no column 'runtime', found epoch, v_mae"),
        ("per_epoch_stats.csv", "epoch,runtime,t_mae,v_mae\n1,2,3,four\n", "row 1, column 'v_mae': 'four'"),
        ("per_epoch_stats.csv", "epoch,runtime,t_mae,v_mae\n1,2,3,4\n1,2,3,4\n", "epoch 1 is there twice"),
        ("system_stats.csv", None, "no such file"),
    ],
)
def test_broken_file_is_named(
    make_run: MakeRun, tmp_path: Path, name: str, content: str | None, problem: str
) -> None:
    folder = make_run()
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=f"{name}: {problem}"):
        write_figures([folder], SPECS, tmp_path / "figures")
