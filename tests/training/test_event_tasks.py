"""Runs on event streams as a user meets them: resumed after a kill, scored, built upon, asked about the future."""

import csv
import json
import multiprocessing
import shutil
import signal
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from stgnn.cli import main
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.learnable import community
from stgnn.raw.events import EventBlock
from stgnn.report.collect import collect, read_frame
from stgnn.store.event_store import open_event_store
from stgnn.store.write_events import write_events
from stgnn.training.engine import train_run
from stgnn.training.nodes import NodeClassification, prepare
from tests.training.conftest import RUN
from tests.training.test_engine import _train_until_step, final_weights, without_clocks
from tests.training.test_learnable_streams import SMALL_TGN

EVENTS = 1500


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream in which the events of users who mostly meet items of the first community are labelled 1."""
    stream = community(EVENTS, seed=3)
    assert stream.feature is not None
    met = np.zeros((stream.src.max() + 1, stream.feature.shape[1]))
    np.add.at(met, stream.src, stream.feature)
    label = (met.argmax(axis=1) == 0)[stream.src].astype(np.int8)

    def blocks() -> Any:
        yield EventBlock(stream.src, stream.dst, stream.t, label, stream.feature)

    path = tmp_path_factory.mktemp("stores") / "stream.zarr"
    write_events(replace(stream.events(), blocks=blocks, has_label=True), path)
    return path


def settings_of(model: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    training = {"batch_size": 50, "loss": "bce", "shuffle": False, "epochs": 2, "milestones": []}
    training |= {"evaluate": ["validation", "test"]} | changes.pop("training", {})
    sizes = {
        "memory_channels": 8,
        "time_channels": 8,
        "embedding_channels": 8,
        "neighbours": 3,
        "dropout": 0.1,
    }
    tgn = {"name": "tgn", "class": "stgnn.models.temporal.tgn.TGN", "settings": SMALL_TGN | sizes}
    return RUN | {
        "dataset": "stream",
        "model": model or tgn,
        "task": {"predict": "links", "negatives": ["random", "historical", "inductive", "every"]},
        "batching": "strict-time-b50",
        "training": RUN["training"] | training,
        **changes,
    }


def scores(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def links(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished link-prediction run among others of its study."""
    folder = tmp_path_factory.mktemp("results") / "runs" / "stream" / "tgn" / "links"
    train_run(settings_of(training={"save_predictions": True}), store, folder)
    return folder


