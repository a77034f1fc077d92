"""A run's result files: right, the same for equal seeds, and the same after any interruption."""

import csv
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from stgnn.data import split_windows
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.models.base import Known
from stgnn.models.dcrnn import Seq2SeqDCRNN
from stgnn.models.linear import Linear
from stgnn.store import SignalStore
from stgnn.training import engine, pauses
from stgnn.training.engine import train_run
from stgnn.training.stop import Stopped
from tests.training.conftest import DCRNN, settings_of

LAST_VALUE = {"name": "last-value", "class": "stgnn.models.baselines.LastValue", "settings": {}}


def run(settings: dict[str, Any], store: SignalStore, folder: Path, code: str = "") -> dict[str, Any]:
    """Train and return metrics.json."""
    train_run(settings, store.path, folder, code)
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def without_clocks(folder: Path) -> tuple[Any, ...]:
    """What a run leaves, but for the times in it."""
    epochs = [
        {key: value for key, value in row.items() if key != "runtime"}
        for row in table(folder / "per_epoch_stats.csv")
    ]
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics.pop("run")  # the folder's name
    return metrics, epochs, (folder / "run.yaml").read_text()


def final_weights(folder: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(folder / "checkpoint.pt", weights_only=True)["model"]
    return weights


def test_last_value_metrics_equal_a_plain_computation(small_store: SignalStore, tmp_path: Path) -> None:
    metrics = run(settings_of(LAST_VALUE), small_store, tmp_path / "run")
    values, test = small_store.rows(0, 420), split_windows(420, 4, 3).test
    y = np.stack([values[start + 4 : start + 7] for start in test])
    error = np.abs(np.stack([values[start + 3 : start + 4] for start in test]) - y)
    found = metrics["splits"]["test"]
    assert found["count"] == (y != 0).sum()
    assert found["mae"] == pytest.approx(error[y != 0].mean(), rel=1e-5)
    assert found["horizon"][2]["rmse"] == pytest.approx(
        np.sqrt((error[:, 2][y[:, 2] != 0] ** 2).mean()), rel=1e-5
    )
    assert found["horizon"][0]["mape"] == pytest.approx(
        100 * (error[:, 0] / np.where(y[:, 0] == 0, 1, y[:, 0]))[y[:, 0] != 0].mean(), rel=1e-5
    )


@pytest.mark.parametrize("model", [None, DCRNN], ids=["linear", "dcrnn"])
def test_every_placement_trains_to_the_same_bits(
    small_store: SignalStore, tmp_path: Path, model: dict[str, Any] | None
) -> None:
    weights = {}
    for batching in ("materialised", "index", "device-index"):
        run(settings_of(model, batching=batching), small_store, tmp_path / batching)
        weights[batching] = final_weights(tmp_path / batching)
    for name, values in weights["materialised"].items():
        assert torch.equal(values, weights["index"][name]) and torch.equal(
            values, weights["device-index"][name]
        )


def test_equal_seeds_give_equal_files_and_other_seeds_other_ones(
    small_store: SignalStore, tmp_path: Path
) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(settings_of(DCRNN, seed=seed), small_store, tmp_path / folder)
    assert without_clocks(tmp_path / "a") == without_clocks(tmp_path / "b")
    assert without_clocks(tmp_path / "a")[0]["splits"] != without_clocks(tmp_path / "c")[0]["splits"]


def test_test_entries_do_not_touch_training(
    small_store: SignalStore, make_store: Callable[..., SignalStore], tmp_path: Path
) -> None:
    values = small_store.rows(0, 420)
    windows = split_windows(420, 4, 3)
    values[windows.validation.stop + 7 - 1 :] *= 2  # from the first entry after the last validation window
    other = make_store(values, null_value=0.0, name="other")
    for folder, store in (("a", small_store), ("b", other)):
        run(settings_of(DCRNN), store, tmp_path / folder)
    a, b = (without_clocks(tmp_path / folder) for folder in "ab")
    assert a[1] == b[1]  # every epoch's training and validation error
    assert a[0]["splits"]["test"] != b[0]["splits"]["test"]


def test_result_files_have_pgti_columns_first(small_store: SignalStore, tmp_path: Path) -> None:
    run(settings_of(), small_store, tmp_path / "run")
    headers = {
        "stats.csv": "preprocessing,training,total,t_mae,v_mae,system_memory_total,max_system_mem,gpu_memory_total,"
        "max_gpu_mem",
        "per_epoch_stats.csv": "epoch,runtime,t_mae,v_mae",
        "system_stats.csv": "Timestamp,System_Memory_Used,System_Memory_Total,GPU_Memory_Used,GPU_Memory_Total",
    }
    for name, header in headers.items():
        lines = (tmp_path / "run" / name).read_text().splitlines()
        assert lines[0].startswith(header)
        assert len(lines) == {"stats.csv": 2, "per_epoch_stats.csv": 4}.get(name, len(lines))
    assert yaml.safe_load((tmp_path / "run" / "run.yaml").read_text()) == settings_of()
    (stats,), epochs = (table(tmp_path / "run" / name) for name in ("stats.csv", "per_epoch_stats.csv"))
    seconds = [float(epoch["runtime"]) for epoch in epochs]
    assert float(stats["training"]) == pytest.approx(sum(seconds))
    assert float(stats["epoch_seconds"]) == pytest.approx(sum(seconds[1:]) / 2)  # not the first one


def test_learning_rate_falls_at_the_milestones(small_store: SignalStore, tmp_path: Path) -> None:
    run(settings_of(milestones=[1, 2]), small_store, tmp_path / "run")
    rates = [float(row["learning_rate"]) for row in without_clocks(tmp_path / "run")[1]]
    assert rates == pytest.approx([0.01, 0.001, 0.0001])


def test_patience_ends_training_and_the_best_weights_are_scored(
    small_store: SignalStore, tmp_path: Path
) -> None:
    metrics = run(settings_of(epochs=50, patience=3, learning_rate=0.5), small_store, tmp_path / "run")
    assert metrics["epochs"] == metrics["best_epoch"] + 3 < 50
    best = min(float(row["v_mae"]) for row in without_clocks(tmp_path / "run")[1])
    assert metrics["splits"]["validation"]["mae"] == pytest.approx(best, rel=1e-12)


def _train_until_step(
    settings: dict[str, Any], store: SignalStore, folder: Path, step: int, number: signal.Signals
) -> None:
    """Train in this process, which gets the signal `number` from itself at optimiser step `step`."""
    pauses.CHECKPOINT_SECONDS = 0.0  # a checkpoint after every step: the interruption falls inside an epoch
    take_step = engine.Run._step

    def step_then_signal(self: engine.Run, batch: object) -> torch.Tensor:
        tally = take_step(self, batch)
        if self.progress.step == step:
            os.kill(os.getpid(), number)
        return tally

    engine.Run._step = step_then_signal  # type: ignore[method-assign]
    try:
        train_run(settings, store.path, folder)
    except Stopped:
        os._exit(75)


@pytest.mark.parametrize("number, status", [(signal.SIGKILL, -9), (signal.SIGTERM, 75), (signal.SIGUSR1, 75)])
def test_an_interrupted_run_resumed_equals_one_never_interrupted(
    small_store: SignalStore, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    settings = settings_of(DCRNN)
    run(settings, small_store, tmp_path / "whole")
    for step in (5, 14):  # in the first and in the second epoch
        arguments = (settings, small_store, tmp_path / "cut", step, number)
        process = multiprocessing.get_context("fork").Process(target=_train_until_step, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == status
        assert not (tmp_path / "cut" / "metrics.json").exists()
    run(settings, small_store, tmp_path / "cut")
    assert without_clocks(tmp_path / "cut") == without_clocks(tmp_path / "whole")
    whole = final_weights(tmp_path / "whole")
    assert all(torch.equal(values, whole[name]) for name, values in final_weights(tmp_path / "cut").items())


def _die_while_saving(settings: dict[str, Any], store: SignalStore, folder: Path) -> None:
    def half_written(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    torch.save = half_written
    train_run(settings, store.path, folder)


def test_a_kill_while_a_checkpoint_is_written_leaves_nothing_for_ever(
    small_store: SignalStore, tmp_path: Path
) -> None:
    settings = settings_of(epochs=1)
    process = multiprocessing.get_context("fork").Process(
        target=_die_while_saving, args=(settings, small_store, tmp_path)
    )
    process.start()
    process.join()
    assert len(list(tmp_path.glob(".checkpoint.pt.*.partial"))) == 1
    run(settings, small_store, tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_two_processes_asked_for_one_run_train_it_one_after_the_other(
    small_store: SignalStore, tmp_path: Path
) -> None:
    settings = settings_of(DCRNN, epochs=2)
    run(settings, small_store, tmp_path / "alone")
    context = multiprocessing.get_context("fork")
    arguments = (settings, small_store.path, tmp_path / "shared")
    processes = [context.Process(target=train_run, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert without_clocks(tmp_path / "shared") == without_clocks(tmp_path / "alone")


def test_a_finished_run_asked_for_again_only_scores_again(
    small_store: SignalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(settings_of(), small_store, tmp_path / "run")
    monkeypatch.setattr(engine.Run, "_step", None)  # a training step would now fail
    assert run(settings_of(), small_store, tmp_path / "run") == first


@pytest.mark.parametrize("changed", ["settings", "data", "code"])
def test_a_checkpoint_of_another_run_is_not_gone_on_from(
    small_store: SignalStore, make_store: Callable[..., SignalStore], tmp_path: Path, changed: str
) -> None:
    other = make_store(small_store.rows(0, 420) + 1, null_value=0.0, name="other")
    settings = settings_of(learning_rate=0.02) if changed == "settings" else settings_of()
    store, code = (other if changed == "data" else small_store), ("new" if changed == "code" else "old")
    run(settings_of(), small_store, tmp_path / "run", "old")
    run(settings, store, tmp_path / "run", code)
    run(settings, store, tmp_path / "fresh", code)
    assert without_clocks(tmp_path / "run") == without_clocks(tmp_path / "fresh")


def test_a_file_that_is_no_checkpoint_is_named(small_store: SignalStore, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"checkpoint\.pt: not a checkpoint .* delete it"):
        run(settings_of(), small_store, tmp_path / "run")


def test_a_loss_that_is_no_number_ends_the_run_with_advice(small_store: SignalStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"epoch 1; lower learning_rate"):
        run(settings_of(learning_rate=3e37, clip_norm=None), small_store, tmp_path / "run")


def test_a_validation_split_without_values_is_an_error(
    small_store: SignalStore, make_store: Callable[..., SignalStore], tmp_path: Path
) -> None:
    values, validation = small_store.rows(0, 420), split_windows(420, 4, 3).validation
    values[validation.start + 4 : validation.stop + 7] = 0.0
    with pytest.raises(InputError, match="validation MAE is nan"):
        run(settings_of(), make_store(values, null_value=0.0, name="other"), tmp_path / "run")


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_null_value_that_no_float_holds_exactly_is_still_missing(
    small_store: SignalStore, make_store: Callable[..., SignalStore], tmp_path: Path, precision: str
) -> None:
    values = small_store.rows(0, 420)
    expected = run(settings_of(LAST_VALUE), small_store, tmp_path / "zeros")["splits"]["test"]["count"]
    values[values == 0] = -9999.9
    store = make_store(values, null_value=-9999.9, name="other")
    found = run(settings_of(LAST_VALUE, precision=precision), store, tmp_path / "run")
    assert found["splits"]["test"]["count"] == expected


def test_a_decoder_is_fed_the_mean_where_the_truth_is_nan(
    small_store: SignalStore,
    make_store: Callable[..., SignalStore],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = small_store.rows(0, 420) + 200
    values[np.random.default_rng(0).random(values.shape) < 0.3] = np.nan
    fed: list[float] = []
    forward = Seq2SeqDCRNN.forward

    def watch(self: Seq2SeqDCRNN, x: torch.Tensor, known: Known) -> torch.Tensor:
        if known.target_BHNF is not None:
            fed.append(float(known.target_BHNF.abs().max()))
        return forward(self, x, known)

    monkeypatch.setattr(Seq2SeqDCRNN, "forward", watch)
    store = make_store(values, null_value=float("nan"), name="other")
    run(settings_of(DCRNN, epochs=1), store, tmp_path / "run")
    assert fed and max(fed) < 10  # a raw 0 would be some 20 standard deviations away


def test_a_model_is_told_the_time_of_past_and_future_entries(
    small_store: SignalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[torch.Tensor] = []
    forward = Linear.forward

    def watch(self: Linear, x: torch.Tensor, known: Known) -> torch.Tensor:
        assert known.past_calendar_BTK is not None and known.calendar_BHK is not None
        told.append(torch.cat([known.past_calendar_BTK, known.calendar_BHK], dim=1))
        return forward(self, x, known)

    monkeypatch.setattr(Linear, "forward", watch)
    run(settings_of(epochs=1, calendar=[]), small_store, tmp_path / "run")
    day = torch.cat(told)[..., 0] + torch.cat(told)[..., 1]
    assert day.shape[1] == 4 + 3
    five_minutes = torch.full_like(day[:, 1:], 1 / 288)
    torch.testing.assert_close(day.diff(dim=1) % 7, five_minutes, rtol=0, atol=1e-5)


def test_a_store_of_another_dataset_is_refused(small_store: SignalStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds small, but the run is on metr-la"):
        run(settings_of(dataset="metr-la"), small_store, tmp_path / "run")


def test_saved_predictions_give_the_metrics(small_store: SignalStore, tmp_path: Path) -> None:
    metrics = run(settings_of(save_predictions=True), small_store, tmp_path / "run")
    forecast = xr.open_zarr(tmp_path / "run" / "predictions.zarr", consolidated=False)["forecast"]
    values, test = small_store.rows(0, 420), split_windows(420, 4, 3).test
    y = np.stack([values[start + 4 : start + 7] for start in test])
    assert forecast.shape == y.shape
    assert metrics["splits"]["test"]["mae"] == pytest.approx(
        np.abs(forecast.values - y)[y != 0].mean(), rel=1e-5
    )
    np.testing.assert_array_equal(forecast["time"].values, small_store.time[np.array(test) + 4])


def test_fewer_steps_an_epoch_are_taken_when_asked(small_store: SignalStore, tmp_path: Path) -> None:
    run(settings_of(max_steps_per_epoch=2), small_store, tmp_path / "run")
    progress = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["progress"]
    assert progress["step"] == 2 * 3 and progress["samples_seen"] == 2 * 3 * 32


def test_bytes_exchanged_are_added_up_to_the_last_one(
    small_store: SignalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(World, "take_exchanged", lambda _: (2.0**26 + 1, 1.0))
    run(settings_of(epochs=3), small_store, tmp_path / "run")
    progress = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["progress"]
    moved, reduced = progress["exchanged"]
    assert moved == reduced * (2**26 + 1)


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_other_precisions_train_to_about_the_same_error(
    small_store: SignalStore, tmp_path: Path, precision: str
) -> None:
    usual = run(settings_of(DCRNN), small_store, tmp_path / "float32")
    other = run(settings_of(DCRNN, precision=precision), small_store, tmp_path / precision)
    assert other["splits"]["test"]["mae"] == pytest.approx(usual["splits"]["test"]["mae"], rel=0.05)
