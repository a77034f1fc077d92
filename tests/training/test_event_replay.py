"""A run on a stream against plain loops over public parts: what it sees, remembers, draws and scores, and when.

The loops are in float64, so that only another computation can make a difference that is seen.

Axes: E events, B events of a batch, N graph nodes, D destinations, Q candidates of an event.
"""

import copy
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from stgnn.cli import main
from stgnn.data.events.batches import EventBatch, EventStream, EventView, view_of
from stgnn.data.events.negatives import training_negatives
from stgnn.distributed.world import World
from stgnn.learnable import community
from stgnn.models.temporal.base import State, StreamShape
from stgnn.models.temporal.tgn import TGN
from stgnn.raw.events import EventBlock
from stgnn.store.event_store import EventStore, open_event_store
from stgnn.store.split import HELD_OUT, TEST, TRAIN, VALIDATION
from stgnn.store.write_events import write_events
from stgnn.training.engine import train_run
from stgnn.training.nodes import prepare
from stgnn.training.stream_setup import shape_of
from tests.training.test_event_tasks import settings_of

EVENTS, BATCH, KINDS = 1_000, 50, ("random", "historical", "inductive")
TRAINED: dict[str, Any] = {
    "epochs": 3,
    "learning_rate": 0.05,
    "precision": "float64",
    "save_predictions": True,
}


@dataclass(frozen=True)
class Replayed:
    """What a run must come to."""

    model: TGN  # with the best epoch's weights
    best_epoch: int
    losses: list[float]
    aps: list[float]  # of validation after each epoch
    validation_EQ: Tensor
    test_EQ: Tensor


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream in milliseconds whose events come two at a time, with labels and events held out of training."""
    stream, event = community(EVENTS, seed=3), np.arange(EVENTS)

    def blocks() -> Iterator[EventBlock]:
        label = (event % 3 == 0).astype(np.int8)
        yield EventBlock(stream.src % 50, stream.dst, 5_000 + event // 2 * 900, label, stream.feature)

    path = tmp_path_factory.mktemp("stores") / "stream.zarr"
    write_events(replace(stream.events(), blocks=blocks, has_label=True, time_unit="ms"), path)
    return path


@pytest.fixture(scope="module")
def store(path: Path) -> EventStore:
    return open_event_store(path)


@pytest.fixture(scope="module")
def links(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "runs" / "stream" / "tgn" / "links"
    train_run(settings_of(training=TRAINED), path, folder)
    return folder


@pytest.fixture(scope="module")
def replayed(store: EventStore) -> Replayed:
    """The run from beginning to end: a fresh memory each epoch, the best epoch's carried on to the test events."""
    settings = settings_of(training=TRAINED)
    torch.manual_seed(settings["seed"])
    model = TGN(shape_in_plain_loops(store), **settings["model"]["settings"]).double()
    assert model.embedding.layers[0].attention.dropout > 0 and np.isin(HELD_OUT, store.role)
    optimiser = torch.optim.Adam(model.parameters(), lr=TRAINED["learning_rate"])
    view, losses, aps = view_of(store), [], []
    best: tuple[dict[str, Any], State] | None = None
    for epoch in range(TRAINED["epochs"]):
        loss, state = train_epoch(model, optimiser, store, epoch)
        validation_EQ, _ = scored(model, state, store, VALIDATION, view)
        losses.append(loss)
        aps.append(ap_of(validation_EQ[:, :2]))
        if aps[-1] == max(aps):
            best = copy.deepcopy(model.state_dict()), state
    assert best is not None
    model.load_state_dict(best[0])
    validation_EQ, state = scored(model, best[1], store, VALIDATION, view)
    test_EQ, _ = scored(model, state, store, TEST, view)
    return Replayed(model.eval(), 1 + int(np.argmax(aps)), losses, aps, validation_EQ, test_EQ)