def test_a_killed_run_goes_on_to_the_same_numbers(store: Path, links: Path, tmp_path: Path) -> None:
    settings = settings_of(training={"save_predictions": True})
    for step, number, status in ((5, signal.SIGKILL, -9), (27, signal.SIGTERM, 75)):  # in either epoch
        stand_in: Any = type("Store", (), {"path": store})
        arguments = (settings, stand_in, tmp_path / "cut", step, number)
        process = multiprocessing.get_context("fork").Process(target=_train_until_step, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == status
    train_run(settings, store, tmp_path / "cut")
    cut, whole = scores(tmp_path / "cut"), scores(links)
    assert cut | {"run": ""} == whole | {"run": ""}
    assert without_clocks(tmp_path / "cut")[1] == without_clocks(links)[1]
    weights = final_weights(links)
    assert all(torch.equal(each, weights[name]) for name, each in final_weights(tmp_path / "cut").items())


def test_every_event_of_a_split_is_scored_against_each_kind(store: Path, links: Path) -> None:
    stream, found = open_event_store(store), scores(links)["splits"]
    for split, role in (("validation", 1), ("test", 2)):
        events = np.flatnonzero(stream.role == role)
        new = stream.new_node[stream.src[events]] | stream.new_node[stream.dst[events]]
        assert (found[split]["all"]["count"], found[split]["new"]["count"]) == (len(events), new.sum())
        for nodes in ("all", "new"):
            for kind in ("random", "historical", "inductive"):
                assert 0 < found[split][nodes][kind]["ap"] <= 1
            assert 0 < found[split][nodes]["every"]["mrr"] <= 1


def test_how_many_negatives_are_not_of_their_kind_is_a_line_of_the_results_of_each_split(
    store: Path, links: Path, tmp_path: Path
) -> None:
    collect([links], tmp_path / "runs.csv")
    frame = read_frame(tmp_path / "runs.csv")
    stream = open_event_store(store)
    role, where = stream.role[-len(stream.negatives["random"]) :], ["split", "nodes", "negatives"]
    found = frame[frame["metric"] == "fallback"].set_index(where)["value"]
    for (split, number), kind in product((("validation", 1), ("test", 2)), ("historical", "inductive")):
        expected = stream.fallbacks[kind][role == number].mean()
        assert found[split, "all", kind] == pytest.approx(expected) and 0 < expected < 1
    lines = frame[frame["metric"] == "ap_proper"].set_index(where)
    assert set(lines.index) == set(found.index) and len(found) == 8


def test_predictions_are_those_that_were_scored(store: Path, links: Path) -> None:
    from sklearn.metrics import average_precision_score

    saved = xr.open_zarr(links / "predictions.zarr", consolidated=False).load()
    test = scores(links)["splits"]["test"]["all"]
    assert saved["event"].values.tolist() == np.flatnonzero(open_event_store(store).role == 2).tolist()
    assert test["every"]["mrr"] == pytest.approx(float((1 / saved["rank"]).mean()), rel=1e-12)
    logit = np.concatenate([saved["logit"].values, saved["negative_historical"].values.ravel()])
    truth = np.arange(len(logit)) < len(saved["logit"])
    assert test["historical"]["ap"] == pytest.approx(average_precision_score(truth, logit), rel=1e-12)
    proper = ~open_event_store(store).fallbacks["historical"][-len(saved["logit"]) :]
    logit, truth = logit[np.tile(proper, 2)], truth[np.tile(proper, 2)]
    assert test["historical"]["ap_proper"] == pytest.approx(average_precision_score(truth, logit), rel=1e-12)
    assert 0 < test["historical"]["count_proper"] == proper.sum() < len(proper)


def test_validation_while_training_and_at_the_end_are_of_the_same_events(store: Path, tmp_path: Path) -> None:
    """A baseline has no weights and no memory, so that both must be equal."""
    model = {
        "name": "edgebank",
        "class": "stgnn.models.temporal.edgebank.EdgeBank",
        "settings": {"window": None},
    }
    train_run(settings_of(model), store, tmp_path)
    with (tmp_path / "per_epoch_stats.csv").open() as file:
        (epoch,) = csv.DictReader(file)
    assert float(epoch["v_ap"]) == scores(tmp_path)["splits"]["validation"]["all"]["random"]["ap"] > 0.5


def test_weights_that_were_not_the_last_are_the_ones_scored(store: Path, tmp_path: Path) -> None:
    train_run(settings_of(training={"epochs": 4, "learning_rate": 0.3}), store, tmp_path)
    with (tmp_path / "per_epoch_stats.csv").open() as file:
        epochs = [float(row["v_ap"]) for row in csv.DictReader(file)]
    assert scores(tmp_path)["best_epoch"] == 1 + int(np.argmax(epochs))


def node_settings(encoder: Path, **changes: Any) -> dict[str, Any]:
    task = {"predict": "nodes", "encoder": {"run": encoder.relative_to(encoder.parents[2]).as_posix()}}
    return settings_of(task=task, training={"epochs": 6, "learning_rate": 0.01}, **changes)


def test_labels_are_learned_on_a_trained_encoder_that_stays_as_it_is(store: Path, links: Path) -> None:
    before = (links / "checkpoint.pt").read_bytes()
    folder = links.parents[2] / "stream" / "tgn" / "nodes"
    train_run(node_settings(links), store, folder)
    found = scores(folder)
    assert found["predict"] == "nodes"
    assert found["splits"]["test"]["label_auc"] > 0.6
    assert (links / "checkpoint.pt").read_bytes() == before


def test_a_decoder_is_trained_anew_when_its_encoder_was(store: Path, links: Path, tmp_path: Path) -> None:
    encoder, folder = (
        tmp_path / "runs" / "stream" / "tgn" / "links",
        tmp_path / "runs" / "stream" / "tgn" / "nodes",
    )
    shutil.copytree(links, encoder)
    train_run(node_settings(links), store, folder)
    before = scores(folder)
    checkpoint = torch.load(encoder / "checkpoint.pt", weights_only=True)
    for values in checkpoint["best_model"].values():
        values *= 1.5
    torch.save(checkpoint, encoder / "checkpoint.pt")
    train_run(node_settings(links), store, folder)
    after, fresh = scores(folder), folder.with_name("fresh")
    train_run(node_settings(links), store, fresh)
    assert after | {"run": ""} == scores(fresh) | {"run": ""} != before | {"run": ""}


def test_without_both_labels_in_validation_the_last_weights_count(store: Path, links: Path) -> None:
    settings, folder = node_settings(links), links.with_name("unvalidated")
    setup = prepare(settings, store, folder, World(device=torch.device("cpu"))).setup
    label = np.where(setup.store.role == 1, 0, setup.store.label)
    task = NodeClassification(replace(setup, store=replace(setup.store, label=label)), "")
    assert not task.validates() and np.isnan(task.validate())
    assert task.evaluate(["validation"]) == {"validation": {"label_auc": None, "label_ap": None}}


def test_labels_of_more_classes_are_refused(links: Path, tmp_path: Path) -> None:
    stream = community(300, seed=3)

    def blocks() -> Any:
        yield EventBlock(stream.src, stream.dst, stream.t, (stream.dst % 3).astype(np.int8), stream.feature)

    write_events(replace(stream.events(), blocks=blocks, has_label=True), tmp_path / "stream.zarr")
    with pytest.raises(InputError, match="has labels other than 0 and 1"):
        train_run(node_settings(links), tmp_path / "stream.zarr", links.with_name("classes"))


def test_an_encoder_that_is_not_there_is_asked_for(store: Path, links: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "stream" / "tgn" / "nodes"
    with pytest.raises(
        InputError, match=r"tgn/links/checkpoint\.pt: no such checkpoint; train that run first"
    ):
        train_run(node_settings(links), store, folder)


def test_a_trained_run_ranks_whom_a_source_meets_next(store: Path, links: Path, tmp_path: Path) -> None:
    out, names = tmp_path / "next.csv", open_event_store(store).node
    asked = [str(links), "--store", str(store), "--source", names[7], "--source", names[2], "--keep", "4"]
    assert main(["predict", *asked, "--ranking", str(out)]) == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], int(row["place"])) for row in rows] == [
        (name, place) for name in (names[7], names[2]) for place in range(1, 5)
    ]
    for source in (rows[:4], rows[4:]):
        assert sorted((float(row["score"]) for row in source), reverse=True) == [
            float(row["score"]) for row in source
        ]
        assert len({row["destination"] for row in source}) == 4


