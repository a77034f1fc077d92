"""How fast a batch of random windows is put together, against memcpy of as many bytes.

    python benchmarks/batch_assembly.py [--folder DIR]

One thread, warm page cache, batch 64, windows of 24 entries. memcpy copies one contiguous run of as
many bytes from a random place of the same mapped rows into the same buffer. All ways take turns in
one run; the ratio is of medians. The classic way stacks one view a window (PyTorch's default
collate); the Zarr API reads each window as `array[start:stop]`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import zarr
from machine import machine_line
from stores import large_store

from stgnn.store import SignalStore

BATCH, LENGTH = 64, 24
SIZES = {"207 graph nodes (METR-LA)": (34_272, 207), "2,716 graph nodes (PeMS-All-LA)": (105_120, 2_716)}


def main() -> None:
    """Measure each size and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where the stores are kept between runs")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine_line())
    print("\n| size | batch | way | median ms | GB/s | of memcpy |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for name, (entries, nodes) in SIZES.items():
            store = large_store(options.folder or Path(scratch), entries, nodes)
            report(name, store, options.rounds)


def report(name: str, store: SignalStore, rounds: int) -> None:
    """Time every way on one store, in turns, and print its rows."""
    store.signal.prefault()
    ways, nbytes = make_ways(store), 4 * BATCH * LENGTH * store.shape[1]
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        starts = np.sort(rng.integers(0, store.shape[0] - BATCH * LENGTH, BATCH))
        for way, run in ways.items():
            if way == "Zarr API" and turn % 50:
                continue  # a hundred times slower: four rounds tell
            begun = time.perf_counter()
            run(starts)
            seconds[way].append(time.perf_counter() - begun)
    copied = float(np.median(seconds["memcpy"]))
    for way, taken in seconds.items():
        median = float(np.median(taken))
        print(
            f"| {name} | {nbytes / 1e6:.1f} MB | {way} | {1e3 * median:.2f} | {nbytes / median / 1e9:.2f} "
            f"| {copied / median:.2f} |"
        )


def make_ways(store: SignalStore) -> dict[str, Callable[[np.ndarray], object]]:
    """Each way to assemble a batch, from window starts."""
    buffer = np.empty((BATCH, LENGTH, *store.shape[1:]), dtype=np.float32)
    flat = buffer.reshape(BATCH * LENGTH, -1)
    # One mapped shard as PyTorch sees it: what the classic way would stack views of.
    mapped = torch.from_numpy(store.signal.shards[0].copy()).unflatten(1, store.shape[1:])
    array = zarr.open_group(store.path, mode="r")["signal"]
    assert isinstance(array, zarr.Array)

    places = np.random.default_rng(1)

    def memcpy(_: np.ndarray) -> None:
        shard = store.signal.shards[places.integers(len(store.signal.shards))]
        first = int(places.integers(max(len(shard) - BATCH * LENGTH, 1)))
        np.copyto(flat, shard[first : first + BATCH * LENGTH])

    def stacked(starts: np.ndarray) -> torch.Tensor:
        inside = starts % (len(mapped) - LENGTH)
        return torch.stack([mapped[start : start + LENGTH] for start in inside.tolist()])

    return {
        "memcpy": memcpy,
        "stgnn gather": lambda starts: store.gather(starts, LENGTH, buffer),
        "stack of views": stacked,
        "Zarr API": lambda starts: [array[start : start + LENGTH] for start in starts.tolist()],
    }


if __name__ == "__main__":
    main()
