"""What holds for every model that config/models.yaml names: it builds, learns, and respects the axes."""

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
import yaml
from torch import nn

from stgnn.graph.graph import Graph
from stgnn.models.base import FittedForecaster, FittedOnRows, FittedOnWindows, Forecaster, Known, TaskShape
from stgnn.models.build import build_model, find_class, setting_types

ROOT = Path(__file__).parents[2]
NAMED = yaml.safe_load((ROOT / "config/models.yaml").read_text())
CLASSES = {name: find_class(spec["class"], nn.Module) for name, spec in NAMED.items()}
MODELS = {name: spec for name, spec in NAMED.items() if issubclass(CLASSES[name], Forecaster)}
SCHEMA = json.loads((ROOT / "workflow/schemas/models.schema.json").read_text())
TRAINED = [name for name in MODELS if not issubclass(CLASSES[name], FittedForecaster)]
NUM_NODES, STEPS = 5, 3
# Of the models that start each snapshot from a zero state: what multiplies it, and gates that are multiplied by it.
OF_THE_STATE = {
    "snapshot-gconvgru": "conv_h_|conv_x_r",
    "snapshot-gconvlstm": "conv_h_|conv_x_f|b_f|w_c_[if]",
    "snapshot-gclstm": "conv_|[bW]_f",
    "snapshot-tgcn": "conv_r|linear_r",
    "snapshot-dygrae": "recurrent_layer.weight_hh",
    "snapshot-mpnnlstm": "weight_hh",
}
RATE = {"astgcn": 0.005, "mstgcn": 0.005}  # learning rates of models that 0.02 makes diverge

# Windows that a model's settings need at least.
LEAST_INPUT = {"stgcn": 9}
# Models that learn something about each graph node: parameters follow the nodes' labels.
PER_NODE = ("agcrn", "astgcn", "mtgnn", "snapshot-agcrn")
# Models to which the order of the graph nodes means something.
ORDERED = ("aagcn", "st-llm")
# Models that work on the dataset's edges, and in which the last entry passes along them.
ON_EDGES = (
    "dcrnn", "pgti-dcrnn", "tgcn", "a3tgcn", "gconvgru", "gconvlstm", "evolvegcn-o", "evolvegcn-h", "mpnnlstm", "stgcn",
    "astgcn", "mstgcn", "aagcn",
)  # fmt: skip


class Unscaled:
    """Raw units are the scaled units."""

    def scale(self, values):
        return values


@pytest.fixture
def shape(name):
    steps = max(STEPS, LEAST_INPUT.get(name, 1))
    return TaskShape(input_len=steps, horizon=steps, num_nodes=NUM_NODES, num_inputs=3, num_outputs=2)


@pytest.fixture
def spec(name, request):
    """The model's entry, on weights that are here."""
    entry = {"name": name, **MODELS[name]}
    if "gpt2" in entry["settings"]:
        entry["settings"] = {**entry["settings"], "gpt2": str(request.getfixturevalue("tiny_gpt2"))}
    return entry


@pytest.fixture
def training_rows():
    return np.random.default_rng(0).normal(size=(48, NUM_NODES, 2)).astype(np.float32)


