"""What the whole network does with its parts: gradients, states, kinds of nodes, settings."""

import copy
import pickle

import pytest
import torch

from stgnn.errors import InputError
from stgnn.models.temporal import ranking
from stgnn.models.temporal.base import State
from stgnn.models.temporal.memory import MemoryState
from tests.models.temporal.streams import candidates_of, random_stream, run, small_tgn

KINDS = {
    "attention": {},
    "two layers": {"layers": 2, "hop_time": "edge"},
    "lazy mean": {"consume": "lazy", "aggregator": "mean"},
    "sum": {"embedding": "sum", "message": "mlp"},
    "time": {"embedding": "time", "updater": "rnn"},
    "partner": {"embedding": "identity", "partner": "embedding", "updater": "rnn"},
    "no memory": {"updater": "none", "sampling": "uniform", "layers": 2},
}
every_kind = pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)


def gradients(model, logit_BQ):
    """Names of the parameters with a gradient that is not zero, from events and negatives told apart."""
    model.zero_grad()
    (logit_BQ[:, 0] - logit_BQ[:, 1:].mean(1)).square().mean().backward()
    return {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}


@pytest.mark.parametrize(
    "settings, reached",
    [
        ({"message": "mlp"}, ("memory.updater.weight_ih", "memory.message.layers.0.weight", "time.frequency_M")),
        ({"aggregator": "mean"}, ("memory.updater.weight_ih", "embedding.layers.0.attention.key.weight")),
        ({"consume": "lazy"}, ("memory.updater.weight_ih", "time.frequency_M")),
        (KINDS["partner"], ("memory.updater.weight_ih", "partner.layers.0.attention.key.weight", "time.frequency_M")),
        (KINDS["time"], ("memory.updater.weight_hh", "embedding.weight", "time.frequency_M")),
    ],
)  # fmt: skip
def test_gradients_reach_the_memory_s_parts_from_the_second_batch_on(settings, reached):
    stream = random_stream(120)
    model = small_tgn(stream, **settings)
    logits, _ = run(model, stream, 20)
    assert not {name for name in gradients(model, logits[0]) if name.startswith(("memory", "partner"))}
    # A state of zeros meets no weight of the updater, nor a memory of zeros one of a partner's keys.
    for logit_BQ in logits[3:]:
        assert set(reached) <= gradients(model, logit_BQ)


@every_kind
def test_a_state_survives_as_tensors_copies_and_pickles(settings):
    stream = random_stream(80)
    model = small_tgn(stream, **settings).eval()
    logits, states = run(model, stream, 20)
    batch, view = [*stream.batches(20)][2], stream.view()
    candidate_BQ = candidates_of(batch, stream.num_nodes)
    for state, same in (
        (states[2], pickle.loads(pickle.dumps(model))),
        (type(states[2]).from_tensors(states[2].tensors()), model),
        (pickle.loads(pickle.dumps(states[2])), copy.deepcopy(model)),
        (copy.deepcopy(states[2]).detach(), model),
    ):
        assert torch.equal(same.step(state, batch, candidate_BQ, view)[0], logits[2])


@every_kind
def test_states_hold_no_gradients_and_do_not_grow(settings):
    stream = random_stream(80)
    _, states = run(small_tgn(stream, **settings), stream, 20)
    sizes = {
        tuple((name, tensor.shape) for name, tensor in state.tensors().items() if name != "waiting_W")
        for state in states
    }
    assert len(sizes) == 1
    assert not any(tensor.requires_grad for tensor in states[-1].tensors().values())


@every_kind
def test_advancing_leaves_the_state_of_a_step(settings):
    stream = random_stream(80)
    model, view = small_tgn(stream, **settings), stream.view()
    _, states = run(model, stream, 20)
    for batch, before, after in zip(stream.batches(20), states, states[1:], strict=False):
        advanced = model.advance(before, batch, view).tensors()
        for name, tensor in after.tensors().items():
            torch.testing.assert_close(advanced[name], tensor)


@every_kind
@pytest.mark.parametrize("features", [0, 2])
def test_strangers_and_loops_and_absent_features_are_finite(settings, features):
    stream = random_stream(40, nodes=60, features=features)
    stream.dst[::5] = stream.src[::5]
    model = small_tgn(stream, torch.float32, **settings)
    logits, states = run(model, stream, 10)
    assert all(logit_BQ.isfinite().all() for logit_BQ in logits)
    gradients(model, torch.cat(logits[1:]))
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    node, time = torch.arange(60), torch.full((60,), 99)
    z_RC = model.embed(states[-1], node, time, torch.full((60,), 40), stream.view())
    assert z_RC.shape == (60, model.num_channels)
    assert z_RC.isfinite().all()


