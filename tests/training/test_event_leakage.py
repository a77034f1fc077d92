"""Training on a stream sees its training events and no other, and each epoch begins without a memory of the last."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stgnn.distributed.world import World
from stgnn.store.event_store import EventStore, open_event_store
from stgnn.store.split import HELD_OUT, TEST, TRAIN, VALIDATION
from stgnn.store.write_events import write_events
from stgnn.training.engine import train_run
from stgnn.training.links import LinkPrediction, prepare
from tests.streams import events_of
from tests.training.test_event_tasks import settings_of

USERS, ITEMS, EVENTS, FEATURES = 40, 25, 600, 3
MODELS: dict[str, dict[str, Any]] = {  # each uses other statistics, or another view, of the stream
    "attention": {},
    "jodie": {"updater": "rnn", "embedding": "time"},
    "two-layers": {"layers": 2, "sampling": "uniform", "updater": "none"},
}

Columns = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two streams whose training events are the same, and of the others times and who is met after training."""
    folder, random = tmp_path_factory.mktemp("streams"), np.random.default_rng(0)
    columns: Columns = {
        "src": random.integers(0, USERS, EVENTS),
        "dst": random.integers(0, ITEMS, EVENTS),
        "t": np.sort(random.integers(0, 450, EVENTS)),
        "feature": random.normal(size=(EVENTS, FEATURES)).astype(np.float32),
    }
    columns["dst"][-1] = ITEMS  # met once, at the end
    first = write(folder / "first" / "stream.zarr", columns)
    second = write(folder / "second" / "stream.zarr", changed(columns, first, random))
    assert np.array_equal(first.role, second.role) and first.node == second.node
    differs = (first.src != second.src) | (first.dst != second.dst)
    assert not differs[first.role == TRAIN].any()
    assert all(differs[first.role == role].sum() > 30 for role in (VALIDATION, TEST, HELD_OUT))
    return folder / "first" / "stream.zarr", folder / "second" / "stream.zarr"


def write(path: Path, columns: Columns) -> EventStore:
    path.parent.mkdir()
    write_events(events_of(**columns, bipartite=True), path)
    return open_event_store(path)


def changed(columns: Columns, store: EventStore, random: np.random.Generator) -> Columns:
    """Evaluated events with their destinations shuffled, held-out ones between others, so that no role changes."""
    src, dst, feature = (columns[name].copy() for name in ("src", "dst", "feature"))
    trained, held_out = (np.flatnonzero(store.role == role) for role in (TRAIN, HELD_OUT))
    evaluated = np.flatnonzero((store.role != TRAIN) & (store.role != HELD_OUT))
    dst[evaluated] = random.permutation(dst[evaluated])
    of_new_source = store.new_node[store.src[held_out]]
    dst[held_out[of_new_source]] = random.choice(dst[trained], of_new_source.sum())
    src[held_out[~of_new_source]] = random.choice(src[trained], (~of_new_source).sum())
    dst[held_out[of_new_source][0]] = ITEMS  # whom nobody meets in training
    feature[store.role != TRAIN] = random.normal(size=((store.role != TRAIN).sum(), FEATURES)) * 9
    return columns | {"src": src, "dst": dst, "feature": feature}


def settings_for(model: str, batching: str = "strict-time-b50") -> dict[str, Any]:
    task = {"predict": "links", "negatives": ["random"]}
    settings = settings_of(dataset="toy", task=task, batching=batching, training={"evaluate": ["test"]})
    spec = settings["model"]
    return settings | {"model": spec | {"settings": spec["settings"] | MODELS[model]}}


@pytest.mark.parametrize(
    "model, batching",
    [
        ("attention", "previous-batches-b50"),
        ("jodie", "strict-time-b50"),
        ("two-layers", "strict-time-b50"),
    ],
)
def test_weights_and_memory_depend_on_training_events_alone(
    stores: tuple[Path, Path], tmp_path: Path, model: str, batching: str
) -> None:
    kept = []
    for number, store in enumerate(stores):
        train_run(settings_for(model, batching), store, tmp_path / str(number))
        kept.append(torch.load(tmp_path / str(number) / "checkpoint.pt", weights_only=True))
    first, second = kept
    assert first["progress"]["best"] != second["progress"]["best"]  # while what is scored is another stream
    for part in ("model", "task"):
        assert first[part].keys() == second[part].keys()
        for name, values in first[part].items():
            assert torch.equal(values, second[part][name]), f"{part} {name}"


def test_every_epoch_begins_with_the_state_before_the_first_event(
    stores: tuple[Path, Path], tmp_path: Path
) -> None:
    task: LinkPrediction = prepare(
        settings_for("attention"), stores[0], tmp_path, World(device=torch.device("cpu"))
    )
    steps, fresh = task.steps_per_epoch(), task.events.initial_state().tensors()
    for epoch in range(2):
        for number, batch in enumerate(task.batches(epoch, 0, steps)):
            same = all(torch.equal(values, fresh[name]) for name, values in task.state().items())
            assert same == (number == 0)
            task.loss(batch, task.model, number)
