"""One DCRNN training step - forward, mean(out ** 2), backward - against PyTorch Geometric Temporal's `BatchedDCRNN`.

    OMP_NUM_THREADS=2 python benchmarks/dcrnn_step.py [--adjacency METR-LA/adj_mx.pkl] [--device cuda]

Two sizes: METR-LA's real graph (207 graph nodes; hidden 64), which needs its adjacency file, and the size of the PGT-I
paper's model on PeMS-All-LA (2,716 graph nodes, 25 neighbours each besides itself, hidden 2). K = 3 terms, 12
entries, 2 input features, batch 32. Both step in turns in one process; the ratio is the median of the rounds' ratios.
The floor is the time of the step's bare matrix products, in the same rounds: an implementation with these products
cannot be faster.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from machine import machine_line
from torch import Tensor, nn

from stgnn.graph.adjacency import location_graph
from stgnn.graph.graph import Graph
from stgnn.nn.recurrent.dcrnn import DCRNN
from stgnn.raw.network_files import read_adjacency

sys.path.append(str(Path(__file__).parents[1]))  # the stand-in that PGT needs belongs to the tests
from tests.pgt_oracle import has_pgt, load_pgt

BATCH, ENTRIES, FEATURES, TERMS = 32, 12, 2, 3
Step = Callable[[], None]


@dataclass(frozen=True)
class Case:
    name: str
    graph: Graph
    hidden: int
    rounds: int
    precisions: tuple[torch.dtype, ...]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--adjacency", type=Path, help="METR-LA's adj_mx.pkl; left out without it")
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--threads", default=2, type=int)
    parser.add_argument("--rounds", type=int, help="rounds per size (default 10 and 4)")
    options = parser.parse_args()
    if not has_pgt():
        sys.exit("PyTorch Geometric Temporal is not installed: pip install --no-deps -r requirements-pgt.txt")
    torch.set_num_threads(options.threads)
    print(f"{machine_line()}; {options.threads} threads, {options.device}")
    print(
        "\n| size | products | PGT ms | ours ms | times faster | floor ms | floor / ours | ours, GPU MB | PGT, GPU MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    both = (torch.float32, torch.bfloat16)
    if options.adjacency:
        run(
            Case("METR-LA, hidden 64", metr_la(options.adjacency), 64, options.rounds or 10, both),
            options.device,
        )
    run(Case("PGT-I's model, hidden 2", all_la(), 2, options.rounds or 4, both), options.device)


def metr_la(path: Path) -> Graph:
    network = read_adjacency(path, None, {})
    return Graph.from_numpy(network.edge_index, network.edge_weight, network.num_nodes)


def all_la() -> Graph:
    """As many sensors and edges as PeMS-All-LA, at random places in random order."""
    latitude, longitude = np.random.default_rng(0).uniform([[33.7], [-118.7]], [[34.3], [-117.7]], (2, 2_716))
    index, weight = location_graph(latitude, longitude, neighbours=25, threshold=0.0)
    return Graph.from_numpy(index, weight, 2_716)


def run(case: Case, device: torch.device) -> None:
    """Step both implementations and the floor in turns, in every precision, and print a row for each."""
    torch.manual_seed(0)
    x = torch.randn(BATCH, ENTRIES, case.graph.num_nodes, FEATURES, device=device)
    theirs = load_pgt().BatchedDCRNN(FEATURES, case.hidden, TERMS).to(device)
    ours = DCRNN(FEATURES, case.hidden, TERMS).to(device)
    index, weight = case.graph.edge_index.to(device), case.graph.edge_weight.to(device)
    for precision in case.precisions:
        steps = {
            "PGT": training_step(theirs, lambda: theirs(x, index, weight), precision),
            "ours": training_step(ours, lambda: ours.unroll(x, case.graph)[0], precision),
            "floor": products(case, device, precision),
        }
        print(row(case, precision, measure(steps, case.rounds, device), peaks(steps, device)), flush=True)


def training_step(module: nn.Module, forward: Callable[[], Tensor], precision: torch.dtype) -> Step:
    def step() -> None:
        module.zero_grad()
        device = next(module.parameters()).device.type
        reduced = precision != torch.float32
        with torch.autocast(device, precision) if reduced else nullcontext():
            out = forward()
        (out**2).mean().backward()

    return step


def products(case: Case, device: torch.device, precision: torch.dtype) -> Step:
    """The matrix products of one step, on ready operands: gates and candidate, forward, to the input, to the weights.

    The first entry meets a zero state, which leaves only the products with the input.
    """
    rows, channels, terms = BATCH * case.graph.num_nodes, case.hidden, 2 * TERMS - 1
    state, entered = terms * channels, terms * FEATURES + 1
    sizes = [(outputs, state + entered, state) for outputs in (2 * channels, channels)] * (ENTRIES - 1)
    sizes += [(outputs, entered, 0) for outputs in (2 * channels, channels)]

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device).to(precision)

    operands = [
        (random(rows, a), random(a, o), random(rows, o), random(o, s)) for o, a, s in dict.fromkeys(sizes)
    ]
    repeated = [operands[list(dict.fromkeys(sizes)).index(size)] for size in sizes]

    def step() -> None:
        for basis, kernel, gradient, transposed in repeated:
            basis @ kernel
            gradient.t() @ basis
            if transposed.numel():
                gradient @ transposed

    return step


def measure(steps: dict[str, Step], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each step in each round; a round's time is the median of three steps where they are short."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            tries = [timed(step, device) for _ in range(1 if name == "PGT" and device.type == "cpu" else 3)]
            if turn:  # the first round warms up: caches, allocators, kernels
                seconds[name].append(statistics.median(tries))
    return seconds


def timed(step: Step, device: torch.device) -> float:
    wait(device)
    begun = time.perf_counter()
    step()
    wait(device)
    return time.perf_counter() - begun


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peaks(steps: dict[str, Step], device: torch.device) -> dict[str, str]:
    """MB that each step adds at its peak to what lay on the GPU before it."""
    if device.type != "cuda":
        return dict.fromkeys(steps, "-")
    added = {}
    for name, step in steps.items():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        added[name] = f"{(torch.cuda.max_memory_allocated(device) - before) / 2**20:.0f}"
    return added


def row(case: Case, precision: torch.dtype, seconds: dict[str, list[float]], peak: dict[str, str]) -> str:
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    faster = statistics.median(np.divide(seconds["PGT"], seconds["ours"]).tolist())
    share = statistics.median(np.divide(seconds["floor"], seconds["ours"]).tolist())
    products = str(precision).removeprefix("torch.")
    return (
        f"| {case.name} | {products} | {1e3 * median['PGT']:.0f} | {1e3 * median['ours']:.1f} | {faster:.1f} "
        f"| {1e3 * median['floor']:.1f} | {share:.2f} | {peak['ours']} | {peak['PGT']} |"
    )


if __name__ == "__main__":
    main()
