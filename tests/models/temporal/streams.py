"""Small streams cut into batches of an exact size, and a small temporal graph network, for tests."""

from dataclasses import dataclass

import numpy as np
import torch

from stgnn.data.events.batches import EventBatch, EventView
from stgnn.data.events.neighbours import TemporalNeighbours
from stgnn.models.temporal.base import StreamShape
from stgnn.models.temporal.tgn import TGN
from stgnn.store.temporal_csr import build_temporal_csr

SMALL = {
    "updater": "gru", "memory_channels": 6, "time_channels": 4, "message": "identity", "aggregator": "last",
    "partner": "memory", "consume": "eager", "embedding": "attention", "embedding_channels": 6, "layers": 1,
    "neighbours": 3, "sampling": "recent", "hop_time": "query", "heads": 2, "dropout": 0.0,
}  # fmt: skip


@dataclass
class Stream:
    src: np.ndarray
    dst: np.ndarray
    t: np.ndarray
    feature: np.ndarray | None
    num_nodes: int
    node_feature: np.ndarray | None = None

    @property
    def shape(self):
        features, of_nodes = (0 if x is None else x.shape[1] for x in (self.feature, self.node_feature))
        return StreamShape(self.num_nodes, features, of_nodes, bipartite=False)

    def view(self, visibility="strict_time"):
        csr = build_temporal_csr(self.src, self.dst, None, self.num_nodes)
        return EventView(TemporalNeighbours(csr, self.t), visibility, self.feature, self.node_feature)

    def batches(self, size):
        for first in range(0, len(self.t), size):
            rows = slice(first, first + size)
            event = torch.arange(len(self.t))[rows]
            src, dst, t = (torch.from_numpy(x[rows]).long() for x in (self.src, self.dst, self.t))
            feature = None if self.feature is None else torch.from_numpy(self.feature[rows])
            yield EventBatch(int(np.searchsorted(self.t, self.t[first])), event, src, dst, t, feature, None)


def random_stream(events=200, nodes=16, features=3, bipartite=False, ties=True, of_nodes=0, seed=0):
    """Graph nodes that meet at random, themselves too where the stream is not bipartite."""
    draw = np.random.default_rng(seed)
    half = nodes // 2 if bipartite else nodes
    src = draw.integers(0, half, events).astype(np.int32)
    dst = draw.integers(nodes - half, nodes, events).astype(np.int32)
    t = np.sort(draw.integers(0, events, events)) if ties else np.cumsum(draw.integers(1, 9, events))
    feature = draw.normal(size=(events, features)).astype(np.float32) if features else None
    of_node = draw.normal(size=(nodes, of_nodes)).astype(np.float32) if of_nodes else None
    return Stream(src, dst, t.astype(np.int64), feature, nodes, of_node)


def small_tgn(stream, dtype=torch.float64, **settings):
    torch.manual_seed(0)
    return TGN(stream.shape, **SMALL | settings).to(dtype)


def candidates_of(batch, num_nodes, others=2):
    """The destination and other graph nodes, a function of the event."""
    return torch.stack([batch.dst_B] + [(batch.event_B * 7 + 3 * q) % num_nodes for q in range(others)], 1)


def run(model, stream, size, visibility="strict_time"):
    """Logits of each batch and the states before and after all of them."""
    view, state, logits, states = stream.view(visibility), model.initial_state(), [], []
    for batch in stream.batches(size):
        states.append(state)
        logit_BQ, state = model.step(state, batch, candidates_of(batch, stream.num_nodes), view)
        logits.append(logit_BQ)
    return logits, [*states, state]
