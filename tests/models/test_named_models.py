"""What holds for every model that config/models.yaml names: it builds, learns, and respects the axes."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
import yaml

from stgnn.graph.graph import Graph
from stgnn.models.base import FittedForecaster, TaskShape
from stgnn.models.build import build_model, find_class, setting_types

ROOT = Path(__file__).parents[2]
MODELS = yaml.safe_load((ROOT / "config/models.yaml").read_text())
SCHEMA = json.loads((ROOT / "workflow/schemas/models.schema.json").read_text())
TRAINED = [
    name for name, spec in MODELS.items() if not issubclass(find_class(spec["class"]), FittedForecaster)
]
NUM_NODES, STEPS = 5, 3


class Unscaled:
    """Raw units are the scaled units."""

    def scale(self, values):
        return values


@pytest.fixture
def shape():
    return TaskShape(input_len=STEPS, horizon=STEPS, num_nodes=NUM_NODES, num_inputs=3, num_outputs=2)


@pytest.fixture
def training_rows():
    return np.random.default_rng(0).normal(size=(48, NUM_NODES, 2)).astype(np.float32)


def calendar_of(steps):
    """Hourly entries from a Monday's midnight."""
    hours = np.asarray(steps)
    return np.stack([hours % 24 / 24, hours // 24 % 7], axis=-1).astype(np.float32)


def build(name, shape, graph, rows):
    torch.manual_seed(0)
    model = build_model({"name": name, **MODELS[name]}, shape, graph)
    if isinstance(model, FittedForecaster):
        model.fit(lambda a, b: rows[a:b], calendar_of(range(len(rows))), range(len(rows)), Unscaled(), None)
    return model


def batch_of(size, shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    window = torch.randn(size, shape.input_len, shape.num_nodes, shape.num_inputs, generator=generator)
    target = torch.randn(size, shape.horizon, shape.num_nodes, shape.num_outputs, generator=generator)
    hours = torch.arange(size)[:, None] + torch.arange(shape.horizon)
    return window.to(dtype), target.to(dtype), torch.from_numpy(calendar_of(hours))


def test_the_file_obeys_its_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(MODELS, SCHEMA)


@pytest.mark.parametrize("key", ["setings", "task.horizn", "training.lr"])
def test_a_misspelt_key_breaks_the_schema(key):
    section, _, inner = key.partition(".")
    spec = {**MODELS["dcrnn"], section: {inner: 1} if inner else {}}
    with pytest.raises(jsonschema.ValidationError, match=inner or section):
        jsonschema.validate({"dcrnn": spec}, SCHEMA)


@pytest.mark.parametrize("name", MODELS)
def test_every_setting_of_the_class_is_listed(name):
    assert set(MODELS[name]["settings"]) == set(setting_types(find_class(MODELS[name]["class"])))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODELS)
def test_the_forecast_has_the_shape_of_the_target_and_the_dtype_of_the_window(
    name, dtype, shape, graph, training_rows
):
    window, target, calendar = batch_of(2, shape, dtype)
    model = build(name, shape, graph, training_rows).to(dtype)
    forecast = model(window, calendar_BHK=calendar)
    assert (forecast.shape, forecast.dtype) == (target.shape, dtype)
    assert forecast.isfinite().all()


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (4, 4, 1, 1), (4, 4, 2, 1)], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_one_entry_one_channel_and_no_calendar_work_too(name, sizes, graph, training_rows):
    input_len, horizon, num_inputs, num_outputs = sizes
    shape = TaskShape(input_len, horizon, NUM_NODES, num_inputs, num_outputs)
    window, target, calendar = batch_of(1, shape)
    dates = calendar if name == "historical-average" else None
    model = build(name, shape, graph, training_rows[..., :num_outputs])
    assert model(window, calendar_BHK=dates).shape == target.shape


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_gets_a_gradient(name, autocast, shape, graph, training_rows):
    window, target, calendar = batch_of(4, shape)
    model = build(name, shape, graph, training_rows).train()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        forecast = model(window, calendar_BHK=calendar, target_BHNF=target, step=0)
    assert forecast.dtype == torch.float32
    (forecast - target).square().mean().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        # A bias may have no effect (the last one of an attention score), a matrix must.
        assert parameter.dim() == 1 or parameter.grad.any(), key


@pytest.mark.parametrize("name", TRAINED)
def test_bf16_autocast_stays_near_float32(name, shape, graph, training_rows):
    window, _, calendar = batch_of(4, shape)
    model = build(name, shape, graph, training_rows).eval()
    exact = model(window, calendar_BHK=calendar)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(window, calendar_BHK=calendar)
    assert (rounded - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_state_gives_the_same_forecasts(name, shape, graph, training_rows, tmp_path):
    window, _, calendar = batch_of(2, shape)
    model = build(name, shape, graph, training_rows).eval()
    torch.save(model.state_dict(), tmp_path / "state.pt")
    torch.manual_seed(9)
    fresh = build_model({"name": name, **MODELS[name]}, shape, graph).eval()
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(fresh(window, calendar_BHK=calendar), model(window, calendar_BHK=calendar))


@pytest.mark.parametrize("name", MODELS)
def test_relabelled_graph_nodes_give_relabelled_forecasts(name, shape, graph, training_rows):
    window, _, calendar = batch_of(2, shape, torch.float64)
    order = torch.tensor([3, 0, 4, 1, 2])  # new node i is old node order[i]
    new_of_old = order.argsort()
    relabelled = Graph(new_of_old[graph.edge_index], graph.edge_weight, NUM_NODES)
    model = build(name, shape, graph, training_rows).double().eval()
    same = build(name, shape, relabelled, training_rows[:, order.numpy()]).double().eval()
    expected = model(window, calendar_BHK=calendar)[:, :, order]
    torch.testing.assert_close(same(window[:, :, order], calendar_BHK=calendar), expected)


@pytest.mark.parametrize("name", MODELS)
def test_a_window_is_forecast_the_same_in_any_batch(name, shape, graph, training_rows):
    window, _, calendar = batch_of(3, shape, torch.float64)
    model = build(name, shape, graph, training_rows).double().eval()
    together = model(window, calendar_BHK=calendar)
    for sample in range(3):
        alone = model(window[sample : sample + 1], calendar_BHK=calendar[sample : sample + 1])
        torch.testing.assert_close(alone[0], together[sample])


@pytest.mark.parametrize("name", ["dcrnn", "pgti-dcrnn", "tgcn", "a3tgcn"])
def test_graph_models_see_a_neighbour_and_the_edge_weights(name, shape, graph, training_rows):
    window, _, _ = batch_of(1, shape)
    model = build(name, shape, graph, training_rows).eval()
    reference = model(window)
    nudged = window.clone()
    nudged[:, -1, 0] += 1.0
    assert not torch.allclose(model(nudged)[:, :, 1], reference[:, :, 1])  # node 1 hears node 0
    heavier = Graph(graph.edge_index, graph.edge_weight * torch.arange(1.0, 8.0), NUM_NODES)
    assert not torch.allclose(build(name, shape, heavier, training_rows).eval()(window), reference)


@pytest.mark.parametrize("name", ["dcrnn", "pgti-dcrnn", "tgcn", "a3tgcn"])
def test_graph_models_learn_a_pattern_that_moves_along_the_edges(name):
    """The target is the sum of the two predecessors' values: a node's own past says nothing about it."""
    ring = torch.arange(8)
    graph = Graph(torch.stack([ring.repeat(2), torch.cat([(ring + 1) % 8, (ring + 2) % 8])]), None, 8)
    shape = TaskShape(input_len=2, horizon=2, num_nodes=8, num_inputs=1, num_outputs=1)
    torch.manual_seed(0)
    model = build_model({"name": name, **MODELS[name]}, shape, graph).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    window = torch.rand(64, 2, 8, 1) - 0.5
    upstream = window.roll(1, 2) + window.roll(2, 2)
    target = 0.8 * upstream if name == "pgti-dcrnn" else 0.8 * upstream[:, -1:].expand(-1, 2, -1, -1)
    losses = []
    for step in range(100):
        loss = (model(window, target_BHNF=target, step=step) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    # The best that a model without the graph can do is the mean, 0.
    assert losses[-1] < 0.7 * target.abs().mean()
    assert losses[-1] < 0.7 * losses[0]
