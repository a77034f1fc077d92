"""Studies of event streams: their protocols are axes, what does not fit them is refused before any job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stgnn.errors import InputError
from stgnn.study import Study, check_run, load_study

ROOT = Path(__file__).parents[1]
STUDY: dict[str, Any] = {
    "title": "t",
    "datasets": ["synthetic-reveal"],
    "models": ["tgn-attn", "edgebank"],
    "batching": ["strict-time-b200", "previous-batches-b100"],
    "seeds": [0],
    "tables": [{"name": "links", "columns": [{"metric": "ap"}, {"metric": "mrr", "nodes": "new"}]}],
}
NODES = {"predict": "nodes"}
Load = Callable[..., Study]


def of_tgn(**settings: Any) -> dict[str, Any]:
    """A study in which tgn-attn has these settings."""
    return {"overrides": [{"match": {"model": "tgn-attn"}, "set": {"model": settings}}]}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.chdir(ROOT)

    def load(**changes: Any) -> Study:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(STUDY | changes))
        return load_study(path)

    return load


def test_the_protocol_is_an_axis_and_sets_the_batch(load: Load) -> None:
    runs = load().runs
    assert len(runs) == 4
    sizes = {run.settings["batching"]: run.settings["training"]["batch_size"] for run in runs}
    assert sizes == {"strict-time-b200": 200, "previous-batches-b100": 100}
    assert runs[0].folder.startswith("strict-time-b200-w1-s0-")
    for run in runs:
        assert check_run(dict(run.settings), "run") == run.settings
        assert run.settings["task"] == {
            "negatives": ["random", "historical", "inductive", "every"],
            "predict": "links",
        }


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"training": {"batch_size": 5}}, "training.batch_size: 5, but batching: 'strict-time-b200'"),
        ({"training": {"loss": "masked-mse"}}, "training.loss: 'masked-mse' is for signals; use bce"),
        ({"workers": 2}, "workers: an event stream is gone through in order, by one worker"),
    ],
)
def test_a_run_by_hand_is_checked_too(load: Load, changes: dict[str, Any], said: str) -> None:
    run = load().runs[0].settings
    changed = {key: run[key] | value if isinstance(value, dict) else value for key, value in changes.items()}
    with pytest.raises(InputError, match=said):
        check_run({**run, **changed}, "run.yaml")


def test_columns_mean_the_test_part_all_nodes_and_random_negatives_unless_told(load: Load) -> None:
    (table,) = load().tables
    ap, mrr = table["columns"]
    assert (ap["split"], ap["nodes"], ap["negatives"]) == ("test", "all", "random")
    assert (mrr["split"], mrr["nodes"], mrr["negatives"]) == ("test", "new", "every")
    (table,) = load(tables=[{"name": "hard", "columns": [{"metric": "ap_proper"}]}]).tables
    assert (table["columns"][0]["nodes"], table["columns"][0]["negatives"]) == ("all", "historical")


def test_a_node_classification_brings_the_run_that_trains_its_encoder(load: Load) -> None:
    columns = [{"name": "labels", "columns": [{"metric": "label_auc"}]}]
    task = {"predict": "nodes", "encoder": {"training": {"epochs": 3}}}
    study = load(models=["tgn-attn"], batching=["strict-time-b100"], task=task, tables=columns)
    (run,) = study.runs
    declared, encoder = study.all_runs
    assert declared == run and encoder.id == run.settings["task"]["encoder"]["run"]
    assert encoder.settings["batching"] == "strict-time-b200"
    assert encoder.settings["training"]["epochs"] == 3
    links = load(models=["tgn-attn"], batching=["strict-time-b200"], training={"epochs": 3}, overrides=[])
    assert encoder in links.runs  # shared with the study that declares it


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"batching": ["index"]},
            "batching: 'index', but 'synthetic-reveal' is an event stream; use strict-time",
        ),
        ({"batching": ["strict-time-b0"]}, r"batching\[0\]: \"strict-time-b0\" does not fit the pattern"),
        (
            {"models": ["linear"]},
            "models: 'linear' is for signals, but 'synthetic-reveal' is an event stream",
        ),
        (
            {"datasets": ["chickenpox-hungary"]},
            "'tgn-attn' is for event streams, but 'chickenpox-hungary' is a signal",
        ),
        ({"task": {"horizon": 3}}, "task.horizon: says nothing, since 'synthetic-reveal' is an event stream"),
        (
            {"training": {"batch_size": 5}},
            "training.batch_size: the batch of an event stream belongs to its protocol",
        ),
        ({"training": {"loss": "masked-mae"}}, "training.loss: 'masked-mae', but .* use bce"),
        ({"training": {"shuffle": True}}, "training.shuffle: an event stream is gone through in order"),
        ({"training": {"precision": "bfloat16"}}, "training.precision: bfloat16 is for signals"),
        (
            {"training": {"evaluate": ["train"]}},
            "training.evaluate: no negatives are stored for the training events",
        ),
        (
            {"figures": [{"name": "a", "kind": "horizon"}]},
            "no run of this study forecasts a horizon; use curves",
        ),
        (
            {"training": {"warmup_epochs": 2}},
            "training.warmup_epochs: an event stream is gone through in order",
        ),
        (
            {"training": {"save_predictions": True, "evaluate": ["validation"]}},
            "training.save_predictions: predictions are those of the test events, which are not scored",
        ),
        (
            {"training": {"max_steps_per_epoch": 5}},
            "training.max_steps_per_epoch: an event stream is gone through",
        ),
        (
            of_tgn(updater="lstm"),
            r"set\.model \(tgn-attn\)\.updater: unknown \"lstm\"; expected one of: gru, none, rnn",
        ),
        (of_tgn(updater="none", embedding="identity"), "tgn-attn.embedding: identity needs a memory"),
        (of_tgn(heads=3), "tgn-attn.heads: are 3; they do not divide the 344 channels"),
        (of_tgn(dropout=2.0), "tgn-attn.dropout: is 2;"),
        ({"task": {"encoder": {"training": {"epochs": 3}}}}, "task.encoder: is of node classification"),
        (
            {"task": NODES | {"encoder": {"training": {"batch_size": 3}}}},
            "training.batch_size: the batch of an event",
        ),
        ({"task": NODES | {"encoder": {"training": {"evaluate": ["train"]}}}}, "no negatives are stored"),
        (
            {"task": NODES | {"encoder": {"training": {"loss": "masked-mae"}}}},
            "training.loss: 'masked-mae', but",
        ),
        (
            {"task": NODES | {"encoder": {"run": "a/b/c"}}},
            "task.encoder.run: follows from its other settings",
        ),
        ({"workers": [2]}, "workers: an event stream is gone through in order, by one worker"),
        ({"regimes": ["incremental"]}, "regimes: 'incremental' is for signals"),
        (
            {"tables": [{"name": "a", "columns": [{"metric": "mae"}]}]},
            "no run of this study is scored by 'mae'",
        ),
        (
            {"tables": [{"name": "a", "columns": [{"metric": "mrr", "negatives": "random"}]}]},
            "negatives: 'random', but mrr are of ranks among all destinations; use every",
        ),
        (
            {"tables": [{"name": "a", "columns": [{"metric": "ap_proper", "negatives": "random"}]}]},
            "negatives: 'random', but ap_proper leaves out what is random for want of others; use historical",
        ),
        (
            {"task": {"negatives": ["random"]}},
            r"tables\[0\].columns\[1\].negatives: no run scores 'every'; add it to task.negatives",
        ),
        (
            {"tables": [{"name": "a", "columns": [{"metric": "epochs", "nodes": "new"}]}]},
            "nodes: the metric 'epochs' has none",
        ),
    ],
)
def test_what_does_not_fit_is_refused(load: Load, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load(**changes)
