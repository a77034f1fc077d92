"""How training scales with workers: measured on this machine, and modelled for the paper's 128 GPUs.

    python benchmarks/scaling.py [--folder DIR] [--steps 40] [--rounds 3]

First: throughput of two workers against one, and of two single runs side by side, which is all that the
machine gives. The runs take turns, each is a whole `stgnn train` of a DCRNN (hidden 64) on a store of the size
of METR-LA; throughput is that of training steps, as stats.csv has it. Then what the model of
benchmarks/scaling.md is made of: an all-reduce between 2 and 4 workers, and the preprocessing and steps
of PGT-I's one-cell DCRNN at PeMS' size.
"""

import argparse
import copy
import csv
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from machine import machine_line
from stores import large_store

from stgnn.distributed.network import free_port
from stgnn.store import SignalStore

RUN: dict[str, Any] = {
    "dataset": "",  # the store's
    "model": {
        "name": "dcrnn-64",
        "class": "stgnn.models.dcrnn.Seq2SeqDCRNN",
        "settings": {
            "hidden_channels": 64,
            "num_layers": 1,
            "max_diffusion_step": 2,
            "cl_decay_steps": 2000,
        },
    },
    "task": {
        "input_len": 12,
        "horizon": 12,
        "split": [0.7, 0.1, 0.2],
        "calendar": ["time_of_day"],
        "inputs": None,
        "target": None,
        "scaling": "feature",
        "units": "raw",
        "nulls": "include",
    },
    "regime": "minibatch",
    "batching": "distributed-index",
    "workers": 1,
    "launcher": "none",
    "seed": 0,
    "device": "cpu",
    "training": {
        "epochs": 1,
        "batch_size": 32,
        "batch_scope": "worker",
        "optimiser": "adam",
        "learning_rate": 0.001,
        "learning_rate_scaling": "none",
        "warmup_epochs": 0,
        "epsilon": 1e-8,
        "weight_decay": 0.0,
        "milestones": [],
        "gamma": 0.1,
        "clip_norm": None,
        "patience": None,
        "loss": "masked-mae",
        "precision": "float32",
        "shuffle": True,
        "max_steps_per_epoch": 40,
        "evaluate": [],
        "save_predictions": False,
    },
}
ONE_CELL = {
    "name": "pgti-dcrnn",
    "class": "stgnn.models.pgti.OneCellDCRNN",
    "settings": {"max_diffusion_step": 2},
}


def main() -> None:
    """Measure, and print Markdown tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where the stores are kept between runs")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine_line())
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        report_throughput(folder, Path(scratch), options.steps, options.rounds)
        report_all_reduce()
        report_pems(folder, Path(scratch))


def report_throughput(folder: Path, scratch: Path, steps: int, rounds: int) -> None:
    """Windows a second: one worker, two workers by each launcher, two single runs side by side."""
    store = large_store(folder, 2_000, 207)
    one, two = declared(steps), declared(steps, workers=2, launcher="torchrun")
    ways = {
        "1 worker": [one],
        "2 single runs side by side": [one, one],
        "2 workers, torchrun": [two],
        "2 workers, dask": [{**two, "launcher": "dask"}],
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, runs in ways.items():
            rates[name].append(
                sum(float(stats["windows_per_second"]) for stats in train(runs, store, scratch))
            )
    print("\n| | windows/s | times one worker |\n|---|---|---|")
    alone = statistics.median(rates["1 worker"])
    for name, measured in rates.items():
        rate = statistics.median(measured)
        print(f"| {name} | {rate:.1f} | {rate / alone:.2f} |")


def declared(steps: int, **changes: Any) -> dict[str, Any]:
    """The run's settings with so many steps, and top-level keys changed."""
    run = copy.deepcopy(RUN) | changes
    run["training"]["max_steps_per_epoch"] = steps
    return run


def train(runs: list[dict[str, Any]], store: SignalStore, scratch: Path) -> list[dict[str, str]]:
    """Train runs at the same time; the row of each one's stats.csv."""
    name = store.attributes["dataset"]
    folders = [Path(tempfile.mkdtemp(dir=scratch)) for _ in runs]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    processes = []
    for run, folder in zip(runs, folders, strict=True):
        command = [sys.executable, "-m", "stgnn", "train", "--settings", json.dumps({**run, "dataset": name})]
        command += ["--store", str(store.path), "--out", str(folder)]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(said)
    return [next(csv.DictReader((folder / "stats.csv").open())) for folder in folders]


def report_all_reduce() -> None:
    """Seconds of an all-reduce over loopback: of the one-cell model's gradients, and of a larger model's."""
    print("\n| all-reduce of | 2 workers | 4 workers |\n|---|---|---|")
    for numbers in (200, 400_000):
        cells = " | ".join(f"{1e3 * all_reduce_seconds(size, numbers):.2f} ms" for size in (2, 4))
        print(f"| {numbers:,} float32 | {cells} |")


def all_reduce_seconds(size: int, numbers: int) -> float:
    """The median over 200 all-reduces among `size` processes."""
    context, port = multiprocessing.get_context("spawn"), free_port()
    reader, writer = context.Pipe(duplex=False)
    workers = [
        context.Process(target=all_reduce, args=(rank, size, port, numbers, writer)) for rank in range(size)
    ]
    for worker in workers:
        worker.start()
    seconds: float = reader.recv()
    for worker in workers:
        worker.join()
    return seconds


def all_reduce(
    rank: int, size: int, port: int, numbers: int, answer: "multiprocessing.connection.Connection"
) -> None:
    """One of the processes."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=size)
    values, seconds = torch.zeros(numbers), []
    for _ in range(220):
        begun = time.perf_counter()
        dist.all_reduce(values)
        seconds.append(time.perf_counter() - begun)
    if rank == 0:
        answer.send(statistics.median(seconds[20:]))
    dist.destroy_process_group()


def report_pems(folder: Path, scratch: Path) -> None:
    """Preprocessing and steps of PGT-I's model at PeMS' size: 105,120 entries of 11,160 graph nodes."""
    store = large_store(folder, 105_120, 11_160)
    run = declared(6, model=ONE_CELL)
    run["training"]["batch_size"] = 64
    run["task"]["split"] = [0.98, 0.01, 0.01]  # validation is not what is measured here
    (stats,) = train([run], store, scratch)
    print("\n| PeMS' size, one cell, batch 64 | |\n|---|---|")
    print(f"| preprocessing | {float(stats['preprocessing']):.1f} s |")
    print(f"| a training step, one thread | {64 / float(stats['windows_per_second']):.2f} s |")


if __name__ == "__main__":
    main()