def train_epoch(
    model: TGN, optimiser: torch.optim.Optimizer, store: EventStore, epoch: int
) -> tuple[float, State]:
    """Mean loss of the training events, seen among themselves alone, and the memory that they leave."""
    view, pool_D = view_of(store, training=True), torch.from_numpy(store.train_destination.copy())
    state, losses = model.train().initial_state(), []
    for batch in EventStream(store, [TRAIN], BATCH).batches():
        negative_B = training_negatives(0, epoch, batch.event_B, pool_D)
        logit_B2, state = model.step(state, batch, torch.stack([batch.dst_B, negative_B], 1), view)
        one_B = torch.ones(len(batch), dtype=torch.float64)
        loss = cross_entropy(logit_B2[:, 0], one_B) + cross_entropy(logit_B2[:, 1], 0 * one_B)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        state = state.detach()
        losses += [loss.item()] * len(batch)
    return float(np.mean(losses)), state


@torch.no_grad()
def scored(model: TGN, state: State, store: EventStore, role: int, view: EventView) -> tuple[Tensor, State]:
    """Logits [E, Q] of a role's events, the real destination first, then one negative of each kind."""
    model.eval()
    evaluated, logits = np.flatnonzero(np.isin(store.role, (VALIDATION, TEST))), []
    for batch in EventStream(store, [role], BATCH).batches():
        row_B = np.searchsorted(evaluated, batch.event_B.numpy())
        kinds = [torch.from_numpy(store.negatives[kind][row_B]).long() for kind in KINDS]
        logit_BQ, state = model.step(state, batch, torch.cat([batch.dst_B[:, None], *kinds], 1), view)
        logits.append(logit_BQ)
    return torch.cat(logits), state


def ap_of(logit_EQ: Tensor) -> float:
    truth_EQ = np.zeros(logit_EQ.shape)
    truth_EQ[:, 0] = 1
    return float(average_precision_score(truth_EQ.ravel(), logit_EQ.float().numpy().ravel()))


def shape_in_plain_loops(store: EventStore) -> StreamShape:
    """A clock scaled by how long graph nodes wait in training, in seconds."""
    last: dict[int, int] = {}
    waits: list[float] = []
    for event in np.flatnonzero(store.role == TRAIN):
        now = int(store.t[event])
        for node in (int(store.src[event]), int(store.dst[event])):
            if node in last:
                waits.append((now - last[node]) / 1_000)
            last[node] = now
    mean, deviation, nodes = float(np.mean(waits)), float(np.std(waits)), 1 + int(store.dst.max())
    return StreamShape(nodes, 4, 0, True, mean, deviation, unit=1e-3, first_time=5_000)


def test_what_a_stream_fixes_for_models_is_that_of_its_training_events(store: EventStore) -> None:
    found, expected = shape_of(store), shape_in_plain_loops(store)
    assert found.time_mean == pytest.approx(expected.time_mean, rel=1e-12) and expected.time_mean > 1
    assert found.time_std == pytest.approx(expected.time_std, rel=1e-9)
    assert replace(found, time_mean=0.0, time_std=1.0) == replace(expected, time_mean=0.0, time_std=1.0)


def test_every_epoch_is_that_of_a_plain_loop(links: Path, replayed: Replayed) -> None:
    with (links / "per_epoch_stats.csv").open() as file:
        epochs = [*csv.DictReader(file)]
    assert [float(row["t_loss"]) for row in epochs] == pytest.approx(replayed.losses, rel=1e-6)
    assert [float(row["v_ap"]) for row in epochs] == pytest.approx(replayed.aps, rel=1e-6)


def test_scores_are_those_of_the_best_epoch_carried_on_in_a_plain_loop(
    links: Path, replayed: Replayed
) -> None:
    metrics = json.loads((links / "metrics.json").read_text())
    assert metrics["best_epoch"] == replayed.best_epoch < TRAINED["epochs"]  # else try another learning rate
    validation = metrics["splits"]["validation"]["all"]
    for column, kind in enumerate(KINDS, start=1):
        expected = ap_of(replayed.validation_EQ[:, [0, column]])
        assert validation[kind]["ap"] == pytest.approx(expected, rel=1e-6)
    saved = xr.open_zarr(links / "predictions.zarr", consolidated=False).load()
    columns = [saved["logit"].values, *(saved[f"negative_{kind}"].values[:, 0] for kind in KINDS)]
    found_EQ = torch.from_numpy(np.stack(columns, 1))
    torch.testing.assert_close(found_EQ, replayed.test_EQ.float(), rtol=0, atol=1e-6)


