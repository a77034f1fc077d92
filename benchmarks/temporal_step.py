"""Training steps of temporal graph networks - forward, backward, Adam, state - against PyTorch Geometric's TGN example.

    OMP_NUM_THREADS=1 python benchmarks/temporal_step.py [--sizes example paper] [--rounds 8] [--device cuda]

A stream as long as JODIE's wikipedia, with as many users, pages, features (172) and about as many distinct pairs.
Batches of 200 events, one random negative an event, the 10 most recent neighbours, from event 100,000 on: what a
graph node has met is then mostly there. PyTorch Geometric's modules have the sizes of its example (100 channels, 2
heads); ours those (`example`) and TGN's own (`paper`: 172 everywhere, attention over 344 channels). All step in
turns through the same events in one process; the ratio is the median of the rounds' ratios. Theirs sees earlier
batches only and embeds a graph node once a batch, ours every query at its own time.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from machine import machine_line
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_geometric.nn import TGNMemory, TransformerConv
from torch_geometric.nn.models.tgn import IdentityMessage, LastAggregator, LastNeighborLoader

from stgnn.data.events.batches import EventBatch, EventView
from stgnn.data.events.neighbours import TemporalNeighbours
from stgnn.models.temporal.base import StreamShape
from stgnn.models.temporal.tgn import TGN
from stgnn.store.temporal_csr import build_temporal_csr
from stgnn.training.allocator import keep_freed_memory

USERS, PAGES, EVENTS, SECONDS, FEATURES = 8_227, 1_000, 157_474, 2_678_373, 172
BATCH, NEIGHBOURS, WARM, IN_A_ROUND = 200, 10, 100_000, 5
SETTINGS = {
    "updater": "gru", "message": "identity", "aggregator": "last", "partner": "memory", "consume": "eager",
    "embedding": "attention", "layers": 1, "neighbours": NEIGHBOURS, "sampling": "recent", "hop_time": "query",
    "heads": 2, "dropout": 0.1,
}  # fmt: skip
CHANNELS = {"example": 100, "paper": 172}


@dataclass(frozen=True)
class Stream:
    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    t: NDArray[np.int64]
    feature: NDArray[np.float32]

    def batch(self, first: int, device: torch.device) -> EventBatch:
        """Consecutive events."""
        rows = slice(first, first + BATCH)
        event, src, dst, t = (
            torch.from_numpy(values.astype(np.int64)).to(device)
            for values in (np.arange(len(self.t))[rows], self.src[rows], self.dst[rows], self.t[rows])
        )
        return EventBatch(first, event, src, dst, t, torch.from_numpy(self.feature[rows]).to(device), None)


Step = Callable[[EventBatch, Tensor], None]
"""One training step on a batch and a negative destination [B] of each event."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=CHANNELS, default=list(CHANNELS))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", type=torch.device, default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as every run does, and to the good of both sides
    print(f"{machine_line()}; {options.threads} threads, {options.device}")
    stream = wikipedia_like()
    torch.manual_seed(0)
    steps = {"PyG, 100": pyg_step(stream, options.device)}
    for size in options.sizes:
        steps[f"ours, {CHANNELS[size]}"] = our_step(stream, CHANNELS[size], options.device)
    seconds = measure(steps, stream, options.rounds, options.device)
    print("\n| step | events a second | ms a batch | times PyG |\n|---|---|---|---|")
    for name, taken in seconds.items():
        batch = statistics.median(taken) / IN_A_ROUND
        faster = statistics.median(np.divide(seconds["PyG, 100"], taken).tolist())
        print(f"| {name} | {BATCH / batch:,.0f} | {1e3 * batch:.1f} | {faster:.2f} |")


def wikipedia_like() -> Stream:
    """Users of very different activity, who mostly stay with their page: about 19,000 pairs meet."""
    draw = np.random.default_rng(0)
    src = draw.choice(USERS, EVENTS, p=zipf(USERS, 0.8)).astype(np.int32)
    page = draw.choice(PAGES, EVENTS, p=zipf(PAGES, 0.8)).astype(np.int32)
    stays, last = draw.random(EVENTS) < 0.92, np.full(USERS, -1, np.int32)
    for event in range(EVENTS):
        if stays[event] and last[src[event]] >= 0:
            page[event] = last[src[event]]
        last[src[event]] = page[event]
    t = np.sort(draw.integers(0, SECONDS, EVENTS))
    return Stream(src, page + USERS, t, draw.normal(size=(EVENTS, FEATURES)).astype(np.float32))


def zipf(count: int, power: float) -> NDArray[np.float64]:
    weight = np.arange(1, count + 1) ** -power
    return weight / weight.sum()


