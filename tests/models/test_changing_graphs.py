"""Forecasters whose graph changes from entry to entry: those that read each entry's own, and those on the mean one."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stgnn.catalog import load_catalog
from stgnn.compatible import check_compatible
from stgnn.data import EntryEdges, split_windows
from stgnn.data.mean_graph import mean_graph
from stgnn.distributed.world import World
from stgnn.graph.graph import Graph
from stgnn.models.base import FittedForecaster, Known, TaskShape
from stgnn.models.build import build_model
from stgnn.training.engine import train_run
from stgnn.training.forecasting import Forecasting
from stgnn.training.setup import prepare
from tests.models.test_named_models import CLASSES, LEAST_INPUT, MODELS, narrow
from tests.training.conftest import settings_of

SHAPE = TaskShape(input_len=3, horizon=3, num_nodes=5, num_inputs=2, num_outputs=1)
ANY = Graph(torch.tensor([[0, 1], [1, 2]]), None, 5)  # what no entry's own graph is
CHANGING, DATELESS = (load_catalog()[name] for name in ("england-covid", "chickenpox-hungary"))
WALKERS = [name for name in MODELS if CLASSES[name].reads_past_edges]
GRAPHLESS = [name for name in MODELS if not CLASSES[name].uses_graph]
STARTS = torch.tensor([7, 30, 2])
X_BTNC = torch.randn(3, 3, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
TARGET_BHNF = torch.randn(3, 3, 5, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def build(name, graph, **changes):
    torch.manual_seed(0)
    spec = narrow(MODELS[name])
    return build_model({**spec, "settings": {**spec["settings"], **changes}}, SHAPE, graph).double()


def recurrent(model, x_TNC, graphs, target):
    """The forecast `[N, H * F]` of a window, by calls of the cell."""
    state = ()
    for x_NC, graph in zip(x_TNC, graphs, strict=True):
        state = model.cell(x_NC, graph, *state)
        state = state if isinstance(state, tuple) else (state,)
    return model.head(state[0])


def one_cell(model, x_TNC, graphs, target):
    states = [None]
    for x_NC, graph in zip(x_TNC, graphs, strict=True):
        states.append(model.cell(x_NC, graph, states[-1]))
    return torch.stack([state[:, 0] for state in states[1:]], dim=1)


def attention(model, x_TNC, graphs, target):
    states = [None]
    for x_NC, graph in zip(x_TNC, graphs, strict=True):
        states.append(model.layer.tgcn(x_NC, graph, states[-1]))
    states_TNC = torch.stack(states[1:])
    return model.head((model.layer.score(states_TNC).softmax(0) * states_TNC).sum(0))


def evolving(model, x_TNC, graphs, target):
    hidden = list(model.widen(x_TNC))
    for layer in model.layers:
        layer.reinitialize_weight()
        hidden = [layer(each, graph).relu() for each, graph in zip(hidden, graphs, strict=True)]
        layer.reinitialize_weight()
    return model.head(torch.cat(hidden, dim=1))


def message_passing(model, x_TNC, graphs, target):
    layer, both = model.layer, []
    for x_NC, graph in zip(x_TNC, graphs, strict=True):
        first = layer._batch_norm_1(layer._convolution_1(x_NC, graph.gcn()).relu())
        both.append(
            torch.cat([first, layer._batch_norm_2(layer._convolution_2(first, graph.gcn()).relu())], 1)
        )
    states, (one, _) = layer._recurrent_1(torch.stack(both))
    other = layer._recurrent_2(states)[1][0]
    out = torch.cat([one[0], other[0], x_TNC[0], x_TNC[1:, :, -1].T], dim=1)
    return model.head(model.hidden(out).relu())


def sequence_to_sequence(model, x_TNC, graphs, target):
    """Encoded entry by entry, decoded on the last one's graph, from the true entries where there is a target."""
    states = [None] * len(model.encoder)
    for x_NC, graph in zip(x_TNC, graphs, strict=True):
        step(model.encoder, x_NC, graph, states)
    entry, forecasts = torch.zeros_like(x_TNC[0, :, :1]), []
    for number in range(SHAPE.horizon):
        forecasts.append(model.projection(step(model.decoder, entry, graphs[-1], states)))
        entry = forecasts[-1] if target is None else target[number]
    return torch.cat(forecasts, dim=1)


