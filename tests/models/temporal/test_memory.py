"""The memory against PyTorch Geometric's, a stream worked out by hand, and plain sequential loops."""

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.nn import TGNMemory
from torch_geometric.nn.models.tgn import IdentityMessage, LastAggregator, MeanAggregator

from tests.models.temporal.streams import Stream, random_stream, run, small_tgn


def memory_after(model, stream, size):
    """Memory and times of all graph nodes with the last batch's messages consumed."""
    with torch.no_grad():
        _, states = run(model, stream, size)
        view, everybody = stream.view(), torch.arange(stream.num_nodes)
        consumed = model._consume(states[-1], everybody, view)
        memory = states[-1].memory.replace(consumed.node_W, consumed.memory_WD).tensor()
        return memory, states[-1].updated.replace(consumed.node_W, consumed.updated_W).tensor()


def pyg_memory_after(model, stream, size, aggregator):
    """The same by PyTorch Geometric's module in eval mode, with our weights; its flush on eval() is reset."""
    channels, times, features = 6, 4, stream.feature.shape[1]
    message = IdentityMessage(features, channels, times)
    theirs = TGNMemory(stream.num_nodes, features, channels, times, message, aggregator)
    theirs.gru.load_state_dict(model.memory.updater.state_dict())
    with torch.no_grad():
        theirs.time_enc.lin.weight.copy_(model.time.frequency_M[:, None])
        theirs.time_enc.lin.bias.copy_(model.time.phase_M)
        theirs.eval()
        theirs.reset_state()
        for batch in stream.batches(size):
            theirs.update_state(batch.src_B, batch.dst_B, batch.t_B, batch.feature_BF)
    return theirs.memory, theirs.last_update


@pytest.mark.parametrize("consume", ["eager", "lazy"])
@pytest.mark.parametrize("bipartite, aggregator", [(True, "last"), (True, "mean"), (False, "last")])
def test_memory_is_pytorch_geometric_s(bipartite, aggregator, consume):
    """Not unipartite and mean: theirs averages stale messages again."""
    stream = random_stream(3_000, 60, bipartite=bipartite, ties=False)
    model = small_tgn(stream, torch.float32, aggregator=aggregator, embedding="identity", consume=consume)
    nn.init.normal_(model.time.phase_M)
    theirs = {"last": LastAggregator, "mean": MeanAggregator}[aggregator]()
    memory, updated = memory_after(model, stream, 100)
    expected, last_update = pyg_memory_after(model, stream, 100, theirs)
    torch.testing.assert_close(memory, expected, rtol=0, atol=1e-5)
    assert torch.equal(updated, last_update)


@pytest.mark.parametrize("embedding", ["identity", "time", "attention"])
@pytest.mark.parametrize("aggregator", ["last", "mean"])
def test_lazy_consumption_gives_the_numbers_of_eager_consumption(aggregator, embedding):
    stream = random_stream()
    settings = {"aggregator": aggregator, "embedding": embedding}
    eager, lazy = (
        run(small_tgn(stream, consume=consume, **settings), stream, 20)[0] for consume in ("eager", "lazy")
    )
    for eager_BQ, lazy_BQ in zip(eager, lazy, strict=True):
        torch.testing.assert_close(lazy_BQ, eager_BQ, rtol=1e-12, atol=1e-12)


class Keep(nn.Module):
    """An updater that keeps the message as the memory, as far as there is room."""

    def __init__(self, channels):
        super().__init__()
        self.room = nn.Parameter(torch.zeros(channels, dtype=torch.float64))

    def forward(self, message_UI, memory_UD):
        return message_UI[:, -len(self.room) :]


BY_HAND = Stream(
    np.array([0, 1, 0, 0], np.int32), np.array([2, 2, 3, 2], np.int32), np.array([1, 2, 2, 5]),
    np.array([[10.0], [20.0], [30.0], [40.0]], np.float32), 4,
)  # fmt: skip


@pytest.mark.parametrize("aggregator", ["last", "mean"])
def test_four_events_by_hand(aggregator):
    """Batches of two. The memory becomes [feature, span - 1] of the message: phi is made the span itself."""
    model = small_tgn(
        BY_HAND, aggregator=aggregator, embedding="identity", memory_channels=2, time_channels=1, heads=1
    )
    model.memory.updater = Keep(2)
    model.time.forward = lambda span: span.unsqueeze(-1).double() - 1.0
    _, states = run(model, BY_HAND, 2)
    nothing, once = (state.memory.tensor().tolist() for state in (states[1], states[2]))
    assert nothing == [[0, 0]] * 4  # the first batch has left messages only
    of_2 = [20, 1] if aggregator == "last" else [15, 0.5]  # events (0, 2, t=1) and (1, 2, t=2)
    assert once == [[10, 0], [20, 1], of_2, [0, 0]]
    assert states[2].updated.tensor().tolist() == [1, 2, 2, 0]
    memory, updated = memory_after(model, BY_HAND, 2)
    # Node 0 has (0, 3, t=2) and (0, 2, t=5), spans counted from its last update at 1; node 2 from 2, node 3 from 0.
    of_0 = [40, 3] if aggregator == "last" else [35, 1.5]
    assert memory.tolist() == [of_0, [20, 1], [40, 2], [30, 1]]
    assert updated.tolist() == [5, 2, 5, 2]


def test_what_is_visible_of_four_events_by_hand():
    view = BY_HAND.view()
    cut = view.neighbours.cut_at(torch.tensor([5, 2, 5]))
    near = view.neighbours.recent(torch.tensor([0, 0, 2]), cut, 2)
    assert near.node_RK.tolist() == [[3, 2], [2, 0], [1, 0]]
    assert near.time_RK.tolist() == [[2, 1], [1, 0], [2, 1]]
    assert near.valid_RK.tolist() == [[True, True], [True, False], [True, True]]


def test_batches_of_one_event_are_the_sequential_model():
    stream = random_stream(60)
    model = small_tgn(stream, embedding="identity", message="mlp")
    logits, _ = run(model, stream, 1)
    memory = torch.zeros(stream.num_nodes, 6, dtype=torch.float64)
    updated = [0] * stream.num_nodes
    for batch, logit_1Q in zip(stream.batches(1), logits, strict=True):
        i, j, t = int(batch.src_B), int(batch.dst_B), int(batch.t_B)
        others = [j, int(batch.event_B * 7) % 16, int(batch.event_B * 7 + 3) % 16]
        expected = model.decoder(memory[[i]], memory[others].unsqueeze(0))
        torch.testing.assert_close(logit_1Q, expected)
        after = {}
        for own, other in ((i, j), (j, i)):
            phi = model.time(torch.tensor([t - updated[own]]))[0]
            raw = torch.cat([memory[own], memory[other], batch.feature_BF[0].double(), phi])
            message = model.memory.message(raw[None])
            after[own] = model.memory.updater(message, memory[None, own])[0].detach()
        for own, row in after.items():
            memory = memory.index_copy(0, torch.tensor([own]), row[None])
            updated[own] = t