def test_more_neighbours_than_there_are_change_nothing():
    stream = random_stream(60)
    few, many = (run(small_tgn(stream, neighbours=k), stream, 20)[0] for k in (60, 90))
    for one, other in zip(few, many, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("of_nodes", [6, 4])
def test_graph_nodes_start_from_memory_plus_features(of_nodes):
    stream = random_stream(of_nodes=of_nodes)
    model, view = small_tgn(stream, embedding="identity"), stream.view()
    _, states = run(model, stream, 20)
    node, now = torch.arange(16), torch.zeros(16, dtype=torch.int64)
    feature = torch.from_numpy(stream.node_feature).double()
    expected = feature if of_nodes == 6 else model.features(feature)
    torch.testing.assert_close(model.embed(states[0], node, now, now, view), expected)
    consumed = model._consume(states[3], node, view)
    memory = states[3].memory.replace(consumed.node_W, consumed.memory_WD).tensor()
    torch.testing.assert_close(model.embed(states[3], node, now, now, view), memory + expected)


def test_training_draws_neighbours_anew_and_evaluation_does_not():
    stream = random_stream()
    model = small_tgn(stream, **KINDS["no memory"])
    torch.manual_seed(1)
    one, other = (run(model.train(), stream, 100)[0][1] for _ in range(2))
    assert not torch.equal(one, other)
    one, other = (run(model.eval(), stream, 100)[0][1] for _ in range(2))
    assert torch.equal(one, other)


def test_only_a_network_with_memory_has_a_state():
    stream = random_stream()
    assert isinstance(small_tgn(stream).initial_state(), MemoryState)
    assert small_tgn(stream, updater="none").initial_state() == State()


def test_a_state_of_another_model_is_refused():
    with pytest.raises(InputError, match="state: has memory, expected nothing"):
        State.from_tensors({"memory": torch.zeros(1)})


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"updater": "lstm"}, "updater: found 'lstm'; expected one of: gru, rnn, none"),
        ({"embedding": "attn"}, "embedding: found 'attn'"),
        ({"layers": 0}, "layers: is 0"),
        ({"heads": 3}, "heads: are 3"),
        ({"dropout": 1.0}, "dropout: is 1.0"),
        ({"updater": "none", "embedding": "identity"}, "identity needs a memory"),
        ({"partner": "embedding", "consume": "lazy"}, "goes with aggregator last and consume eager"),
        ({"partner": "embedding", "updater": "none"}, "partner: embedding needs a memory"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(settings, message):
    with pytest.raises(InputError, match=message):
        small_tgn(random_stream(), **settings)


@pytest.mark.parametrize("visibility", ["strict_time", "previous_batches"])
@every_kind
def test_ranking_gives_the_logits_of_a_step_in_blocks_of_any_size(settings, visibility, monkeypatch):
    """A batch has equal times, and candidates that meet someone in it."""
    stream = random_stream(100)
    model, view = small_tgn(stream, **settings).eval(), stream.view(visibility)
    _, states = run(model, stream, 20, visibility)
    batch, state, everybody = [*stream.batches(20)][4], states[4], torch.arange(stream.num_nodes)
    expected, _ = model.step(state, batch, everybody.expand(20, -1), view)
    for at_once in (8192, 45):
        monkeypatch.setattr(ranking, "AT_ONCE", at_once)
        torch.testing.assert_close(model.rank(state, batch, everybody, view), expected.detach())


@pytest.mark.parametrize("settings", [{}, {"layers": 2}, {"embedding": "sum"}])
def test_a_step_and_ranking_agree_in_float32_over_years(settings):
    stream = random_stream(100)
    stream.t = stream.t * 1_000_003
    model, view = small_tgn(stream, torch.float32, time_channels=32, **settings).eval(), stream.view()
    _, states = run(model, stream, 20)
    batch, everybody = [*stream.batches(20)][4], torch.arange(stream.num_nodes)
    expected, _ = model.step(states[4], batch, everybody.expand(20, -1), view)
    found = model.rank(states[4], batch, everybody, view)
    torch.testing.assert_close(found, expected.detach(), atol=2e-5, rtol=1e-4)
