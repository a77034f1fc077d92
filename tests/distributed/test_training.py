"""Several workers train as one does: the same windows, the same losses, the same metrics."""

import csv
import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from stgnn.data.order import epoch_order
from stgnn.data.windows import split_windows
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.store import SignalStore
from stgnn.training import engine
from stgnn.training.engine import train_worker
from stgnn.training.setup import prepare
from stgnn.training.stop import Stopped
from tests.distributed.workers import run_workers
from tests.training.conftest import DCRNN, settings_of


@pytest.fixture
def store(make_store: Callable[..., SignalStore]) -> SignalStore:
    """420 entries on 3 graph nodes, unevenly full of holes: workers' shares differ in what counts."""
    rng = np.random.default_rng(7)
    wave = 50 + 10 * np.sin(np.arange(420) / 20)[:, None, None]
    values = (wave + rng.normal(0, 1, (420, 3, 1))).astype(np.float32)
    values[rng.random(values.shape) < np.linspace(0, 0.6, 420)[:, None, None]] = 0.0
    return make_store(values, null_value=0.0)


def settings(
    batching: str = "distributed-index", model: dict[str, Any] = DCRNN, **changes: Any
) -> dict[str, Any]:
    """A run whose batch of 50 windows is that of all workers together: the last of an epoch has 40."""
    return settings_of(
        model, **({"batching": batching, "batch_scope": "global", "batch_size": 50, "epochs": 2} | changes)
    )