def calendar_of(steps):
    """Hourly entries from a Monday's midnight."""
    hours = np.asarray(steps)
    return np.stack([hours % 24 / 24, hours // 24 % 7], axis=-1).astype(np.float32)


def build(spec, shape, graph, rows=None):
    torch.manual_seed(0)
    model = build_model(spec, shape, graph)
    if isinstance(model, FittedOnWindows):
        x, y, _ = batch_of(16, shape)
        model.fit([(x, y, torch.ones_like(y, dtype=torch.bool))], lambda each: each)
    elif isinstance(model, FittedOnRows):
        model.fit(lambda a, b: rows[a:b], calendar_of(range(len(rows))), range(len(rows)), Unscaled(), None)
    return model


def batch_of(size, shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    window = torch.randn(size, shape.input_len, shape.num_nodes, shape.num_inputs, generator=generator)
    target = torch.randn(size, shape.horizon, shape.num_nodes, shape.num_outputs, generator=generator)
    hours = torch.arange(size)[:, None] + torch.arange(shape.input_len + shape.horizon)
    past, future = torch.from_numpy(calendar_of(hours)).split([shape.input_len, shape.horizon], dim=1)
    return window.to(dtype), target.to(dtype), {"past_calendar_BTK": past, "calendar_BHK": future}


def enliven(model):
    """Draw what starts at (nearly) zero and so hides other parameters, as after some training."""
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.abs().max() < 1e-5:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def narrow(spec):
    """The entry with few channels and blocks: quick to train, and no sigmoid of a wide sum that is 0 or 1."""
    few = {"hidden_channels": 16, "num_blocks": 2}
    return {**spec, "settings": {key: few.get(key, value) for key, value in spec["settings"].items()}}


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
    assert set(MODELS[name]["settings"]) == set(setting_types(CLASSES[name]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODELS)
def test_the_forecast_has_the_shape_of_the_target_and_the_dtype_of_the_window(
    name, spec, dtype, shape, graph, training_rows
):
    window, target, calendar = batch_of(2, shape, dtype)
    model = build(spec, shape, graph, training_rows).to(dtype)
    forecast = model(window, Known(**calendar))
    assert (forecast.shape, forecast.dtype) == (target.shape, dtype)
    assert forecast.isfinite().all()


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (4, 4, 1, 1), (4, 4, 2, 1)], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_one_entry_one_channel_and_no_calendar_work_too(name, spec, sizes, graph, training_rows):
    input_len, horizon, num_inputs, num_outputs = sizes
    input_len = max(input_len, LEAST_INPUT.get(name, 1))
    shape = TaskShape(input_len, horizon, NUM_NODES, num_inputs, num_outputs)
    window, target, calendar = batch_of(1, shape)
    dates = calendar if CLASSES[name].needs_dates else {}
    model = build(spec, shape, graph, training_rows[..., :num_outputs])
    assert model(window, Known(**dates)).shape == target.shape


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_gets_a_gradient(name, spec, autocast, shape, graph, training_rows):
    window, target, calendar = batch_of(4, shape)
    model = enliven(build(narrow(spec), shape, graph)).train()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        forecast = model(window, Known(**calendar, target_BHNF=target, step=0))
    assert forecast.dtype == torch.float32
    (forecast - target).square().mean().backward()
    for key, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        # A bias may have no effect (the last one of an attention score), a matrix must, unless it meets a zero state
        if parameter.dim() > 1:
            unused = re.search(OF_THE_STATE.get(name.removesuffix("-k1"), "$^"), key)
            assert parameter.grad.any() == (unused is None), key


@pytest.mark.parametrize("name", TRAINED)
def test_bf16_autocast_stays_near_float32(name, spec, shape, graph, training_rows):
    window, _, calendar = batch_of(4, shape)
    model = build(spec, shape, graph, training_rows).eval()
    exact = model(window, Known(**calendar))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(window, Known(**calendar))
    assert (rounded - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_state_gives_the_same_forecasts(name, spec, shape, graph, training_rows, tmp_path):
    window, _, calendar = batch_of(2, shape)
    model = build(spec, shape, graph, training_rows).eval()
    torch.save(model.state_dict(), tmp_path / "state.pt")
    torch.manual_seed(9)
    fresh = build_model(spec, shape, graph).eval()
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(fresh(window, Known(**calendar)), model(window, Known(**calendar)))


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ORDERED])
def test_relabelled_graph_nodes_give_relabelled_forecasts(name, spec, shape, graph, training_rows):
    window, _, calendar = batch_of(2, shape, torch.float64)
    order = torch.tensor([3, 0, 4, 1, 2])  # new node i is old node order[i]
    new_of_old = order.argsort()
    relabelled = Graph(new_of_old[graph.edge_index], graph.edge_weight, NUM_NODES)
    model = build(spec, shape, graph, training_rows).double().eval()
    same = build(spec, shape, relabelled, training_rows[:, order.numpy()]).double().eval()
    if name in PER_NODE:
        same.load_state_dict({key: reordered(value, order) for key, value in model.state_dict().items()})
    expected = model(window, Known(**calendar))[:, :, order]
    torch.testing.assert_close(same(window[:, :, order], Known(**calendar)), expected)


def reordered(parameter, order):
    """A parameter with graph nodes, along every axis that is as long as there are, in another order."""
    for axis in range(parameter.dim()):
        if parameter.shape[axis] == len(order):
            parameter = parameter.index_select(axis, order)
    return parameter


@pytest.mark.parametrize("name", MODELS)
def test_a_window_is_forecast_the_same_in_any_batch(name, spec, shape, graph, training_rows):
    window, _, calendar = batch_of(3, shape, torch.float64)
    model = build(spec, shape, graph, training_rows).double().eval()
    together = model(window, Known(**calendar))
    for sample in range(3):
        alone = model(
            window[sample : sample + 1],
            Known(**{key: value[sample : sample + 1] for key, value in calendar.items()}),
        )
        torch.testing.assert_close(alone[0], together[sample])


@pytest.mark.parametrize("name", ON_EDGES)
def test_graph_models_see_a_neighbour_and_the_edge_weights(name, spec, shape, graph, training_rows):
    window, _, _ = batch_of(1, shape)
    model = enliven(build(spec, shape, graph)).eval()
    reference = model(window)
    nudged = window.clone()
    nudged[:, -1, 0] += 1.0
    assert not torch.allclose(model(nudged)[:, :, 1], reference[:, :, 1])  # node 1 hears node 0
    heavier = Graph(graph.edge_index, graph.edge_weight * torch.arange(1.0, 8.0), NUM_NODES)
    assert not torch.allclose(enliven(build(spec, shape, heavier)).eval()(window), reference)


@pytest.mark.parametrize("name", ON_EDGES)
def test_graph_models_learn_a_pattern_that_moves_along_the_edges(name, spec):
    """The target is the sum of the two predecessors' values: a node's own past says nothing about it."""
    ring, steps = torch.arange(8), max(2, LEAST_INPUT.get(name, 1))
    graph = Graph(torch.stack([ring.repeat(2), torch.cat([(ring + 1) % 8, (ring + 2) % 8])]), None, 8)
    shape = TaskShape(input_len=steps, horizon=steps, num_nodes=8, num_inputs=1, num_outputs=1)
    model = build(narrow(spec), shape, graph).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE.get(name, 0.02))
    window = torch.rand(64, steps, 8, 1) - 0.5
    upstream = window.roll(1, 2) + window.roll(2, 2)
    target = 0.8 * upstream if name == "pgti-dcrnn" else 0.8 * upstream[:, -1:].expand(-1, steps, -1, -1)
    losses = []
    for step in range(100):
        loss = (model(window, Known(target_BHNF=target, step=step)) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        # The best that a model without the graph can do is the mean, 0.
        if losses[-1] < 0.65 * min(target.abs().mean().item(), losses[0]):
            return
    pytest.fail(f"in 100 steps from {losses[0]:.3f} to {losses[-1]:.3f} only, of {target.abs().mean():.3f}")
