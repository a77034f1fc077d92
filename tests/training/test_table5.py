"""PyTorch Geometric Temporal's Table 5 as it is declared, on files as small as each dataset's layout allows."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stgnn.raw import read
from stgnn.store import write_store
from stgnn.study import load_study
from stgnn.training.engine import train_run
from tests.data.loaders.conftest import without_origin
from tests.data.loaders.raw_files import write_all

ROOT = Path(__file__).parents[2]
DATASETS = ["chickenpox-hungary", "twitter-tennis-rg17-encoded", "pedalme-london", "wikipedia-math"]


@pytest.fixture(scope="module")
def runs() -> Any:
    """Seed 0 of every model in each of its regimes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        study, catalogue = load_study("pgt-table5"), without_origin()
    return catalogue, [run for run in study.runs if run.axes["seed"] == 0]


@pytest.fixture(scope="module")
def store_of(runs: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("table5")
    write_all(folder)

    def store_of(name: str) -> Path:
        path = folder / f"{name}.zarr"
        write_store(read(runs[0][name], folder), path)
        return path

    return store_of


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_model_trains_on_the_dataset_s_layout_in_both_regimes(
    runs: Any, store_of: Callable[[str], Path], tmp_path: Path, dataset: str
) -> None:
    chosen = [run.settings for run in runs[1] if run.axes["dataset"] == dataset]
    assert (
        len(chosen) == 12 * 2 + 3
    )  # eleven layers and linear in both regimes, three baselines without any step
    store = store_of(dataset)
    for settings in chosen:
        folder = tmp_path / settings["regime"] / settings["model"]["name"]
        briefly = settings["training"] | {"epochs": 1, "max_steps_per_epoch": 1}
        train_run({**settings, "training": briefly, "device": "cpu"}, store, folder)
        scores = json.loads((folder / "metrics.json").read_text())
        assert math.isfinite(scores["splits"]["test"]["mse"]), folder
        assert scores["units"] == {"twitter-tennis-rg17-encoded": "ln(1 + mentions)"}.get(
            dataset, "standard deviations"
        )
