"""Private memory of the data path while training from a store far larger than it.

    python benchmarks/memory.py [--folder DIR] [--nodes 11160] [--entries 105120]

Each row is a fresh process that opens the store, fits the scaler, shuffles, gathers batches through
the prefetch thread and scales them on the CPU, as training does, with no model behind it: what it
holds is the data path's. Private memory is the process's anonymous pages; pages of the mapped store
are the page cache's, shared with every process, and shown apart. The store of the last row is twice
as long. The classic preprocessing's size is (12 + 12) times the float64 signal with its time of day.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import torch
from machine import machine_line
from stores import large_store

from stgnn.data import IndexPlacement, ModelInput, WindowLoader, fit_scaler, open_store, split_windows
from stgnn.training.monitor import Memory, memory_now

BATCH, LENGTH = 64, 12
CPU = torch.device("cpu")


def main() -> None:
    """Measure both lengths and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where the stores are kept between runs")
    parser.add_argument("--nodes", type=int, default=11_160)
    parser.add_argument("--entries", type=int, default=105_120)
    parser.add_argument("--batches", type=int, default=200)
    options = parser.parse_args()
    print(machine_line())
    print(
        "\n| entries x graph nodes | signal | classic arrays | at start MB | peak private MB | mapped MB | batches/s |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for entries in (options.entries, 2 * options.entries):
            measure(options.folder or Path(scratch), entries, options.nodes, options.batches)


def measure(folder: Path, entries: int, nodes: int, batches: int) -> None:
    """Make the store, run the data path in a process of its own and print its row."""
    store = large_store(folder, entries, nodes)
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=run_data_path, args=(store.path, batches, writer))
    process.start()
    start, peak, rate = reader.recv()
    process.join()
    classic = 2 * 8 * 2 * LENGTH * (entries - 2 * LENGTH + 1) * nodes
    print(
        f"| {entries:,} x {nodes:,} | {store.nbytes / 1e9:.2f} GB | {classic / 2**30:.0f} GiB "
        f"| {start.private:.0f} | {peak.private:.0f} | {peak.shared:.0f} | {rate:.0f} |"
    )


def run_data_path(path: Path, batches: int, answer: "multiprocessing.connection.Connection") -> None:
    """Train on nothing: every batch is gathered, moved and scaled, then dropped."""
    torch.set_num_threads(1)
    start, peak = memory_now(CPU), Memory()
    store = open_store(path)
    windows = split_windows(store.shape[0], LENGTH, LENGTH)
    model_input = ModelInput(store, fit_scaler(store, windows.train, LENGTH), ["time_of_day"])
    model_input.scaler = model_input.scaler.to(CPU, torch.float32)
    loader = WindowLoader(IndexPlacement(store, windows), windows.train, BATCH, shuffle=True)
    begun = time.perf_counter()
    for batch in loader.epoch(0, limit=batches):
        model_input(batch)
        peak.raise_to(memory_now(CPU))
    answer.send((start, peak, batches / (time.perf_counter() - begun)))


if __name__ == "__main__":
    main()
