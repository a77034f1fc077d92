"""Private memory of training TGN-attn on streams of growing length: it follows graph nodes and batch, not events.

    OMP_NUM_THREADS=1 python benchmarks/temporal_memory.py [--events 1000000 4000000] [--nodes 10000]

Each row is a fresh process that opens the store and takes training steps over batches from all over the stream. Private
memory is the process's anonymous pages; the store's mapped pages are the page cache's. The first rows differ in events,
the last in graph nodes.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from machine import machine_line

from stgnn.data.events.batches import EventStream, view_of
from stgnn.data.events.negatives import training_negatives
from stgnn.models.build import build
from stgnn.models.temporal.base import EventModel
from stgnn.raw.events import BLOCK_EVENTS, EventBlock, Events
from stgnn.store.event_store import open_event_store
from stgnn.store.write_events import write_events
from stgnn.training.allocator import keep_freed_memory
from stgnn.training.monitor import Memory, memory_now
from stgnn.training.stream_setup import shape_of

FEATURES, BATCH = 16, 200
CPU = torch.device("cpu")
MODELS = Path(__file__).parents[1] / "config" / "models.yaml"


def main() -> None:
    """Measure every length and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 4_000_000])
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--batches", type=int, default=60)
    options = parser.parse_args()
    print(machine_line())
    print(
        "\n| events | graph nodes | store | before training MB | peak private MB | mapped MB | ingest private MB |"
    )
    print("|---|---|---|---|---|---|---|")
    rows = [(events, options.nodes) for events in options.events] + [(options.events[0], 10 * options.nodes)]
    for events, nodes in rows:
        with tempfile.TemporaryDirectory() as scratch:
            store = Path(scratch) / "stream.zarr"
            ingest = in_fresh_process(make_store, store, events, nodes)
            start, peak = in_fresh_process(train, store, options.batches)
            size = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
            print(
                f"| {events:,} | {nodes:,} | {size / 2**20:,.0f} MB | {start.private:.0f} | {peak.private:.0f} "
                f"| {peak.shared:.0f} | {ingest.private:.0f} |",
                flush=True,
            )


def in_fresh_process(function: Any, *arguments: Any) -> Any:
    """What `function` returns in a process of its own."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(writer, function, *arguments))
    process.start()
    answer = reader.recv()
    process.join()
    return answer


def _answer(writer: Any, function: Any, *arguments: Any) -> None:
    writer.send(function(*arguments))


def make_store(path: Path, events: int, nodes: int) -> Memory:
    """Write a stream of random meetings; return the private memory that it took."""

    def blocks() -> Iterator[EventBlock]:
        random = np.random.default_rng(0)
        for first in range(0, events, BLOCK_EVENTS):
            count = min(BLOCK_EVENTS, events - first)
            ends = random.integers(0, nodes, (2, count))
            feature = random.standard_normal((count, FEATURES), dtype=np.float32)
            yield EventBlock(ends[0], ends[1], np.arange(first, first + count), None, feature)

    write_events(Events(blocks, bipartite=False, feature=tuple(f"f{n}" for n in range(FEATURES))), path)
    return memory_now(CPU)


def train(path: Path, batches: int) -> tuple[Memory, Memory]:
    """Private memory before training and its peak over steps on batches from all over the stream."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as every run does
    store = open_event_store(path)
    settings = yaml.safe_load(MODELS.read_text())["tgn-attn"]
    start, peak = memory_now(CPU), Memory()
    model = build(settings, EventModel, shape_of(store))
    view, stream = view_of(store, training=True), EventStream(store, (0,), BATCH)
    pool_D = torch.from_numpy(store.train_destination.copy())
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    state, stride = model.initial_state(), len(stream) // batches
    for number in range(batches):
        batch = next(iter(stream.batches(number * stride)))
        candidate_BQ = torch.stack([batch.dst_B, training_negatives(0, 0, batch.event_B, pool_D)], dim=1)
        logit_BQ, state = model.step(state, batch, candidate_BQ, view)
        loss = torch.nn.functional.softplus(torch.tensor([-1.0, 1.0]) * logit_BQ).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        state = state.detach()
        peak.raise_to(memory_now(CPU))
    time.sleep(0.1)  # the prefetch threads of iterators that were left end
    return start, peak


if __name__ == "__main__":
    main()
