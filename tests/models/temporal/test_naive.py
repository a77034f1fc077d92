"""Whole temporal graph networks against their formulas one graph node, one event, one head at a time.

Rossi et al., 2020, section 3; JODIE and DyRep as settings of it (their table 1). All messages that wait are consumed
when a batch begins, which gives the numbers of any other order.
"""

import dataclasses

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from stgnn.models.temporal.tgn import TGN
from tests.models.temporal.streams import SMALL, candidates_of, random_stream, run

NODES, SIZE, UNIT = 9, 12, 0.5
JODIE = {"updater": "rnn", "embedding": "time"}
DYREP = {"updater": "rnn", "embedding": "identity", "partner": "embedding"}


def model_of(stream, settings):
    """With weights of which none is zero, a clock that is not of seconds and does not start at 0."""
    shape = dataclasses.replace(
        stream.shape, time_mean=7.0, time_std=9.0, unit=UNIT, first_time=int(stream.t[0])
    )
    torch.manual_seed(5)
    model = TGN(shape, **SMALL | settings).double()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.5)
    return model.eval()


class Naive:
    """The network that `settings` say, with the weights of `model`."""

    def __init__(self, model, stream, settings):
        self.stream, self.settings = stream, SMALL | settings
        self.weights, self.shape = dict(model.named_parameters()), model.shape
        self.memory = [torch.zeros(6, dtype=torch.float64) for _ in range(NODES)]
        self.updated = [int(stream.t[0])] * NODES
        self.waiting = [[] for _ in range(NODES)]  # of each graph node: events, with the other end

    def score(self, batch):
        """Logits of the batch's candidates, then its events wait as messages."""
        self.consume()
        rows = []
        for source, time, candidates in zip(
            batch.src_B.tolist(), batch.t_B.tolist(), candidates_of(batch, NODES).tolist(), strict=True
        ):
            own = self.embedded(source, time)
            logits = [self.perceptron("decoder", own, self.embedded(other, time)) for other in candidates]
            rows.append(torch.cat(logits))
        for event in batch.event_B.tolist():
            source, destination = int(self.stream.src[event]), int(self.stream.dst[event])
            self.waiting[source].append((event, destination))
            self.waiting[destination].append((event, source))
        return torch.stack(rows)

    def consume(self):
        """Move every memory on by its messages, all made from the memories as they were."""
        memory, updated = list(self.memory), list(self.updated)
        for node, waiting in enumerate(self.waiting):
            if waiting:
                raw = [self.message(node, event, other) for event, other in waiting]
                mean = self.settings["aggregator"] == "mean"
                memory[node] = self.moved_on(self.memory[node], sum(raw) / len(raw) if mean else raw[-1])
                updated[node] = int(self.stream.t[waiting[-1][0]])
        self.memory, self.updated, self.waiting = memory, updated, [[] for _ in range(NODES)]

    def message(self, node, event, other):
        time = int(self.stream.t[event])
        told = self.memory[other]
        if self.settings["partner"] == "embedding":
            told = self.attended("partner", other, time, self.settings["layers"])
        span = time - self.updated[node]
        return torch.cat([self.memory[node], told, self.feature(event), self.phi(span)])

    def moved_on(self, memory, raw):
        if self.settings["message"] == "mlp":
            hidden = self.linear("memory.message.layers.0", raw).relu()
            raw = self.linear("memory.message.layers.2", hidden)
        w_i, w_h, b_i, b_h = (
            self.weights[f"memory.updater.{name}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        of_message, of_memory = linear(raw, w_i, b_i), linear(memory, w_h, b_h)
        if self.settings["updater"] == "rnn":
            return torch.tanh(of_message + of_memory)
        (r_i, z_i, n_i), (r_h, z_h, n_h) = of_message.chunk(3), of_memory.chunk(3)
        kept = torch.sigmoid(z_i + z_h)
        return kept * memory + (1 - kept) * torch.tanh(n_i + torch.sigmoid(r_i + r_h) * n_h)

    def embedded(self, node, time):
        if self.settings["embedding"] == "identity":
            return self.memory[node]
        if self.settings["embedding"] == "time":
            since = (time - self.updated[node]) * UNIT
            scaled = (since - self.shape.time_mean) / self.shape.time_std
            moved = self.weights["embedding.weight"] * scaled + self.weights["embedding.bias"]
            return self.memory[node] * (1 + moved)
        return self.attended("embedding", node, time, self.settings["layers"])

    def attended(self, stack, node, time, layer):
        """Attention of `layer` layers, by recursion; the events of the same moment are not seen."""
        if layer == 0:
            return self.memory[node]
        at_edge, name = self.settings["hop_time"] == "edge", f"{stack}.layers.{layer - 1}"
        own = self.attended(stack, node, time, layer - 1)
        met = []
        for event, other in self.earlier(node, time)[:3]:
            then = int(self.stream.t[event])
            row = self.attended(stack, other, then if at_edge else time, layer - 1)
            met.append(torch.cat([row, self.feature(event), self.phi(time - then)]))
        told = self.heads(f"{name}.attention", torch.cat([own, self.phi(0)]), met)
        return self.perceptron(f"{name}.merge", told, own)

    def heads(self, name, asking, met):
        """Two heads of softmax(q k / sqrt(width)) v; nothing where nobody was met."""
        if not met:
            return torch.zeros_like(asking)
        query = self.linear(f"{name}.query", asking)
        keys = [self.weights[f"{name}.key.weight"] @ each for each in met]
        values = [self.linear(f"{name}.value", each) for each in met]
        width, mixed = len(query) // 2, []
        for head in (slice(0, width), slice(width, 2 * width)):
            likeness = torch.stack([query[head] @ key[head] for key in keys]) / width**0.5
            shares = likeness.exp() / likeness.exp().sum()
            mixed.append(sum(share * value[head] for share, value in zip(shares, values, strict=True)))
        return self.linear(f"{name}.out", torch.cat(mixed))

    def earlier(self, node, time):
        """Events before the time and whom the graph node met in them, the last one first; itself counts twice."""
        ends = []
        for event in reversed(range(len(self.stream.t))):
            source, destination = int(self.stream.src[event]), int(self.stream.dst[event])
            if self.stream.t[event] < time:
                ends += [(event, destination)] * (source == node) + [(event, source)] * (destination == node)
        return ends

    def phi(self, span):
        angle = self.weights["time.frequency_M"] * (span * UNIT) + self.weights["time.phase_M"]
        return angle.cos()

    def feature(self, event):
        return torch.from_numpy(self.stream.feature[event]).double()

    def linear(self, name, x):
        return linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def perceptron(self, name, a, b) -> Tensor:
        return self.linear(f"{name}.fc2", self.linear(f"{name}.fc1", torch.cat([a, b])).relu())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"layers": 2, "hop_time": "edge"},
        {"aggregator": "mean", "message": "mlp", "consume": "lazy"},
        JODIE,
        DYREP,
        DYREP | {"layers": 2},
    ],
    ids=["tgn", "two layers", "mean", "jodie", "dyrep", "dyrep two layers"],
)
def test_scores_are_those_of_the_formulas(settings):
    """Events at equal times in one batch, self loops, graph nodes without history."""
    stream = random_stream(events=60, nodes=NODES, features=2, seed=3)
    stream.t = stream.t + 1_000
    model = model_of(stream, settings)
    with torch.no_grad():
        logits, _ = run(model, stream, SIZE)
        naive = Naive(model, stream, settings)
        for batch, logit_BQ in zip(stream.batches(SIZE), logits, strict=True):
            torch.testing.assert_close(logit_BQ, naive.score(batch), rtol=1e-10, atol=1e-12)
    assert torch.cat(logits).std() > 0.1
