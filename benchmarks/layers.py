"""Every layer's training step - forward, mean(out ** 2), backward - against PyTorch Geometric Temporal's (PGT).

    OMP_NUM_THREADS=2 python benchmarks/layers.py [--adjacency METR-LA/adj_mx.pkl] [--rows GConvGRU TGCN ..]

METR-LA's graph (without its file a road graph of that size, 207 graph nodes and 8 neighbours each), 12 entries, batch
32: whole where PGT's layer takes a batch, else its own loop over samples. Layers are in `recurrent_rows` and
`attention_rows`, parts of them in `part_rows`. A row is timed in a process of its own, both sides in turns (the ratio
is the median of the rounds' ratios), and each side's peak memory is measured in a fresh process: what one step adds to
what lay there before.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attention_rows import ATTENTION_ROWS
from layer_rows import Setup
from machine import machine_line
from part_rows import PART_ROWS
from recurrent_rows import RECURRENT_ROWS

from stgnn.graph.adjacency import location_graph
from stgnn.graph.graph import Graph
from stgnn.raw.network_files import read_adjacency

ROWS = RECURRENT_ROWS | ATTENTION_ROWS | PART_ROWS
NODES = 207
SIDES = ("PGT", "stgnn")
LONG = 0.5  # seconds: steps longer than this are not repeated inside a round
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def main() -> None:
    options = arguments().parse_args()
    torch.set_num_threads(options.threads)
    if options.measure:
        print(json.dumps(measured(options)))
        return
    device = torch.cuda.get_device_name() if options.device.type == "cuda" else machine_line()
    print(f"{device}; {options.threads} threads, {options.precision}, {graph_of(options.adjacency)}\n")
    print("| layer | PGT runs | PGT ms | stgnn ms | times faster | rounds | PGT MiB | stgnn MiB | memory |")
    print("|---|---|---|---|---|---|---|---|---|")
    faster, smaller = [], []
    for name in options.rows or ROWS:
        times = in_fresh_process("time", name)
        peak = {side: in_fresh_process(f"memory {side}", name) for side in SIDES}
        faster.append(times["ratio"])
        smaller.append(peak["stgnn"] / max(peak["PGT"], 1.0))
        print(row(name, times, peak, smaller[-1]), flush=True)
    mean = math.exp(statistics.fmean(map(math.log, faster)))
    print(
        f"\nGeometric mean of {len(faster)} layers: {mean:.1f} times faster, least {min(faster):.1f};",
        end=" ",
    )
    print(f"memory at most {max(smaller):.2f} of PGT's.")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--adjacency", type=Path, help="METR-LA's adj_mx.pkl")
    parser.add_argument("--rows", nargs="*", choices=list(ROWS), metavar="LAYER", help=", ".join(ROWS))
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--threads", default=2, type=int)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--precision", default="float32", choices=PRECISIONS, help="bfloat16: by autocast")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what one of the fresh processes is to do
    return parser


def graph_of(adjacency: Path | None) -> Graph:
    if adjacency is None:
        places = np.random.default_rng(0).uniform([[33.9], [-118.5]], [[34.3], [-118.1]], (2, NODES))
        index, weight = location_graph(*places, neighbours=8, threshold=0.0)
        return Graph.from_numpy(index, weight, NODES)
    network = read_adjacency(adjacency, None, {})
    return Graph.from_numpy(network.edge_index, network.edge_weight, network.num_nodes)


def in_fresh_process(measure: str, name: str) -> Any:
    command = [sys.executable, __file__, *sys.argv[1:], "--rows", name, "--measure", measure]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(options: argparse.Namespace) -> Any:
    [name] = options.rows
    setup = Setup(graph_of(options.adjacency), options.device)
    precision = PRECISIONS[options.precision]
    if options.measure == "time":
        steps = {side: training_step(setup, name, side, precision) for side in SIDES}
        return timed(steps, options.rounds, options.device)
    return peak_mib(training_step(setup, name, options.measure.split()[1], precision), options.device)


def training_step(setup: Setup, name: str, side: str, precision: torch.dtype) -> Callable[[], None]:
    torch.manual_seed(0)
    row = ROWS[name]
    module, forward = (row.pgt if side == "PGT" else row.ours)(setup)
    module.to(setup.device)

    def step() -> None:
        module.zero_grad()
        reduced = precision != torch.float32
        with torch.autocast(setup.device.type, precision) if reduced else nullcontext():
            out = forward()
        (out.float() ** 2).mean().backward()

    return step


def timed(steps: dict[str, Callable[[], None]], rounds: int, device: torch.device) -> dict[str, float]:
    """Milliseconds of a step of each side; how many times faster ours is, and in the worst and the best round."""
    seconds: dict[str, list[float]] = {side: [] for side in steps}
    for turn in range(rounds + 1):
        for side, step in steps.items():
            taken = [one(step, device)]
            while turn and taken[0] < LONG and len(taken) < 3:
                taken.append(one(step, device))
            if turn:  # the first round warms up: caches, allocators, kernels
                seconds[side].append(statistics.median(taken))
    median = {side: 1e3 * statistics.median(taken) for side, taken in seconds.items()}
    ratios = np.divide(seconds["PGT"], seconds["stgnn"]).tolist()
    return median | {"ratio": statistics.median(ratios), "worst": min(ratios), "best": max(ratios)}


def one(step: Callable[[], None], device: torch.device) -> float:
    wait(device)
    begun = time.perf_counter()
    step()
    wait(device)
    return time.perf_counter() - begun


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_mib(step: Callable[[], None], device: torch.device) -> float:
    """What the second step adds at its peak to what lay there before the first (the first fills caches)."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        step()
        torch.cuda.reset_peak_memory_stats(device)
        step()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    before = resident("VmRSS")
    step()
    step()
    return resident("VmHWM") - before


def resident(entry: str) -> float:
    """MiB of this process: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(entry)) / 1024


def row(name: str, times: dict[str, float], peak: dict[str, float], memory: float) -> str:
    how = "the batch" if ROWS[name].batched else "sample by sample"
    return (
        f"| {name} | {how} | {times['PGT']:,.0f} | {times['stgnn']:,.1f} | {times['ratio']:.2f} "
        f"| {times['worst']:.2f}-{times['best']:.2f} | {peak['PGT']:,.0f} | {peak['stgnn']:,.0f} | {memory:.2f} |"
    )


if __name__ == "__main__":
    main()
