"""From a resolved run's settings to everything its training loop works with."""

import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stgnn.data.features import ChosenFeatures, ModelInput, choose_features, chosen, index_of
from stgnn.data.loader import PartitionLoader, WindowLoader
from stgnn.data.mean_graph import mean_graph
from stgnn.data.node_scaler import fit_node_scaler
from stgnn.data.partition import PartitionPlacement
from stgnn.data.placements import PLACEMENTS, Placement
from stgnn.data.scaler import Scaler, fit_scaler
from stgnn.data.share import Share
from stgnn.data.windows import Windows, split_windows
from stgnn.distributed import heartbeat
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.base import Forecaster, TaskShape
from stgnn.models.build import build_model, find_class
from stgnn.store.signal_store import SignalStore, open_store
from stgnn.training.metrics import LOSSES
from stgnn.training.options import Training

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """What one run trains on, made once before its first step."""

    settings: Mapping[str, Any]
    training: Training
    world: World
    dtype: torch.dtype
    store: SignalStore
    windows: Windows
    features: ChosenFeatures
    scaler: Scaler  # of what is forecast
    model_input: ModelInput
    model: Forecaster
    loaders: Mapping[str, WindowLoader]  # by split

    @property
    def device(self) -> torch.device:
        """Where this worker computes."""
        return self.world.device

    @cached_property
    def _targets(self) -> Tensor | None:
        return index_of(self.features.targets, self.store.shape[2], self.device)

    def target(self, values_F: Tensor) -> Tensor:
        """Of raw values of all features those that are forecast."""
        return chosen(values_F, self._targets)

    def target_rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """The raw entries `[rows, N, F]` of what is forecast."""
        rows = self.store.rows(start, stop)
        return rows if self._targets is None else rows[..., list(self.features.targets)]

    @property
    def errors_are_scaled(self) -> bool:
        """Are the loss and all errors in standard deviations, not in raw units?"""
        return bool(self.settings["task"]["units"] == "scaled")

    @property
    def units(self) -> str:
        """Of the errors and forecasts."""
        return (
            "standard deviations" if self.errors_are_scaled else str(self.store.attributes.get("units", ""))
        )


def prepare(settings: Mapping[str, Any], store_path: Path, world: World) -> Setup:
    """Open the store, fit the scaler, place the data and build the model, seeded.

    Every worker of `world` seeds alike: they begin with the same weights and toss the same coins.
    Raises `InputError` for settings that do not fit together or to the store.
    """
    training, task = Training.from_settings(settings["training"]), settings["task"]
    if training.precision == "bfloat16" and world.is_first:
        _warn_of_slow_bfloat16(world.device)
    if training.loss not in LOSSES:
        raise InputError("training.loss", f"unknown {training.loss!r}", f"one of {sorted(LOSSES)}")
    dtype = training.dtype
    torch.manual_seed(settings["seed"])
    store = _open(store_path, settings["dataset"])
    heartbeat.progress()
    windows = split_windows(store.shape[0], task["input_len"], task["horizon"], task["split"])
    features = choose_features(store, task["inputs"], task["target"])
    scaler = _fit_scaler(task, store, windows).to(world.device, dtype)
    model_input = ModelInput(store, scaler, task["calendar"], world.device, features.inputs)
    heartbeat.progress()
    model = _build(settings["model"], store, windows, features, model_input).to(world.device, dtype)
    loaders = _loaders(settings, training, store, windows, world)
    scaler = scaler.of(features.targets)
    return Setup(
        settings, training, world, dtype, store, windows, features, scaler, model_input, model, loaders
    )


def _fit_scaler(task: Mapping[str, Any], store: SignalStore, windows: Windows) -> Scaler:
    """What the task standardises every feature by, from the training windows' inputs alone."""
    if task["scaling"] == "none":
        return Scaler(torch.zeros(store.shape[2]), torch.ones(store.shape[2]))
    if task["scaling"] == "node":
        return fit_node_scaler(store, windows.train_entries, task["nulls"])
    return fit_scaler(store, windows.train, windows.input_len, task["nulls"])


def _open(path: Path, dataset: str) -> SignalStore:
    store = open_store(path)
    held = store.attributes.get("dataset", dataset)
    if held != dataset:
        raise InputError(store.path, f"holds {held}, but the run is on {dataset}", "give its store")
    return store


def _build(
    model: Mapping[str, Any],
    store: SignalStore,
    windows: Windows,
    features: ChosenFeatures,
    model_input: ModelInput,
) -> Forecaster:
    model_class = find_class(model["class"], Forecaster)
    if model_class.needs_past_target and not features.targets_are_seen:
        raise InputError("task.inputs", f"{model['name']} needs the past of what it forecasts", "list it too")
    nodes, outputs = store.shape[1], len(features.targets)
    shape = TaskShape(windows.input_len, windows.horizon, nodes, model_input.num_channels, outputs)
    return build_model(model, shape, _graph(model_class, store, windows))


def _graph(model_class: type[Forecaster], store: SignalStore, windows: Windows) -> Graph:
    """The graph that a model is built on."""
    if store.edge_ptr is None:
        return Graph.from_numpy(store.edge_index, store.edge_weight, store.shape[1])
    brought = model_class.reads_edges or model_class.reads_past_edges  # by each batch
    if brought or not model_class.uses_graph:
        return Graph.from_numpy(np.zeros((2, 0), np.int64), None, store.shape[1])
    return mean_graph(store, windows.train_entries)


def _warn_of_slow_bfloat16(device: torch.device) -> None:
    if device.type == "cpu" and not has_bfloat16_instructions():
        log.warning(
            "bfloat16 is slow here: this CPU has no instructions for it (AVX512-BF16 or AMX) and imitates them, 18 "
            "times slower than float32 where that was measured; set training.precision to float32"
        )


def has_bfloat16_instructions() -> bool:
    """Whether the CPU multiplies bfloat16 itself. torch says so without a promise: no public function tells."""
    if platform.machine() in ("x86_64", "AMD64"):
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _loaders(
    settings: Mapping[str, Any], training: Training, store: SignalStore, windows: Windows, world: World
) -> dict[str, WindowLoader]:
    batch_size = training.global_batch(world.size)
    steps_over = _windows_a_step(settings["regime"], batch_size, windows)
    placement = _place(settings["batching"], store, windows, world, batch_size)
    loader = PartitionLoader if settings["batching"] == "partitioned-index" else WindowLoader
    return {
        split: loader(
            placement,
            windows.of(split),
            steps_over if split == "train" else batch_size,
            shuffle=training.shuffle and split == "train" and settings["regime"] == "minibatch",
            seed=settings["seed"],
            share=Share(world.rank, world.size),
        )
        for split in ("train", "validation", "test")
    }


def _windows_a_step(regime: str, batch_size: int, windows: Windows) -> int:
    """Windows of one optimiser step over all workers; regimes as in PyTorch Geometric Temporal's paper, 4.2."""
    return {"minibatch": batch_size, "incremental": 1, "cumulative": len(windows.train)}[regime]


def _place(batching: str, store: SignalStore, windows: Windows, world: World, batch_size: int) -> Placement:
    """Put the windows where the run's batching has them."""
    if batching == "partitioned-index":
        return PartitionPlacement(store, windows, world, batch_size)
    if batching == "dask-ddp":
        from stgnn.data.dask_windows import DaskPlacement  # Dask is slow to import, and only this needs it

        return DaskPlacement(store, windows, world)
    if batching not in PLACEMENTS:
        raise InputError("batching", f"unknown {batching!r}", "see pipeline.schema.json")
    return PLACEMENTS[batching](store, windows, world.device)
