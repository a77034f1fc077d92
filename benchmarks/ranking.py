"""Rank all destinations for every test event of a Wikipedia-like stream: 23,621 events by 1,000 destinations.

    OMP_NUM_THREADS=1 python benchmarks/ranking.py [--models tgn-attn tgn-id] [--batches 20] [--device cuda]

The stream is that of `temporal_step.py`; the models are those of config/models.yaml with weights as they are drawn, in
batches of 200, every event at its own time. Each batch is ranked, then taken into the state. With fewer than all 119
batches the time of the whole test part is worked out from those that were ranked.
"""

import argparse
import resource
import time
from pathlib import Path

import torch
import yaml
from machine import machine_line
from temporal_step import BATCH, EVENTS, FEATURES, PAGES, USERS, Stream, wait, wikipedia_like

from stgnn.data.events.batches import EventView
from stgnn.data.events.neighbours import TemporalNeighbours
from stgnn.models.temporal.base import StreamShape
from stgnn.models.temporal.tgn import TGN
from stgnn.store.temporal_csr import build_temporal_csr

TEST = 23_621
MODELS = yaml.safe_load((Path(__file__).parents[1] / "config/models.yaml").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["tgn-attn", "tgn-id"])
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", type=torch.device, default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{machine_line()}; {options.threads} threads, {options.device}")
    print("\n| model | ms a batch | whole test part, s | peak memory, MB |\n|---|---|---|---|")
    stream = wikipedia_like()
    for name in options.models:
        seconds = rank(name, stream, options.batches, options.device)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {name} | {1e3 * seconds:.0f} | {seconds * TEST / BATCH:.0f} | {peak:.0f} |", flush=True)


@torch.no_grad()
def rank(name: str, stream: Stream, batches: int, device: torch.device) -> float:
    """Seconds a batch, without the first one."""
    torch.manual_seed(0)
    shape = StreamShape(USERS + PAGES, FEATURES, 0, bipartite=True, time_mean=1e5, time_std=2e5)
    model = TGN(shape, **MODELS[name]["settings"]).to(device).eval()
    csr = build_temporal_csr(stream.src, stream.dst, None, USERS + PAGES)
    view = EventView(TemporalNeighbours(csr, stream.t, device), "strict_time", stream.feature)
    state, pages = model.initial_state(), torch.arange(USERS, USERS + PAGES, device=device)
    spent = 0.0
    for first in range(0, EVENTS, BATCH):
        batch, number = stream.batch(first, device), (first - (EVENTS - TEST)) // BATCH
        if number > batches:
            break
        if number >= 0:
            wait(device)
            begun = time.perf_counter()
            model.rank(state, batch, pages, view)
        state = model.advance(state, batch, view)
        if number > 0:
            wait(device)
            spent += time.perf_counter() - begun
    return spent / min(batches, number)


if __name__ == "__main__":
    main()