def our_step(stream: Stream, channels: int, device: torch.device) -> Step:
    """tgn-attn with so many channels everywhere, its state at event WARM."""
    shape = StreamShape(USERS + PAGES, FEATURES, 0, bipartite=True)
    model = TGN(
        shape, memory_channels=channels, time_channels=channels, embedding_channels=channels, **SETTINGS
    ).to(device)
    csr = build_temporal_csr(stream.src, stream.dst, None, USERS + PAGES)
    view = EventView(TemporalNeighbours(csr, stream.t, device), "strict_time", stream.feature)
    optimiser = torch.optim.Adam(model.parameters(), 1e-4, fused=True)
    state = model.initial_state()
    with torch.no_grad():
        for first in range(0, WARM, BATCH):
            state = model.advance(state, stream.batch(first, device), view)

    def step(batch: EventBatch, negative_B: Tensor) -> None:
        nonlocal state
        logit_B2, after = model.step(state, batch, torch.stack([batch.dst_B, negative_B], dim=1), view)
        optimiser.zero_grad()
        link_loss(*logit_B2.unbind(1)).backward()
        optimiser.step()
        state = after.detach()

    return step


def pyg_step(stream: Stream, device: torch.device) -> Step:
    """The modules and the training loop of PyTorch Geometric's example, its state at event WARM."""
    channels, nodes = CHANNELS["example"], USERS + PAGES
    message = IdentityMessage(FEATURES, channels, channels)
    memory = TGNMemory(nodes, FEATURES, channels, channels, message, LastAggregator()).to(device)
    encoder, decoder = PyGAttention(memory.time_enc).to(device), PyGDecoder(channels).to(device)
    loader = LastNeighborLoader(nodes, NEIGHBOURS, device=device)
    parameters = {*memory.parameters(), *encoder.parameters(), *decoder.parameters()}
    optimiser = torch.optim.Adam(parameters, 1e-4)
    t, feature = (torch.from_numpy(values).to(device) for values in (stream.t, stream.feature))
    local = torch.empty(nodes, dtype=torch.int64, device=device)
    with torch.no_grad():
        for first in range(0, WARM, BATCH):
            batch = stream.batch(first, device)
            memory.update_state(batch.src_B, batch.dst_B, batch.t_B, batch.feature_BF)
            loader.insert(batch.src_B, batch.dst_B)

    def step(batch: EventBatch, negative_B: Tensor) -> None:
        optimiser.zero_grad()
        roots = torch.cat([batch.src_B, batch.dst_B, negative_B]).unique()
        node, edge_index, event = loader(roots)
        local[node] = torch.arange(len(node), device=device)
        z, updated = memory(node)
        z = encoder(z, updated, edge_index, t[event], feature[event])
        source, true, false = (z[local[index]] for index in (batch.src_B, batch.dst_B, negative_B))
        loss = link_loss(decoder(source, true), decoder(source, false))
        memory.update_state(batch.src_B, batch.dst_B, batch.t_B, batch.feature_BF)
        loader.insert(batch.src_B, batch.dst_B)
        loss.backward()
        optimiser.step()
        memory.detach()

    return step


class PyGAttention(nn.Module):
    """The example's embedding: one TransformerConv over the events of the last neighbours."""

    def __init__(self, time_enc: nn.Module) -> None:
        super().__init__()
        self.time_enc, channels = time_enc, CHANNELS["example"]
        self.conv = TransformerConv(
            channels, channels // 2, heads=2, dropout=0.1, edge_dim=FEATURES + channels
        )

    def forward(self, z: Tensor, updated: Tensor, edge_index: Tensor, t: Tensor, feature: Tensor) -> Tensor:
        span = self.time_enc((updated[edge_index[0]] - t).to(z.dtype))
        return self.conv(z, edge_index, torch.cat([span, feature], dim=-1))


class PyGDecoder(nn.Module):
    """The example's link predictor."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.source, self.destination = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.final = nn.Linear(channels, 1)

    def forward(self, source: Tensor, destination: Tensor) -> Tensor:
        return self.final((self.source(source) + self.destination(destination)).relu()).squeeze(1)


def link_loss(true_B: Tensor, false_B: Tensor) -> Tensor:
    loss = nn.functional.binary_cross_entropy_with_logits
    return loss(true_B, torch.ones_like(true_B)) + loss(false_B, torch.zeros_like(false_B))


def measure(
    steps: dict[str, Step], stream: Stream, rounds: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of each in each round, on the same batches; the first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn, batches in enumerate(of_rounds(stream, rounds + 1, device)):
        for name, step in steps.items():
            wait(device)
            begun = time.perf_counter()
            for batch, negative_B in batches:
                step(batch, negative_B)
            wait(device)
            if turn:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def of_rounds(stream: Stream, rounds: int, device: torch.device) -> Iterator[list[tuple[EventBatch, Tensor]]]:
    draw = torch.Generator().manual_seed(0)
    for turn in range(rounds):
        begin = WARM + turn * IN_A_ROUND * BATCH
        yield [
            (
                stream.batch(first, device),
                torch.randint(USERS, USERS + PAGES, (BATCH,), generator=draw).to(device),
            )
            for first in range(begin, begin + IN_A_ROUND * BATCH, BATCH)
        ]


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
