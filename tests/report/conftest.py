"""Result folders as `stgnn train` leaves them, made up: 2 datasets x 5 models x 2 batchings x 3 seeds."""

import csv
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from stgnn.catalog import Dataset, RawFile

DATASETS = {
    # name: (units, horizon, error after one step, growth per step, entries x graph nodes as MB)
    "pems-bay-67": ("mph", 12, 0.9, 0.11, 190.0),
    "chickenpox-hungary": ("cases", 4, 14.0, 0.9, 2.0),
}
# name: (error relative to dcrnn, epochs, seconds an epoch, parameters)
MODELS = {
    "last-value": (1.35, 1, 0.4, 0),
    "historical-average": (1.9, 1, 0.6, 0),
    "linear": (1.16, 1, 2.0, 1_584),
    "tgcn": (1.07, 30, 9.0, 25_612),
    "dcrnn": (1.0, 30, 41.0, 372_353),
}
BATCHINGS = ("materialised", "index")
SEEDS = (0, 1, 2)
FREQUENCIES = {"pems-bay-67": "5min", "chickenpox-hungary": "7D"}

MakeRun = Callable[..., Path]


def _write_csv(path: Path, columns: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def _scores(dataset: str, model: str, noise: float) -> dict[str, Any]:
    _, horizon, first, growth, _ = DATASETS[dataset]
    flat = model == "historical-average"
    by_step = [
        first * (4 if flat else 1 + growth * step * 2) * MODELS[model][0] * noise for step in range(horizon)
    ]
    entries = [
        {
            "step": step + 1,
            "count": 69_800,
            "mae": mae,
            "mse": (mae * 1.9) ** 2,
            "rmse": mae * 1.9,
            "mape": mae * 2.1,
        }
        for step, mae in enumerate(by_step)
    ]
    pooled = math.fsum(by_step) / horizon
    return {
        "count": 69_800 * horizon,
        "mae": pooled,
        "mse": (pooled * 2) ** 2,
        "rmse": pooled * 2,
        "mape": pooled * 2.2,
        "horizon": entries,
    }


def write_run(
    root: Path, dataset: str = "pems-bay-67", model: str = "dcrnn", batching: str = "index", seed: int = 0,
    scores: dict[str, Any] | None = None, workers: int = 1, stats: dict[str, Any] | None = None,
    regime: str = "minibatch",
) -> Path:  # fmt: skip
    """Write one run's result files under `root`, as the contract of `stgnn train` has them."""
    units, _, _, _, megabytes = DATASETS[dataset]
    _, epochs, seconds, parameters = MODELS[model]
    dice = random.Random(f"{dataset} {model} {seed}")  # the batching changes no number
    noise = 1.0 if parameters == 0 else 1 + dice.gauss(0, 0.004)
    clock = random.Random(f"{dataset} {model} {seed} {batching}")
    name = f"{batching}-w{workers}-s{seed}-{clock.getrandbits(32):08x}"
    folder = root / dataset / model / name
    folder.mkdir(parents=True)
    settings = {
        "dataset": dataset, "model": {"name": model, "settings": {"hidden": 64, "layers": 2}},
        "regime": regime, "batching": batching, "workers": workers, "seed": seed,
        "task": {"input_len": 12, "horizon": 12, "split": [0.7, 0.1, 0.2]},
        "training": {"epochs": epochs, "batch_size": 64, "learning_rate": 0.01},
    }  # fmt: skip
    (folder / "run.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    splits = {split: _scores(dataset, model, noise * scale)
              for split, scale in (("train", 0.93), ("validation", 1.02), ("test", 1.0))}  # fmt: skip
    if scores is not None:
        splits["test"] |= scores
    metrics = {
        "dataset": dataset, "model": model, "regime": regime, "batching": batching, "workers": workers, "seed": seed,
        "run": name,
        "parameters": parameters, "best_epoch": epochs, "epochs": epochs, "null_value": 0.0, "units": units,
        "splits": splits,
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2))
    _write_epochs(folder, splits["validation"]["mae"], epochs, seconds, dice, clock)
    _write_memory(folder, megabytes * (24 if batching == "materialised" else 0), epochs * seconds, clock)
    training = epochs * seconds * clock.uniform(0.97, 1.03)
    peak = 310 + megabytes * (24 if batching == "materialised" else 0) + clock.uniform(-5, 5)
    columns = {
        "preprocessing": 0.02 * megabytes, "training": training, "total": training + 0.02 * megabytes + 1,
        "t_mae": splits["train"]["mae"], "v_mae": splits["validation"]["mae"],
        "system_memory_total": 15_904.0, "max_system_mem": peak + megabytes,
        "gpu_memory_total": "", "max_gpu_mem": "", "max_private_mem": peak, "max_shared_mem": megabytes,
        "epochs": epochs, "windows_per_second": 36_465 / seconds, "device": "cpu",
    } | (stats or {})  # fmt: skip
    _write_csv(folder / "stats.csv", list(columns), [list(columns.values())])
    return folder


