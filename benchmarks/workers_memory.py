"""Memory of several workers on one machine that train from one large store.

    python benchmarks/workers_memory.py [--folder DIR] [--workers 4] [--nodes 11160] [--entries 105120]

Each row is a run of `distributed-index` by torchrun: PGT-I's one-cell DCRNN, a few steps. Private memory is each
worker's anonymous pages; the mapped store lies in the page cache, which the workers share: their
proportional share of it (Pss) adds up to what the machine really holds. The store of the last row is twice as long.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from machine import machine_line
from scaling import ONE_CELL, declared
from stores import large_store


def main() -> None:
    """Measure one worker, several, and several on a store twice as long; print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where the stores are kept between runs")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--nodes", type=int, default=11_160)
    parser.add_argument("--entries", type=int, default=105_120)
    options = parser.parse_args()
    print(machine_line())
    print(
        "\n| workers | signal | private, largest worker | file pages mapped, each | Pss of file pages, all together |"
    )
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        for workers, entries in (
            (1, options.entries),
            (options.workers, options.entries),
            (options.workers, 2 * options.entries),
        ):
            measure(folder, Path(scratch), workers, entries, options.nodes)


def measure(folder: Path, scratch: Path, workers: int, entries: int, nodes: int) -> None:
    """Train a few steps and print what the workers held at most."""
    store = large_store(folder, entries, nodes)
    run = declared(3, model=ONE_CELL, workers=workers, launcher="torchrun")
    run["training"]["batch_size"] = 4
    run["dataset"] = store.attributes["dataset"]
    run["task"]["split"] = [0.9996, 0.0002, 0.0002]
    command = [sys.executable, "-m", "stgnn", "train", "--settings", json.dumps(run)]
    command += ["--store", str(store.path), "--out", tempfile.mkdtemp(dir=scratch)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    private, mapped, shared = watch(process, workers)
    gb = [f"{value / 1e9:.2f} GB" for value in (store.nbytes, private, mapped, shared)]
    print(f"| {workers} | {' | '.join(gb)} |")


def watch(process: subprocess.Popen[bytes], workers: int) -> tuple[float, float, float]:
    """The most of: private bytes of a worker, file bytes of a worker, Pss of file pages of all workers."""
    private = mapped = shared = 0.0
    while process.poll() is None:
        ranks = sorted(
            (memory_of(child) for child in psutil.Process(process.pid).children(recursive=True)), reverse=True
        )
        ranks = ranks[:workers]  # agents and launchers hold less
        if ranks:
            private = max(private, *(each[0] for each in ranks))
            mapped = max(mapped, *(each[1] for each in ranks))
            shared = max(shared, sum(each[2] for each in ranks))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"training failed ({process.returncode})")
    return private, mapped, shared


def memory_of(process: psutil.Process) -> tuple[float, float, float]:
    """Private bytes, file bytes, and Pss of file pages."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:  # gone meanwhile
        return 0.0, 0.0, 0.0
    return _field(status, "RssAnon:"), _field(status, "RssFile:"), _field(text, "Pss_File:")


def _field(text: str, name: str) -> float:
    for line in text.splitlines():
        if line.startswith(name):
            return 1024 * float(line.split()[1])
    return 0.0


if __name__ == "__main__":
    main()
