"""Checkpoints: everything a killed run needs to finish as if it had never been killed."""

import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from stgnn.errors import InputError
from stgnn.files import replacing

log = logging.getLogger(__name__)
FORMAT = 4


@dataclass
class Progress:
    """How far a run has come. A value: saved and restored whole."""

    epoch: int = 0  # epochs finished
    batch: int = 0  # batches finished in the epoch under way
    step: int = 0  # optimiser steps finished
    # Of the epoch under way, by worker: the training score's sum, what to divide it by, samples.
    tallies: list[list[float]] = field(default_factory=list)
    epoch_seconds: float = 0.0
    best: float | None = None  # validation score; None before any epoch
    best_epoch: int = 0  # counted from 1; 0 before any
    history: list[dict[str, float]] = field(default_factory=list)  # rows of per_epoch_stats.csv
    training_seconds: float = 0.0  # over all attempts
    step_seconds: float = 0.0  # of them, in training steps
    samples_seen: int = 0  # windows or events, by training steps of finished epochs, all workers together
    peaks: list[list[float]] = field(default_factory=list)  # MB by worker, over earlier attempts
    exchanged: list[float] = field(
        default_factory=lambda: [0.0, 0.0]
    )  # bytes of data and of sums, over all workers
    hosts: list[str] = field(default_factory=list)  # compute node of each worker, in the last attempt
    finished: bool = False


@dataclass
class Checkpoint:
    """A run's progress, its weights and the states that drive what comes next."""

    identity: dict[str, str]  # settings, data and code that the run is made from
    progress: Progress
    model: dict[str, Any]
    best_model: dict[str, Any]
    best_state: dict[str, torch.Tensor]  # `task`, when those weights had been trained
    optimiser: dict[str, Any]
    rng: dict[str, Any]
    task: dict[str, torch.Tensor]  # what the next batch depends on besides: a memory, say


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint whole or not at all."""
    content = {"format": FORMAT, **vars(checkpoint), "progress": asdict(checkpoint.progress)}
    with replacing(path) as partial:
        torch.save(content, partial)


def load_checkpoint(path: Path, identity: dict[str, str], device: torch.device) -> Checkpoint | None:
    """Return the checkpoint at `path` if it belongs to this very run, else None.

    One made from other settings, data or code is left unused, and the log says which differs.
    Raises `InputError` for a file that is no checkpoint.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        kept, number = content["identity"], content.pop("format")
        content["progress"] = Progress(**content["progress"])
    except Exception as error:  # torch raises many kinds for a broken file
        raise InputError(
            path, f"not a checkpoint ({type(error).__name__})", "delete it to start afresh"
        ) from error
    differing = sorted(key for key in identity if kept.get(key) != identity[key])
    if number != FORMAT or differing:
        log.info("starting afresh: the checkpoint was made from other %s", ", ".join(differing) or "code")
        return None
    return Checkpoint(**content)


def load_best_model(path: Path, device: torch.device) -> dict[str, Any]:
    """The best weights of the finished run whose checkpoint this is. Raises `InputError` where there is none."""
    if not path.exists():
        raise InputError(path, "no such checkpoint", "train that run first")
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        weights: dict[str, Any] = content["best_model"]
        finished = content["progress"]["finished"]
    except Exception as error:  # torch raises many kinds for a broken file
        raise InputError(
            path, f"not a checkpoint ({type(error).__name__})", "train that run again"
        ) from error
    if not finished:
        raise InputError(path, "its run is not finished", "finish that run first")
    return weights


def rng_state(device: torch.device) -> dict[str, Any]:
    """The states of the random generators that a run draws from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_rng(state: dict[str, Any], device: torch.device) -> None:
    """Put the generators back to a saved state."""
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