@torch.no_grad()
def read_all(model: TGN, store: EventStore) -> tuple[Tensor, State]:
    """Embeddings [E, C] of all events' sources, each before its event, and the memory at the end."""
    view, state, embeddings = view_of(store), model.initial_state(), []
    for batch in EventStream(store, [TRAIN, HELD_OUT, VALIDATION, TEST], BATCH).batches():
        cut_B = torch.from_numpy(np.searchsorted(store.t, batch.t_B.numpy()))
        embeddings.append(model.embed(state, batch.src_B, batch.t_B, cut_B, view))
        state = model.advance(state, batch, view)
    return torch.cat(embeddings), state


def test_labels_are_told_from_sources_as_they_were_before_their_events(
    path: Path, store: EventStore, links: Path, replayed: Replayed
) -> None:
    task = {"predict": "nodes", "encoder": {"run": "stream/tgn/links"}}
    settings = settings_of(task=task, training={"precision": "float64", "batch_size": 64})
    nodes = prepare(settings, path, links.with_name("nodes"), World(device=torch.device("cpu")))
    batches = [*nodes.batches(0, 0, nodes.steps_per_epoch())]
    events = np.flatnonzero(np.isin(store.role, (TRAIN, HELD_OUT)))
    expected_EC, _ = read_all(replayed.model, store)
    found_EC = torch.cat([batch.embedding_BC for batch in batches])
    torch.testing.assert_close(found_EC, expected_EC[events], rtol=0, atol=1e-6)
    assert store.label is not None
    assert torch.cat([batch.label_B for batch in batches]).tolist() == store.label[events].tolist()


def test_predictions_are_of_the_trained_weights_after_all_events(
    path: Path, store: EventStore, links: Path, replayed: Replayed, tmp_path: Path
) -> None:
    asked, out = ["predict", str(links), "--store", str(path)], tmp_path / "next.csv"
    source = [store.node[7], store.node[12]]
    chosen = ["--source", source[0], "--source", source[1], "--keep", "5"]
    assert main([*asked, "--embeddings", str(tmp_path / "embeddings.zarr")]) == 0
    assert main([*asked, *chosen, "--ranking", str(out)]) == 0
    model, view, now, every_N = (
        replayed.model,
        view_of(store),
        int(store.t[-1]) + 1,
        torch.arange(store.num_nodes),
    )
    _, state = read_all(model, store)
    with torch.no_grad():
        now_N, cut_N = torch.full_like(every_N, now), torch.full_like(every_N, EVENTS)
        expected_NC = model.embed(state, every_N, now_N, cut_N, view)
        src_B, now_B = torch.tensor([7, 12]), torch.tensor([now, now])
        question = EventBatch(EVENTS, src_B, src_B, src_B, now_B, None, None)
        destination_D = torch.from_numpy(store.destination.copy()).long()
        logit_BD, _ = model.step(state, question, destination_D.expand(2, -1), view)
    found_NC = xr.open_zarr(tmp_path / "embeddings.zarr", consolidated=False)["embedding"].values
    torch.testing.assert_close(torch.from_numpy(found_NC), expected_NC.float(), rtol=0, atol=1e-6)
    best = logit_BD.topk(5)
    with out.open() as file:
        rows = [*csv.DictReader(file)]
    names = [store.node[destination] for destination in destination_D[best.indices].flatten().tolist()]
    assert [row["destination"] for row in rows] == names
    scores = [float(row["score"]) for row in rows]
    assert scores == pytest.approx(best.values.flatten().tolist(), rel=1e-5)