def step(cells, x_NC, graph, states):
    for place, cell in enumerate(cells):
        x_NC = states[place] = cell(x_NC, graph, states[place])
    return x_NC


ONE_BY_ONE = {
    "dcrnn": sequence_to_sequence, "pgti-dcrnn": one_cell, "pgti-dcrnn-scaled": one_cell, "a3tgcn": attention,
    "evolvegcn-o": evolving, "evolvegcn-h": evolving, "mpnnlstm": message_passing,
    "tgcn": recurrent, "gconvgru": recurrent, "gconvlstm": recurrent, "gclstm": recurrent,
}  # fmt: skip


def assert_equals_one_by_one(name, model, edges, target=None):
    """Forecasts of all windows together, and gradients, are those of each entry of each window on its own `Graph`."""
    known = Known(edges=edges.of(STARTS, SHAPE.input_len), target_BHNF=target)
    together, alone = model(X_BTNC, known), []
    for window in range(3):
        own = edges.of(STARTS[window : window + 1], SHAPE.input_len)
        graphs = [Graph(*own.entry(0, number), num_nodes=5) for number in range(SHAPE.input_len)]
        taught = None if target is None else target[window]
        alone.append(ONE_BY_ONE[name](model, X_BTNC[window], graphs, taught).T[..., None])
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-10, atol=1e-12)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    slopes = (
        torch.autograd.grad((forecast * TARGET_BHNF).sum(), weights)
        for forecast in (together, torch.stack(alone))
    )
    for slope, expected in zip(*slopes, strict=True):
        torch.testing.assert_close(slope, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", WALKERS)
def test_each_entry_of_each_window_passes_through_its_own_graph(name, changing_store):
    assert_equals_one_by_one(name, build(name, ANY).eval(), EntryEdges(changing_store))


def test_true_entries_are_decoded_on_the_last_entrys_graph_too(changing_store):
    model = build("dcrnn", ANY, cl_decay_steps=10**9).train()  # taught by every true entry
    assert_equals_one_by_one("dcrnn", model, EntryEdges(changing_store), TARGET_BHNF)


def never_changing(store):
    """The store with the first entry's edges at every entry."""
    count = store.edge_ptr[1]
    entries = len(store.edge_ptr) - 1
    return replace(
        store, edge_index=np.tile(store.edge_index[:, :count], entries),
        edge_weight=np.tile(store.edge_weight[:count], entries), edge_ptr=np.arange(entries + 1) * count,
    )  # fmt: skip


@pytest.mark.parametrize("name", WALKERS)
def test_on_a_graph_that_never_changes_it_is_the_usual_forecaster(name, changing_store):
    edges = EntryEdges(never_changing(changing_store))
    graph = Graph(*edges.of(STARTS[:1], 1).entry(0, 0), num_nodes=5)
    model = build(name, graph, **({"dropout": 0.0} if name == "mpnnlstm" else {})).train()
    known = Known(edges=edges.of(STARTS, SHAPE.input_len))
    torch.testing.assert_close(model(X_BTNC, known), model(X_BTNC), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("block", [1, 7, 10**6])
def test_the_mean_graph_sums_each_edge_over_the_entries(changing_store, monkeypatch, block):
    monkeypatch.setattr("stgnn.data.mean_graph.BLOCK_EDGES", block)
    entries, sums = range(3, 40), {}
    for edge in range(*changing_store.edge_ptr[[entries.start, entries.stop]]):
        ends = tuple(changing_store.edge_index[:, edge].tolist())
        sums[ends] = sums.get(ends, 0.0) + float(changing_store.edge_weight[edge])
    graph = mean_graph(changing_store, entries)
    found = dict(zip(map(tuple, graph.edge_index.T.tolist()), graph.edge_weight.tolist(), strict=True))
    assert found == {ends: pytest.approx(total / 37, rel=1e-6) for ends, total in sums.items()}


def run_of(name, **changes):
    """A run's settings for a small model."""
    steps = max(3, LEAST_INPUT.get(name, 1))
    sizes = {"calendar": [], "input_len": steps, "horizon": steps, "epochs": 1, "batch_size": 16}
    return settings_of({"name": name, **narrow(MODELS[name])}, **{**sizes, **changes})


def graph_of(store, monkeypatch):
    """The graph that a run on the store builds its model on."""
    monkeypatch.setattr("stgnn.training.setup.open_store", lambda path: store)
    return prepare(run_of("stgcn"), store.path, World()).model.graph


def test_a_model_for_one_graph_is_built_on_the_mean_of_the_training_entries_alone(
    changing_store, monkeypatch
):
    train = split_windows(60, 9, 9).train
    last = changing_store.edge_ptr[train.stop - 1 + 9]  # the first edge that no training window's past has
    before = graph_of(changing_store, monkeypatch)
    for moved, same in ((slice(last, None), True), (slice(last - 1, None), False)):
        other = changing_store.edge_index.copy()
        other[0, moved] = (other[0, moved] + 1) % 5
        after = graph_of(replace(changing_store, edge_index=other), monkeypatch)
        weights = torch.from_numpy(before.neighbours().to_dense() - after.neighbours().to_dense())
        assert (weights.abs().max() == 0) == same


def test_no_mean_is_taken_for_a_model_that_uses_no_graph(changing_store, monkeypatch):
    monkeypatch.setattr("stgnn.training.setup.mean_graph", None)
    for name in GRAPHLESS:
        if CLASSES[name].needs_dates or "gpt2" in MODELS[name]["settings"]:
            continue
        assert prepare(run_of(name), changing_store.path, World()).model.graph.edge_index.shape == (2, 0)


@pytest.mark.parametrize(
    "name", [name for name in GRAPHLESS if not issubclass(CLASSES[name], FittedForecaster)]
)
def test_a_model_that_says_it_uses_no_graph_forecasts_the_same_on_any(name, request):
    changes = (
        {"gpt2": str(request.getfixturevalue("tiny_gpt2"))} if "gpt2" in MODELS[name]["settings"] else {}
    )
    one, other = (
        build(name, graph, **changes).eval()(X_BTNC) for graph in (ANY, Graph(ANY.edge_index[:, :0], None, 5))
    )
    assert torch.equal(one, other)


def test_a_checkpoint_is_scored_on_the_graph_that_it_was_trained_on(changing_store, tmp_path):
    run = run_of("stgcn")
    train_run(run, changing_store.path, tmp_path)
    again = Forecasting(prepare(run, changing_store.path, World()))
    again.model.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["best_model"])
    scores = json.loads((tmp_path / "metrics.json").read_text())["splits"]
    assert again.evaluate(["test"])["test"]["mae"] == scores["test"]["mae"]


@pytest.mark.parametrize("name", [name for name in MODELS if not CLASSES[name].needs_dates])
def test_every_forecaster_trains_on_a_graph_that_changes_and_without_dates(
    name, changing_store, tmp_path, request
):
    run = run_of(name)
    for dataset in (CHANGING, DATELESS):
        check_compatible(run, dataset, Path("study.yaml"))
    if "gpt2" in run["model"]["settings"]:
        run["model"]["settings"]["gpt2"] = str(request.getfixturevalue("tiny_gpt2"))
    train_run(run, changing_store.path, tmp_path)
    scores = json.loads((tmp_path / "metrics.json").read_text())["splits"]
    assert all(math.isfinite(scores[split][metric]) for split in scores for metric in ("mae", "rmse"))


def test_gconvgru_learns_on_windows_that_bring_their_graphs(changing_store, tmp_path):
    train_run(run_of("gconvgru", epochs=3), changing_store.path, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["splits"]["train"]["mae"] < 1.0
