"""Whole runs on streams whose best score is known: what must be reached, and what cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest

from stgnn.learnable import LearnableStream, community, reveal, sticky
from stgnn.store.split import Protocol
from stgnn.store.write_events import write_events
from stgnn.training.engine import train_run
from tests.training.conftest import RUN

CHANCE = 0.5
SMALL_TGN = {
    "updater": "gru",
    "memory_channels": 32,
    "time_channels": 8,
    "message": "identity",
    "aggregator": "last",
    "partner": "memory",
    "consume": "eager",
    "embedding": "attention",
    "embedding_channels": 32,
    "layers": 1,
    "neighbours": 10,
    "sampling": "recent",
    "hop_time": "query",
    "heads": 2,
    "dropout": 0.0,
}


def ap_after(
    stream: LearnableStream, folder: Path, path: str, model: dict[str, Any], **training: Any
) -> float:
    """The test AP of a run with the class at `path`, against one other destination an event."""
    write_events(stream.events(), folder / "stream.zarr", Protocol(new_nodes=0.0))
    settings = RUN | {
        "dataset": "stream",
        "model": {"name": "model", "class": path, "settings": model},
        "task": {"predict": "links", "negatives": ["random"]},
        "batching": "strict-time-b200",
        "seed": 1,
        "training": RUN["training"]
        | {"batch_size": 200, "clip_norm": None, "milestones": [], "loss": "bce", "shuffle": False}
        | {"evaluate": ["test"]}
        | training,
    }
    train_run(settings, folder / "stream.zarr", folder / "run")
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    ap: float = metrics["splits"]["test"]["all"]["random"]["ap"]
    return ap


def tgn_after(stream: LearnableStream, folder: Path, updater: str = "gru", **training: Any) -> float:
    return ap_after(
        stream, folder, "stgnn.models.temporal.tgn.TGN", SMALL_TGN | {"updater": updater}, **training
    )


def test_attention_learns_communities(tmp_path: Path) -> None:
    assert tgn_after(community(), tmp_path, epochs=1, learning_rate=4e-3) >= 0.76  # the best is 0.792


def test_memory_keeps_what_was_shown_once(tmp_path: Path) -> None:
    assert tgn_after(reveal(), tmp_path, epochs=2, learning_rate=6e-3) >= 0.74  # the best is 0.792


def test_without_memory_what_was_shown_once_is_lost(tmp_path: Path) -> None:
    ap = tgn_after(reveal(), tmp_path, updater="none", epochs=2, learning_rate=6e-3)
    assert ap == pytest.approx(CHANCE, abs=0.05)


def test_last_destination_is_as_good_as_can_be_where_users_repeat_themselves(tmp_path: Path) -> None:
    stream = sticky()
    ap = ap_after(stream, tmp_path, "stgnn.models.temporal.last_destination.LastDestination", {})
    assert ap == pytest.approx(stream.best_ap, abs=0.015)
