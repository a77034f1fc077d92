"""What the named models reach on streams whose best average precision is known (see `stgnn.learnable`).

    OMP_NUM_THREADS=1 python benchmarks/learnable_streams.py [--streams reveal ..] [--models tgn-attn ..] [--seeds 3]

Whole runs: the stream is written as a store, each model trained by the engine for `--epochs` at batch 200 with 32
channels and Adam at 0.003, the weights of the best validation epoch scored on the test events against one other
destination an event. `reveal` needs memory, `community` does not, `sticky` is for look-ups.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import yaml
from machine import machine_line

from stgnn.learnable import LearnableStream, community, reveal, sticky
from stgnn.store.split import Protocol
from stgnn.store.write_events import write_events
from stgnn.training.engine import train_run

ROOT = Path(__file__).parents[1]
NAMED = yaml.safe_load((ROOT / "config/models.yaml").read_text())
DEFAULTS = yaml.safe_load((ROOT / "config/config.yaml").read_text())["defaults"]
STREAMS = {"community": community, "reveal": reveal, "sticky": sticky}
MODELS = [name for name, spec in NAMED.items() if spec["class"].startswith("stgnn.models.temporal.")]
CHANNELS = ("memory_channels", "time_channels", "embedding_channels")


def main() -> None:
    options = arguments().parse_args()
    torch.set_num_threads(1)
    print(f"{machine_line()}; one thread, {options.epochs} epochs, {options.seeds} seeds\n")
    print("| model |" + "".join(f" {name} |" for name in options.streams))
    print("|---|" + "---|" * len(options.streams))
    with tempfile.TemporaryDirectory() as folder:
        made = {name: stored(STREAMS[name](), Path(folder) / f"{name}.zarr") for name in options.streams}
        for model in options.models:
            cells = [cell(model, made[name], Path(folder), options) for name in options.streams]
            print(f"| {model} |" + "".join(f" {text} |" for text in cells), flush=True)
    print(
        "| the best there can be |" + "".join(f" {STREAMS[n](1000).best_ap:.3f} |" for n in options.streams)
    )


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", nargs="*", choices=list(STREAMS), default=list(STREAMS))
    parser.add_argument("--models", nargs="*", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    return parser


def stored(stream: LearnableStream, path: Path) -> Path:
    write_events(stream.events(), path, Protocol(new_nodes=0.0))
    return path


def cell(model: str, store: Path, folder: Path, options: argparse.Namespace) -> str:
    """Mean and spread of the AP over seeds, and the seconds of a run."""
    start, learns = time.perf_counter(), "updater" in NAMED[model]["settings"]
    seeds = range(options.seeds if learns else 1)
    scores = [score(model, store, folder / f"{store.stem}-{model}-{seed}", seed, options) for seed in seeds]
    spread = f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
    each = (time.perf_counter() - start) / len(scores)
    return f"{statistics.mean(scores):.3f}{spread} ({each:.0f} s)"


def score(model: str, store: Path, folder: Path, seed: int, options: argparse.Namespace) -> float:
    train_run(settings_of(model, seed, options.epochs), store, folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    ap: float = metrics["splits"]["test"]["all"]["random"]["ap"]
    return ap


def settings_of(model: str, seed: int, epochs: int) -> dict[str, Any]:
    spec = NAMED[model]
    narrow = {key: 32 if key in CHANNELS else value for key, value in spec["settings"].items()}
    training = DEFAULTS["training"] | DEFAULTS["events"]["training"]
    return {
        "dataset": "stream",
        "model": {"name": model, "class": spec["class"], "settings": narrow},
        "task": {"predict": "links", "negatives": ["random"]},
        "regime": "minibatch",
        "batching": "strict-time-b200",
        "workers": 1,
        "launcher": "none",
        "seed": seed,
        "training": training
        | {
            "epochs": epochs,
            "learning_rate": 3e-3,
            "batch_size": 200,
            "patience": None,
            "evaluate": ["test"],
        },
        "device": "cpu",
    }


if __name__ == "__main__":
    sys.exit(main())
