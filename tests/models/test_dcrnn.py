"""The seq2seq DCRNN against a dense loop in numpy, and its scheduled sampling."""

import numpy as np
import pytest
import torch

from stgnn.models.base import Known, TaskShape
from stgnn.models.dcrnn import Seq2SeqDCRNN, teaching_probability

NEVER = 10**9  # a step so late that no true entry is fed any more
HALF = round(2000 * np.log(2000))  # the step at which every second one is, for cl_decay_steps = 2000


def build(shape, graph, **changes):
    torch.manual_seed(0)
    settings = {"hidden_channels": 4, "num_layers": 2, "max_diffusion_step": 2, "cl_decay_steps": 2000}
    return Seq2SeqDCRNN(shape, graph, **{**settings, **changes})


@pytest.fixture
def window():
    return torch.randn(2, 3, 5, 2, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def target():
    return torch.randn(2, 3, 5, 1, generator=torch.Generator().manual_seed(2))


def walks_of(graph):
    """Random walks along and against the edges, dense: the transposes of D_O^-1 W and D_I^-1 W^T."""
    weight = np.zeros((graph.num_nodes, graph.num_nodes))
    for source, target, value in zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), strict=True):
        weight[source, target] += value
    return [(w / w.sum(1, keepdims=True)).T for w in (weight, weight.T)]


def dense_convolution(convolution, walks, x_NF):
    kernel = convolution.weight.detach().numpy()
    hops = (len(kernel) - 1) // 2
    terms = [x_NF] + [np.linalg.matrix_power(walk, k) @ x_NF for walk in walks for k in range(1, hops + 1)]
    return sum(t @ k for t, k in zip(terms, kernel, strict=True)) + convolution.bias.detach().numpy()


def dense_cell(cell, walks, x_NF, h_NC):
    gates = 1 / (1 + np.exp(-dense_convolution(cell.gates, walks, np.hstack([x_NF, h_NC]))))
    z, r = np.split(gates, 2, axis=1)
    c = np.tanh(dense_convolution(cell.candidate, walks, np.hstack([x_NF, r * h_NC])))
    return z * h_NC + (1 - z) * c


def dense_layers(cells, walks, x_NF, states):
    for layer, cell in enumerate(cells):
        x_NF = states[layer] = dense_cell(cell, walks, x_NF, states[layer])
    return x_NF


def dense_seq2seq(model, graph, x_TNC, taught=(), target_HNF=None):
    """The paper's recursion for one window, entry by entry and layer by layer."""
    walks = walks_of(graph)
    states = [np.zeros((graph.num_nodes, model.projection.in_features)) for _ in model.encoder]
    for x_NC in x_TNC:
        dense_layers(model.encoder, walks, x_NC, states)
    decoder_input, forecasts = np.zeros((graph.num_nodes, model.shape.num_outputs)), []
    for entry in range(model.shape.horizon):
        if entry in taught:
            decoder_input = target_HNF[entry - 1]
        top = dense_layers(model.decoder, walks, decoder_input, states)
        decoder_input = top @ model.projection.weight.detach().numpy().T
        forecasts.append(decoder_input)
    return np.array(forecasts)


def altered(target, entry):
    """The target with another value at one future entry."""
    other = target.clone()
    other[:, entry] += 1.0
    return other


