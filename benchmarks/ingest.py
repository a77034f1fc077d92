"""Raw HDF5 to Zarr: streamed ingest against `pandas.read_hdf` and an assignment to a Zarr array.

    python benchmarks/ingest.py [--folder DIR] [--entries 52560] [--nodes 2716]

The file is a pandas `fixed` frame of float64 speeds, as METR-LA's is, 1.14 GB by default. Every way is
a process of its own, they take turns, the median counts. Ours checks every value, sums every block and
hashes every byte besides; pandas (which needs PyTables) does neither. Memory is the peak of anonymous
pages, sampled a hundred times a second.
"""

import argparse
import multiprocessing
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from machine import machine_line

from stgnn.catalog import Dataset, RawFile
from stgnn.raw.hdf5_writer import write_frame
from stgnn.raw.traffic import read_traffic_hdf5
from stgnn.store import write_store
from stgnn.synthetic import write_synthetic
from stgnn.training.monitor import Memory, memory_now

ROUNDS = 3


def main() -> None:
    """Measure every way and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where the raw file is kept between runs")
    parser.add_argument("--entries", type=int, default=52_560)
    parser.add_argument("--nodes", type=int, default=2_716)
    options = parser.parse_args()
    print(machine_line())
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder = options.folder or Path(scratch)
        raw = make_raw_files(
            folder / f"raw-{options.entries}-{options.nodes}", options.entries, options.nodes
        )
        report(raw, Path(scratch))


def report(raw: Path, scratch: Path) -> None:
    """Run every way in turns and print its row."""
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            measured[name].append(measure(way, raw, scratch / "out.zarr"))
            shutil.rmtree(scratch / "out.zarr")
    size = (raw / "speeds.h5").stat().st_size / 1e9
    print(
        f"\n| {size:.2f} GB HDF5 to Zarr | median s | GB/s | peak private MB | times ours |\n|---|---|---|---|---|"
    )
    ours = float(np.median([seconds for seconds, _ in measured["stgnn ingest"]]))
    for name, results in measured.items():
        seconds, memory = (float(np.median(values)) for values in zip(*results, strict=True))
        print(f"| {name} | {seconds:.1f} | {size / seconds:.2f} | {memory:.0f} | {seconds / ours:.1f} |")


def make_raw_files(folder: Path, entries: int, nodes: int) -> Path:
    """A frame of random speeds and a small adjacency for the same sensors; made anew unless there."""
    if (folder / "speeds.h5").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    write_synthetic({"generator": "traffic", "nodes": nodes, "entries": 288}, folder)
    base = np.random.default_rng(0).uniform(10, 70, (2880, nodes))

    def blocks() -> Iterator[np.ndarray]:
        for first in range(0, entries, len(base)):
            yield base[: min(len(base), entries - first)] + first % 7

    times = np.datetime64("2017-01-01", "ns") + np.arange(entries) * np.timedelta64(5, "m")
    write_frame(folder / "speeds.h5", [str(400_001 + node) for node in range(nodes)], times, blocks())
    return folder


def measure(way: Callable[[Path, Path], None], raw: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak private MB of one way in a fresh process, imports not counted."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_timed, args=(way, raw, out, writer))
    process.start()
    seconds, memory = reader.recv()
    process.join()
    return float(seconds), float(memory)


def _timed(
    way: Callable[[Path, Path], None], raw: Path, out: Path, answer: "multiprocessing.connection.Connection"
) -> None:
    import pandas as pd  # noqa: F401 - imported before the clock starts, for the ways that use it
    import tables  # noqa: F401
    import xarray as xr

    # xarray looks for optional array packages at its first use, which is an import too.
    xr.Dataset({"x": ("x", [0])})

    peak, done = Memory(), threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak.raise_to(memory_now(torch.device("cpu")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    way(raw, out)
    seconds = time.perf_counter() - begun
    done.set()
    watcher.join()
    answer.send((seconds, peak.private))


def ingest(raw: Path, out: Path) -> None:
    """Ours: read, check, sum, hash and write block by block."""
    files = (
        RawFile("speeds.h5", None, None, None, "values"),
        RawFile("adj_mx.pkl", None, None, None, "adjacency"),
    )
    dataset = Dataset(
        name="benchmark", title="", kind="signal", reader="traffic-hdf5", files=files, options={}, synthetic=None,
        frequency="5min", start=None, units="mph", null_value=0.0, task={}, licence=None, citation=None, homepage=None,
        note=None,
    )  # fmt: skip
    write_store(read_traffic_hdf5(dataset, raw), out)


def pandas_to_zarr(raw: Path, out: Path) -> None:
    """The usual way, into uncompressed chunks of a day."""
    import pandas as pd
    import zarr

    values = pd.read_hdf(raw / "speeds.h5", key="df").to_numpy().astype("float32")
    array = zarr.create_array(
        out, shape=values.shape, chunks=(288, values.shape[1]), dtype="float32", compressors=None
    )
    array[:] = values


def pandas_to_zarr_defaults(raw: Path, out: Path) -> None:
    """The usual way with what zarr-python chooses by itself: its chunks, compressed."""
    import pandas as pd
    import zarr

    values = pd.read_hdf(raw / "speeds.h5", key="df").to_numpy().astype("float32")
    zarr.create_array(out, data=values)


WAYS = {
    "stgnn ingest": ingest,
    "read_hdf, Zarr in uncompressed day chunks": pandas_to_zarr,
    "read_hdf, Zarr with its defaults": pandas_to_zarr_defaults,
}


if __name__ == "__main__":
    main()