def test_a_trained_run_embeds_every_node(store: Path, links: Path, tmp_path: Path) -> None:
    out = tmp_path / "embeddings.zarr"
    assert main(["predict", str(links), "--store", str(store), "--embeddings", str(out)]) == 0
    embedded = xr.open_zarr(out, consolidated=False)["embedding"].load()
    assert embedded["node"].values.tolist() == list(open_event_store(store).node)
    assert embedded.shape[1] == 8 and np.isfinite(embedded.values).all()
    assert len(np.unique(embedded.values, axis=0)) > len(embedded) / 2


@pytest.mark.parametrize(
    "asked, said",
    [
        (["--source", "nobody"], "--source: no source has the id 'nobody'"),
        (["--time", "3"], "--time: 3 is not after the last event"),
    ],
)
def test_what_cannot_be_asked_is_said_before_the_stream_is_read(
    store: Path,
    links: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: list[str],
    said: str,
) -> None:
    monkeypatch.setattr("stgnn.training.stream_setup.StreamSetup.state_after", None)
    command = ["predict", str(links), "--store", str(store), "--ranking", str(tmp_path / "x.csv"), *asked]
    assert main(command) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "run, asked, said",
    [
        (".", ["--source", "7"], "--source: is of a ranking, and --embeddings writes all graph nodes'; leave it out"),
        (".", ["--keep", "3"], "--keep: is of a ranking"),
        ("no-run", [], "no-run/run.yaml: no such file; give the folder of a run that is finished"),
    ],
)  # fmt: skip
def test_a_prediction_that_means_nothing_is_refused(
    store: Path,
    links: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    run: str,
    asked: list[str],
    said: str,
) -> None:
    command = [
        "predict",
        str(links / run),
        "--store",
        str(store),
        "--embeddings",
        str(tmp_path / "x.zarr"),
        *asked,
    ]
    assert main(command) == 2
    assert said in capsys.readouterr().err