def _write_epochs(
    folder: Path, final: float, epochs: int, seconds: float, dice: random.Random, clock: random.Random
) -> None:
    rows = []
    for epoch in range(1, epochs + 1):
        left = math.exp(-epoch / 5) - math.exp(-epochs / 5)
        validation = final * (1 + 0.9 * left) * (1 + (epoch < epochs) * abs(dice.gauss(0, 0.012)))
        rows.append([epoch, seconds * clock.uniform(0.95, 1.05), validation * 0.93, validation, 0.01])
    if epochs == 1:  # a baseline has nothing to train
        rows = [[1, seconds, "", final, ""]]
    _write_csv(folder / "per_epoch_stats.csv", ["epoch", "runtime", "t_mae", "v_mae", "learning_rate"], rows)


def _write_memory(folder: Path, arrays: float, duration: float, clock: random.Random) -> None:
    rows = []
    for sample in range(60):
        second = duration * sample / 60
        filled = min(1.0, sample / 8)
        spike = arrays * 0.6 if 4 <= sample < 8 else 0.0
        private = 240 + arrays * filled + spike + 70 * (sample > 8) + clock.uniform(0, 8)
        shared = 190 * min(1.0, sample / 20) if not arrays else 40.0
        rows.append([round(second, 3), private + shared, 15_904.0, "", "", private, shared])
    columns = [
        "Timestamp", "System_Memory_Used", "System_Memory_Total", "GPU_Memory_Used", "GPU_Memory_Total",
        "Private_Memory_Used", "Shared_Memory_Used",
    ]  # fmt: skip
    _write_csv(folder / "system_stats.csv", columns, rows)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A function that writes one run's result files into this test's own folder."""

    def make(**changes: Any) -> Path:
        return write_run(tmp_path / "runs", **changes)

    return make


@pytest.fixture
def make_frame() -> Callable[..., pd.DataFrame]:
    """A function from measurements to what `read_frame` returns.

    A measurement is (dataset, model, batching, seed, split, horizon, metric, value, unit); those of runs with
    several workers are under their number in `by_workers`.
    """

    def make(
        *measurements: tuple[Any, ...], by_workers: dict[int, list[tuple[Any, ...]]] | None = None
    ) -> pd.DataFrame:
        counted = {1: list(measurements), **(by_workers or {})}
        measurements = tuple(each for several in counted.values() for each in several)
        names = ["dataset", "model", "batching", "seed", "split", "horizon", "metric", "value", "unit"]
        frame = pd.DataFrame(list(measurements), columns=names)
        frame.insert(3, "workers", [workers for workers, several in counted.items() for _ in several])
        run = frame["batching"] + "-w" + frame["workers"].astype(str) + "-s" + frame["seed"].astype(str)
        frame.insert(5, "run", run)
        frame.insert(2, "regime", "minibatch")
        frame = frame.assign(nodes="", negatives="")
        return frame.astype({"horizon": "Int64", "value": "float64"})

    return make


@pytest.fixture
def make_dataset() -> Callable[..., Dataset]:
    """A function that returns a catalogue entry with the given fields changed."""

    def make(**changes: Any) -> Dataset:
        file = RawFile(name="values.h5", url=None, sha256="aa11", size=None, role="values")
        fields = {
            "name": "a", "title": "A", "kind": "signal", "reader": "table", "files": (file,), "options": {},
            "synthetic": None, "frequency": "5min", "start": None, "units": "mph", "null_value": 0.0, "task": {},
            "licence": "MIT", "citation": "Someone", "homepage": "https://example.org/a", "note": None,
        }  # fmt: skip
        return Dataset(**fields | changes)

    return make


@pytest.fixture(scope="session")
def frequencies() -> dict[str, str]:
    """Time between entries of the made-up study's datasets."""
    return FREQUENCIES


@pytest.fixture(scope="session")
def study_folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All 60 runs of the made-up study, in the pipeline's order; tests must not write into them."""
    root = tmp_path_factory.mktemp("study")
    return list(_study(root))


def _study(root: Path) -> Iterator[Path]:
    for dataset in DATASETS:
        for model in MODELS:
            for batching in BATCHINGS:
                for seed in SEEDS:
                    yield write_run(root, dataset, model, batching, seed)
