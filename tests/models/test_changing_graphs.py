"""Forecasters whose graph changes from entry to entry within a window."""

import json
import math
from dataclasses import replace

import pytest
import torch

from stgnn.data import EntryEdges
from stgnn.graph.graph import Graph
from stgnn.models.base import Known, TaskShape
from stgnn.models.gconvgru import GConvGRUForecaster
from stgnn.training.engine import train_run
from tests.training.conftest import settings_of

SHAPE = TaskShape(input_len=4, horizon=2, num_nodes=5, num_inputs=1, num_outputs=1)
EDGELESS = Graph(torch.zeros(2, 0, dtype=torch.long), None, 5)
SETTINGS = {"hidden_channels": 6, "filter_taps": 3}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return GConvGRUForecaster(SHAPE, EDGELESS, **SETTINGS).double().eval()


def test_each_entry_is_filtered_on_its_own_graph(model, changing_store):
    edges = EntryEdges(changing_store)
    start = torch.tensor([7, 30, 2])
    x_BTNC = torch.randn(3, 4, 5, 1, dtype=torch.float64)
    together = model(x_BTNC, Known(edges=edges.of(start, 4)))
    for window in range(3):
        own, state = edges.of(start[window : window + 1], 4), None
        for step in range(4):
            graph = Graph(*own.entry(0, step), num_nodes=5)
            state = model.cell(x_BTNC[window, step], graph, state)
        expected = model.head(state).T[..., None]
        torch.testing.assert_close(together[window], expected, rtol=1e-10, atol=1e-12)


def test_on_one_graph_that_never_changes_it_is_the_usual_forecaster(changing_store):
    first = EntryEdges(changing_store).of(torch.tensor([0]), 1).entry(0, 0)
    count = len(first[1])
    same = replace(
        EntryEdges(changing_store).of(torch.tensor([0]), 4),
        edge_index=first[0].repeat(1, 4), edge_weight=first[1].repeat(4), bounds=tuple(range(0, 5 * count, count)),
    )  # fmt: skip
    torch.manual_seed(0)
    model = GConvGRUForecaster(SHAPE, Graph(*first, num_nodes=5), **SETTINGS).double().eval()
    x_BTNC = torch.randn(1, 4, 5, 1, dtype=torch.float64)
    torch.testing.assert_close(model(x_BTNC, Known(edges=same)), model(x_BTNC), rtol=1e-10, atol=1e-12)


def test_it_trains_on_windows_that_bring_their_graphs(changing_store, tmp_path):
    spec = {"name": "gconvgru", "class": "stgnn.models.gconvgru.GConvGRUForecaster", "settings": SETTINGS}
    train_run(settings_of(spec, calendar=[], horizon=2), changing_store.path, tmp_path)
    scores = json.loads((tmp_path / "metrics.json").read_text())["splits"]
    assert math.isfinite(scores["test"]["mae"]) and scores["train"]["mae"] < 1.0
