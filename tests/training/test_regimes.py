"""How many windows a step is over: the regimes of PyTorch Geometric Temporal against plain loops; no validation."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from stgnn.data import split_windows
from stgnn.distributed.world import World
from stgnn.store import SignalStore
from stgnn.training.engine import train_run
from stgnn.training.setup import prepare
from tests.training.conftest import settings_of

LINEAR = {"name": "linear", "class": "stgnn.models.linear.Linear", "settings": {}}
EPOCHS = 2


def declared(regime: str, **training: Any) -> dict[str, Any]:
    return settings_of(
        LINEAR, regime=regime, epochs=EPOCHS, precision="float64", loss="masked-mse", clip_norm=None, milestones=[],
        learning_rate=0.001, calendar=[], **training,
    )  # fmt: skip


def plainly(settings: dict[str, Any], store: SignalStore, step_every: int | None) -> dict[str, torch.Tensor]:
    """Weights after epochs over the training windows in time order, a step after each `step_every` (None: all)."""
    setup = prepare(settings, store.path, World(device=torch.device("cpu")))
    optimiser = torch.optim.Adam(setup.model.parameters(), lr=0.001)
    starts = list(setup.windows.train)
    length = step_every or len(starts)
    for _ in range(EPOCHS):
        for first in range(0, len(starts), length):
            errors = []
            for start in starts[first : first + length]:
                window = torch.from_numpy(store.rows(start, start + setup.windows.length)).double()
                x, y = window[: setup.windows.input_len], window[setup.windows.input_len :]
                forecast = setup.scaler.unscale(setup.model(setup.scaler.scale(x)[None]))[0]
                errors.append((forecast - y)[y != 0].square())
            optimiser.zero_grad()
            torch.cat(errors).mean().backward()
            optimiser.step()
    return setup.model.state_dict()


@pytest.mark.parametrize("regime, step_every", [("incremental", 1), ("cumulative", None)])
def test_a_regime_is_the_plain_loop_of_its_paper(
    small_store: SignalStore, tmp_path: Path, regime: str, step_every: int | None
) -> None:
    settings = declared(regime, patience=None)
    train_run(settings, small_store.path, tmp_path / "run")
    checkpoint = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    expected = plainly(settings, small_store, step_every)
    for name, weight in checkpoint["model"].items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-9, atol=1e-12)
    steps = len(split_windows(420, 4, 3).train) if step_every else 1
    assert checkpoint["progress"]["step"] == EPOCHS * steps
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["regime"] == regime


def test_without_validation_the_last_weights_are_scored(small_store: SignalStore, tmp_path: Path) -> None:
    settings = settings_of(LINEAR, epochs=4, learning_rate=0.5, patience=None, milestones=[])
    settings["task"] = settings["task"] | {"split": [0.8, 0.0, 0.2]}
    train_run(settings, small_store.path, tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["best_epoch"] == 4
    assert metrics["splits"]["validation"]["mae"] is None and math.isfinite(metrics["splits"]["test"]["mae"])
    checkpoint = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    for name, weight in checkpoint["model"].items():
        assert torch.equal(weight, checkpoint["best_model"][name])
