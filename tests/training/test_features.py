"""What a task lets a model see and asks of it: features by name, their scaling, the units of errors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from stgnn.data import split_windows
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.store import SignalStore
from stgnn.training.engine import train_run
from stgnn.training.setup import Setup, prepare
from tests.training.conftest import settings_of

MEAN = {"name": "train-mean", "class": "stgnn.models.baselines.TrainMean", "settings": {}}
LAST = {"name": "last-value", "class": "stgnn.models.baselines.LastValue", "settings": {}}
LINEAR = {"name": "linear", "class": "stgnn.models.linear.Linear", "settings": {}}
ENTRIES = 100


@pytest.fixture
def store(make_store: Callable[..., SignalStore]) -> SignalStore:
    """Three features, feature_0 to feature_2, of very different sizes, on three graph nodes."""
    values = (
        np.random.default_rng(5).normal(3, 1, (ENTRIES, 3, 3)) * np.array([1, 10, 100])
        + np.arange(3)[:, None]
    )
    return make_store(values.astype(np.float32))


def prepared(store: SignalStore, model: dict[str, Any], **task: Any) -> Setup:
    return prepare(settings_of(model, calendar=[], **task), store.path, World(device=torch.device("cpu")))


def scores_of(store: SignalStore, folder: Path, model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    train_run(settings_of(model, calendar=[], **changes), store.path, folder)
    return dict(json.loads((folder / "metrics.json").read_text()))


def test_a_model_sees_its_inputs_alone_those_it_forecasts_first(store: SignalStore) -> None:
    names = store.feature
    setup = prepared(store, LINEAR, inputs=[names[0], names[2]], target=[names[2]])
    assert (setup.model.shape.num_inputs, setup.model.shape.num_outputs) == (2, 1)
    batch = next(iter(setup.loaders["train"].in_time_order()))
    seen = setup.model_input(batch)[..., :1]
    torch.testing.assert_close(setup.scaler.unscale(seen), batch.x_BLNF[..., 2:], rtol=1e-5, atol=1e-3)


def test_more_may_be_forecast_than_is_seen(store: SignalStore, tmp_path: Path) -> None:
    seen, unseen, _ = store.feature
    scores = scores_of(store, tmp_path, LINEAR, inputs=[seen], target=[seen, unseen])
    assert scores["splits"]["test"]["count"] == len(split_windows(ENTRIES, 4, 3).test) * 3 * 3 * 2


def test_errors_are_those_of_the_target_alone(store: SignalStore, tmp_path: Path) -> None:
    names = store.feature
    scores = scores_of(store, tmp_path, MEAN, inputs=[names[0]], target=[names[1]], save_predictions=True)
    windows = split_windows(ENTRIES, 4, 3)
    values = store.rows(0, ENTRIES)[..., 1].astype(np.float64)
    mean = values[: windows.train.stop + 3].mean(axis=0)
    error = [np.square(values[start + 4 : start + 7] - mean).mean() for start in windows.test]
    assert scores["splits"]["test"]["mse"] == pytest.approx(np.mean(error), rel=1e-5)
    predictions = xr.open_zarr(tmp_path / "predictions.zarr", consolidated=False)
    assert list(predictions.feature.values) == [names[1]] and predictions.forecast.shape[-1] == 1


def test_errors_in_scaled_units_of_each_graph_node(store: SignalStore, tmp_path: Path) -> None:
    scores = scores_of(store, tmp_path, MEAN, scaling="node", units="scaled")
    windows = split_windows(ENTRIES, 4, 3)
    values = store.rows(0, ENTRIES).astype(np.float64)
    seen = values[: windows.train.stop + 3]
    scaled = (values - seen.mean(axis=0)) / seen.std(axis=0)
    error = [np.square(scaled[start + 4 : start + 7]).mean() for start in windows.test]
    assert scores["splits"]["test"]["mse"] == pytest.approx(np.mean(error), rel=1e-4)
    assert scores["units"] == "standard deviations"


def test_a_gradient_step_in_scaled_units_weighs_features_alike(store: SignalStore, tmp_path: Path) -> None:
    training = {
        "loss": "masked-mse",
        "epochs": 60,
        "milestones": [],
        "learning_rate": 0.05,
        "weight_decay": 0.0,
    }
    scaled = scores_of(store, tmp_path, LINEAR, scaling="node", units="scaled", **training)
    assert 0.8 < scaled["splits"]["train"]["mse"] < 1.05  # noise: no better than its mean, whatever its size


def test_without_scaling_a_model_sees_raw_values(store: SignalStore) -> None:
    setup = prepared(store, LINEAR, scaling="none")
    batch = next(iter(setup.loaders["train"].in_time_order()))
    assert torch.equal(setup.model_input(batch), batch.x_BLNF)


def test_the_last_value_of_what_is_not_seen_is_refused(store: SignalStore) -> None:
    names = store.feature
    with pytest.raises(InputError, match=r"task\.inputs: last-value needs the past of what it forecasts"):
        prepared(store, LAST, inputs=[names[0]], target=[names[2]])


def test_least_squares_have_the_least_training_error_there_is(
    small_store: SignalStore, tmp_path: Path
) -> None:
    model = {"name": "least-squares", "class": "stgnn.models.least_squares.LeastSquares", "settings": {}}
    scores = scores_of(small_store, tmp_path, model, horizon=1, precision="float64")
    values = small_store.rows(0, small_store.shape[0])[..., 0].astype(np.float64)
    train = split_windows(len(values), 4, 1).train
    inputs = np.stack([values[lag : lag + len(train)] for lag in range(4)], axis=-1).reshape(-1, 4)
    target = values[4 : 4 + len(train)].ravel()
    inputs, target = np.c_[inputs, np.ones(len(inputs))][target != 0], target[target != 0]
    _, squares, _, _ = np.linalg.lstsq(inputs, target)
    assert scores["splits"]["train"]["mse"] == pytest.approx(squares[0] / len(target), rel=1e-9)


def test_an_unknown_feature_is_named_with_its_nearest(store: SignalStore) -> None:
    with pytest.raises(
        InputError, match=rf"task\.target: unknown \"{store.feature[0]}x\".*{store.feature[0]}"
    ):
        prepared(store, LINEAR, target=[f"{store.feature[0]}x"])


def test_nulls_can_be_left_out_of_a_graph_node_s_statistics(make_store: Callable[..., SignalStore]) -> None:
    values = np.random.default_rng(6).normal(5, 1, (ENTRIES, 3, 1)).astype(np.float32)
    values[::4, 0] = 0.0
    values[:, 2] = 0.0
    store = make_store(values, null_value=0.0)
    setup = prepared(store, LINEAR, scaling="node", nulls="exclude")
    rows = values[: setup.windows.train.stop + 3, 0, 0]
    present = rows[rows != 0].astype(np.float64)
    assert setup.scaler.mean_F[0, 0].item() == pytest.approx(present.mean(), rel=1e-6)
    assert setup.scaler.std_F[0, 0].item() == pytest.approx(present.std(), rel=1e-6)
    assert (setup.scaler.mean_F[2, 0], setup.scaler.std_F[2, 0]) == (0, 1)
