"""A small study of one run: settings, and a signal on which there is something to learn."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stgnn.store import SignalStore

RUN: dict[str, Any] = {
    "dataset": "small",
    "model": {"name": "linear", "class": "stgnn.models.linear.Linear", "settings": {}},
    "task": {
        "input_len": 4,
        "horizon": 3,
        "split": [0.7, 0.1, 0.2],
        "calendar": ["time_of_day"],
        "inputs": None,
        "target": None,
        "scaling": "feature",
        "units": "raw",
        "nulls": "include",
    },
    "regime": "minibatch",
    "batching": "index",
    "workers": 1,
    "launcher": "none",
    "seed": 0,
    "training": {
        "epochs": 3,
        "batch_size": 32,
        "batch_scope": "worker",
        "optimiser": "adam",
        "learning_rate": 0.01,
        "learning_rate_scaling": "none",
        "warmup_epochs": 0,
        "epsilon": 1e-8,
        "weight_decay": 0.0,
        "milestones": [2],
        "gamma": 0.1,
        "clip_norm": 5.0,
        "patience": None,
        "loss": "masked-mae",
        "precision": "float32",
        "shuffle": True,
        "max_steps_per_epoch": None,
        "evaluate": ["train", "validation", "test"],
        "save_predictions": False,
    },
    "device": "cpu",
}
DCRNN: dict[str, Any] = {
    "name": "dcrnn",
    "class": "stgnn.models.dcrnn.Seq2SeqDCRNN",
    "settings": {"hidden_channels": 4, "num_layers": 1, "max_diffusion_step": 1, "cl_decay_steps": 5},
}


def settings_of(model: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The run's settings with `training` or `task` keys, or top-level ones, changed."""
    settings = copy.deepcopy(RUN)
    if model is not None:
        settings["model"] = copy.deepcopy(model)
    for key, value in changes.items():
        section = next((part for part in ("training", "task") if key in settings[part]), None)
        (settings[section] if section else settings)[key] = value
    return settings


@pytest.fixture
def small_store(make_store: Callable[..., SignalStore]) -> SignalStore:
    """420 entries on 3 graph nodes: a daily wave and noise, some entries missing (0)."""
    rng = np.random.default_rng(7)
    wave = 50 + 10 * np.sin(np.arange(420) / 20)[:, None, None]
    values = (wave + rng.normal(0, 1, (420, 3, 1))).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = 0.0
    return make_store(values, null_value=0.0)