@pytest.mark.parametrize("num_outputs, num_layers, hops", [(1, 2, 2), (2, 1, 1), (1, 3, 3)])
def test_evaluation_is_the_papers_recursion(graph, num_outputs, num_layers, hops):
    shape = TaskShape(input_len=4, horizon=3, num_nodes=5, num_inputs=2, num_outputs=num_outputs)
    model = build(shape, graph, num_layers=num_layers, max_diffusion_step=hops).double().eval()
    window = torch.randn(2, 4, 5, 2, dtype=torch.float64)
    forecast = model(window)
    for sample in range(2):
        expected = dense_seq2seq(model, graph, window[sample].numpy())
        np.testing.assert_allclose(forecast[sample].detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def test_every_pattern_of_coins_is_the_papers_recursion(shape, graph, window, target):
    model = build(shape, graph).double().train()
    window, target = window.double(), target.double()
    patterns = {
        taught: dense_seq2seq(model, graph, window[1].numpy(), taught, target[1].numpy())
        for taught in [(), (1,), (2,), (1, 2)]
    }
    seen = set()
    for seed in range(40):
        torch.manual_seed(seed)
        forecast = model(window, Known(target_BHNF=target, step=HALF))[1].detach().numpy()
        same = [
            taught for taught, expected in patterns.items() if np.allclose(forecast, expected, 1e-9, 1e-12)
        ]
        assert len(same) == 1
        seen.add(same[0])
    assert seen == set(patterns)


def test_the_gradient_is_the_slope_of_the_loss(shape, graph, window, target):
    model = build(shape, graph).double().train()

    def loss():
        torch.manual_seed(5)  # the same coins each time
        return model(window.double(), Known(target_BHNF=target.double(), step=HALF)).square().mean()

    loss().backward()
    direction = [torch.randn_like(parameter) for parameter in model.parameters()]
    pairs = list(zip(model.parameters(), direction, strict=True))
    slope = sum((parameter.grad * along).sum() for parameter, along in pairs)

    def moved_loss(distance):
        with torch.no_grad():
            for parameter, along in pairs:
                parameter += distance * along
            moved = loss()
            for parameter, along in pairs:
                parameter -= distance * along
        return moved

    torch.testing.assert_close((moved_loss(1e-5) - moved_loss(-1e-5)) / 2e-5, slope, rtol=1e-6, atol=0)


def test_the_authors_network_has_its_number_of_parameters(shape, graph):
    model = build(shape, graph, hidden_channels=64)
    assert sum(parameter.numel() for parameter in model.parameters()) == 372_352


def test_true_entries_give_way_to_forecasts_by_the_inverse_sigmoid():
    assert teaching_probability(0, 2000) == pytest.approx(2000 / 2001)
    assert teaching_probability(2000, 2000) == pytest.approx(2000 / (2000 + np.e))
    assert teaching_probability(HALF, 2000) == pytest.approx(0.5, abs=1e-4)
    assert teaching_probability(NEVER, 2000) < 1e-300


def test_the_first_training_steps_feed_the_true_entries(shape, graph, window, target):
    model = build(shape, graph, cl_decay_steps=10**6).train()
    forecast = model(window, Known(target_BHNF=target, step=0))
    changed = model(window, Known(target_BHNF=altered(target, 0), step=0))
    assert torch.equal(changed[:, 0], forecast[:, 0])  # an entry is not fed to its own forecast
    assert not torch.allclose(changed[:, 1], forecast[:, 1])
    assert torch.equal(
        model(window, Known(target_BHNF=altered(target, 2), step=0)), forecast
    )  # nor the last to any


def test_late_training_steps_feed_the_forecasts(shape, graph, window, target):
    model = build(shape, graph).train()
    assert torch.equal(model(window, Known(target_BHNF=target, step=NEVER)), model.eval()(window))


def test_evaluation_never_looks_at_the_target_nor_tosses_a_coin(shape, graph, window, target):
    model = build(shape, graph, cl_decay_steps=10**6)
    before = torch.get_rng_state()
    untaught = model.train()(window)
    assert torch.equal(model.eval()(window, Known(target_BHNF=target, step=0)), untaught)
    assert torch.equal(torch.get_rng_state(), before)


def test_coins_follow_the_seed_and_their_probability(shape, graph, window, target):
    model = build(shape, graph).train()

    def forecast(seed, truth):
        torch.manual_seed(seed)
        return model(window, Known(target_BHNF=truth, step=HALF)).detach()

    assert torch.equal(forecast(3, target), forecast(3, target))
    other = altered(target, 0)
    fed = [not torch.equal(forecast(seed, target), forecast(seed, other)) for seed in range(80)]
    assert 13 < sum(fed) < 67  # 6 standard deviations are 27