def train(world: World, run: dict[str, Any], store: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    train_worker(run, store, folder, "", world)


def losses(world: World, run: dict[str, Any], store: Path, steps: int) -> list[float]:
    """The loss of each of the first steps, of all workers together."""
    task = engine.make_task(run, store, store.parent, world)
    state = engine.Run(task, Path("unused"), {}, None, None)  # type: ignore[arg-type]
    found: list[float] = []
    descend = state._descend

    def note(loss: torch.Tensor) -> None:
        found.append(float(world.add_up(loss.detach().clone())) / world.size)
        descend(loss)

    state._descend = note  # type: ignore[method-assign]
    while len(found) < steps:
        for batch in state._batches():
            state._step(batch)
            state.progress.batch += 1
        state.progress.epoch, state.progress.batch = state.progress.epoch + 1, 0
    return found[:steps]


@pytest.mark.parametrize("precision, tolerance", [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("batching", ["distributed-index", "device-index"])
def test_workers_at_one_global_batch_lose_what_one_worker_loses(
    store: SignalStore, batching: str, precision: str, tolerance: float
) -> None:
    run = settings(batching, precision=precision)
    alone = losses(World(), run, store.path, 20)
    for size in (2, 3):
        for each in run_workers(size, losses, run, store.path, 20):
            np.testing.assert_allclose(each, alone, rtol=tolerance)


def test_a_batch_smaller_than_the_number_of_workers_is_no_hang_and_no_other_loss(store: SignalStore) -> None:
    run = settings(precision="float64", batch_size=48)
    assert len(split_windows(420, 4, 3).train) % 48 == 2  # two windows for three workers
    alone = losses(World(), run, store.path, 14)
    np.testing.assert_allclose(run_workers(3, losses, run, store.path, 14)[2], alone, rtol=1e-10)


def read_results(folder: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    with (folder / "per_epoch_stats.csv").open() as file:
        return json.loads((folder / "metrics.json").read_text()), list(csv.DictReader(file))


def assert_same_results(found: Path, expected: Path, tolerance: float) -> None:
    (metrics, epochs), (metrics_expected, epochs_expected) = read_results(found), read_results(expected)
    for split, scores in metrics_expected["splits"].items():
        assert metrics["splits"][split]["count"] == scores["count"]  # nothing padded, nothing left out
        for name in ("mae", "rmse", "mape"):
            assert metrics["splits"][split][name] == pytest.approx(scores[name], rel=tolerance)
    for row, row_expected in zip(epochs, epochs_expected, strict=True):
        for name in ("t_mae", "v_mae"):
            assert float(row[name]) == pytest.approx(float(row_expected[name]), rel=tolerance)


def test_a_whole_run_of_three_workers_leaves_the_files_of_one(store: SignalStore, tmp_path: Path) -> None:
    run = settings(precision="float64", save_predictions=True)
    train(World(), run, store.path, tmp_path / "one")
    run_workers(3, train, run, store.path, tmp_path / "three")
    assert_same_results(tmp_path / "three", tmp_path / "one", 1e-9)
    one, three = (
        xr.open_zarr(tmp_path / name / "predictions.zarr", consolidated=False)["forecast"]
        for name in ("one", "three")
    )
    np.testing.assert_allclose(three.values, one.values, rtol=1e-5)
    np.testing.assert_array_equal(three["time"].values, one["time"].values)


def running_statistics(world: World, run: dict[str, Any], store: Path, folder: Path) -> dict[str, Any]:
    """What this worker's batch normalisations hold after training."""
    held: dict[str, Any] = {}

    class Watched(engine.Run):
        def fit(self) -> None:
            super().fit()
            held.update(
                {key: each.tolist() for key, each in self.model.state_dict().items() if "running" in key}
            )

    engine.Run = Watched  # type: ignore[misc]  # in this process, which ends with its answer
    train(world, run, store, folder)
    return held


def test_workers_agree_on_what_batch_normalisations_note(store: SignalStore, tmp_path: Path) -> None:
    sizes = {"hidden_channels": 4, "dropout": 0.5}
    model = {"name": "mpnnlstm", "class": "stgnn.models.mpnnlstm.MPNNLSTMForecaster", "settings": sizes}
    run = settings(model=model, batch_size=48, precision="float64")
    first, second, third = run_workers(3, running_statistics, run, store.path, tmp_path / "run")
    assert len(first) == 4 and all(any(values) for values in first.values())
    assert second == first and third == first


@pytest.mark.parametrize("which, rel", [("baselines.LastValue", 1e-12), ("least_squares.LeastSquares", 1e-6)])
def test_a_model_without_gradients_is_fitted_and_scored_by_all_workers(
    store: SignalStore, tmp_path: Path, which: str, rel: float
) -> None:
    model = {"name": "fitted", "class": f"stgnn.models.{which}", "settings": {}}
    train(World(), settings(model=model), store.path, tmp_path / "one")
    run_workers(2, train, settings(model=model), store.path, tmp_path / "two")
    assert_same_results(tmp_path / "two", tmp_path / "one", rel)


def windows_of_epoch(world: World, run: dict[str, Any], store: Path, epoch: int) -> list[list[int]]:
    loader = prepare(run, store, world).loaders["train"]
    return [[] if batch.padding else batch.start.tolist() for batch in loader.epoch(epoch)]


@pytest.mark.parametrize("batching", ["distributed-index", "partitioned-index"])
def test_every_window_comes_once_an_epoch_and_all_workers_take_as_many_steps(
    store: SignalStore, batching: str
) -> None:
    run = settings(batching, batch_scope="worker", batch_size=20)
    train_windows = list(split_windows(420, 4, 3).train)
    for epoch in range(2):
        parts = run_workers(3, windows_of_epoch, run, store.path, epoch)
        assert len({len(part) for part in parts}) == 1
        assert sorted(start for part in parts for batch in part for start in batch) == train_windows


def test_the_order_of_several_workers_is_that_of_one(store: SignalStore) -> None:
    run = settings()
    parts = run_workers(2, windows_of_epoch, run, store.path, 1)
    alone = windows_of_epoch(World(), run, store.path, 1)
    assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == alone
    assert alone[0] == sorted(epoch_order(290, run["seed"], 1)[:50].tolist())


def test_partitions_are_cut_anew_each_epoch_and_stay_with_their_worker(store: SignalStore) -> None:
    run = settings("partitioned-index", batch_scope="worker", batch_size=20)
    first, second = (run_workers(2, windows_of_epoch, run, store.path, epoch) for epoch in (0, 1))
    for rank in range(2):
        assert sorted(chain(*first[rank])) == sorted(chain(*second[rank]))
        assert {tuple(batch) for batch in first[rank]} != {tuple(batch) for batch in second[rank]}
    assert first == run_workers(2, windows_of_epoch, run, store.path, 0)  # by the seed


def partition_facts(world: World, run: dict[str, Any], store: Path) -> tuple[bool, float, int]:
    """Do a partition's windows hold what the store's do? What moved? How many rows are here?"""
    setup = prepare(run, store, world)
    equal = True
    for split in ("train", "validation", "test"):
        for batch in setup.loaders[split].in_time_order():
            for place, start in enumerate(batch.start.tolist()):
                whole = torch.from_numpy(setup.store.rows(start, start + setup.windows.length))
                window = torch.cat([batch.x_BLNF[place], batch.y_BHNF[place]])
                equal &= torch.equal(window, whole)
    placement: Any = setup.loaders["train"].placement
    return equal, world.bytes_moved, placement._rows.shape[0]


def test_a_partition_holds_its_windows_and_only_halos_move(store: SignalStore) -> None:
    run = settings("partitioned-index", batch_scope="worker", batch_size=20)
    facts = run_workers(3, partition_facts, run, store.path)
    assert all(equal for equal, _, _ in facts)
    halo = (4 + 3 - 1) * 3 * 4  # rows behind a window's start, times the bytes of one
    # Between the nine segments (three splits of three workers) are eight borders; rows cross where workers do.
    assert sum(moved for _, moved, _ in facts) == 8 * halo
    assert max(rows for _, _, rows in facts) < 420 * 0.45
    assert partition_facts(World(), run, store.path)[:2] == (True, 0.0)


def test_a_partitioned_run_is_whole_and_reproducible(store: SignalStore, tmp_path: Path) -> None:
    run = settings("partitioned-index", batch_scope="worker", batch_size=20)
    for name in ("once", "again"):
        run_workers(2, train, run, store.path, tmp_path / name)
    once, again = read_results(tmp_path / "once")[0], read_results(tmp_path / "again")[0]
    assert once["splits"] == again["splits"]
    count = sum((store.rows(start + 4, start + 7) != 0).sum() for start in split_windows(420, 4, 3).test)
    assert once["splits"]["test"]["count"] == count


def test_more_workers_than_batches_of_training_windows_are_refused(store: SignalStore) -> None:
    run = settings("partitioned-index", batch_scope="worker", batch_size=200)
    with pytest.raises(AssertionError, match=r"leave worker 2 of 3 without any"):
        run_workers(3, partition_facts, run, store.path)


def train_until(
    world: World, run: dict[str, Any], store: Path, folder: Path, step: int, asked_rank: int
) -> str:
    """Train; one worker is asked to stop at optimiser step `step`."""
    folder.mkdir(exist_ok=True)
    take_step = engine.Run._step

    def step_and_ask(self: engine.Run, batch: Any) -> torch.Tensor:
        tally = take_step(self, batch)
        if self.progress.step == step and world.rank == asked_rank:
            self._pauses._stop._asked = True
        return tally

    engine.Run._step = step_and_ask  # type: ignore[method-assign]
    try:
        train_worker(run, store, folder, "", world)
    except Stopped:
        return "stopped"
    finally:
        engine.Run._step = take_step  # type: ignore[method-assign]
    return "finished"


def test_one_worker_asked_to_stop_stops_all_and_the_next_attempt_ends_as_if_undisturbed(
    store: SignalStore, tmp_path: Path
) -> None:
    run = settings()
    run_workers(2, train, run, store.path, tmp_path / "whole")
    for step in (2, 9):
        answers = run_workers(2, train_until, run, store.path, tmp_path / "cut", step, 1)
        assert answers == ["stopped", "stopped"]
        assert not (tmp_path / "cut" / "metrics.json").exists()
    run_workers(2, train, run, store.path, tmp_path / "cut")
    (cut, cut_epochs), (whole, whole_epochs) = (read_results(tmp_path / name) for name in ("cut", "whole"))
    assert cut["splits"] == whole["splits"]
    drop = {"runtime"}
    assert [{k: v for k, v in row.items() if k not in drop} for row in cut_epochs] == [
        {k: v for k, v in row.items() if k not in drop} for row in whole_epochs
    ]


def test_what_workers_exchange_is_in_the_stats(store: SignalStore, tmp_path: Path) -> None:
    run_workers(2, train, settings(), store.path, tmp_path / "two")
    with (tmp_path / "two" / "stats.csv").open() as file:
        stats = next(csv.DictReader(file))
    parameters = read_results(tmp_path / "two")[0]["parameters"]
    steps = 6
    # A ring all-reduce between two brings each worker the gradients once.
    least = 2 * steps * parameters * 4 / 2**20
    assert least <= float(stats["sync_mb_per_epoch"]) < 1.2 * least + 0.01
    assert float(stats["data_mb_per_epoch"]) == 0 and stats["compute_nodes"] == "1"
    assert float(stats["max_node_mem"]) > float(stats["max_private_mem"])


def test_workers_without_a_launcher_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from stgnn.distributed.world import joined_world

    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match="RANK"), joined_world(torch.device("cpu")):
        pass
