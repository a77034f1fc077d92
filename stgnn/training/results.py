"""The files that a finished run leaves: PGT-I's names and columns, and what they lack to the right.

`metrics.json` holds nothing that depends on time or machine, so equal runs leave equal bytes; how
long it took and how much memory is in `stats.csv`.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stgnn.data.windows import Windows
from stgnn.files import write_text
from stgnn.store.signal_store import SignalStore
from stgnn.training.checkpoint import Progress
from stgnn.training.monitor import Memory, device_memory_mb, system_memory_mb
from stgnn.training.setup import Setup

EPOCH_COLUMNS = ("epoch", "runtime", "t_mae", "v_mae", "learning_rate")


def write_results(
    folder: Path,
    setup: Setup,
    progress: Progress,
    scores: Mapping[str, Any],
    peaks: Sequence[Memory],
    preprocessing: float,
    total: float,
) -> None:
    """Write run.yaml, per_epoch_stats.csv and stats.csv, then metrics.json, which completes the run."""
    write_text(folder / "run.yaml", yaml.safe_dump(_plain(setup.settings), sort_keys=False))
    rows = [[_cell(row[name]) for name in EPOCH_COLUMNS] for row in progress.history]
    write_text(folder / "per_epoch_stats.csv", _csv(EPOCH_COLUMNS, rows))
    stats = _stats(setup, progress, peaks, preprocessing, total)
    write_text(folder / "stats.csv", _csv(list(stats), [[_cell(value) for value in stats.values()]]))
    metrics = _metrics(folder.name, setup, progress, scores)
    write_text(folder / "metrics.json", json.dumps(metrics, indent=1) + "\n")


def _stats(
    setup: Setup, progress: Progress, peaks: Sequence[Memory], preprocessing: float, total: float
) -> dict[str, float | str]:
    """PGT-I's columns (seconds, MB), then ours. Memory is the worker's that used most, or a compute node's."""
    stepping, most = progress.step_seconds, Memory()
    for peak in peaks:
        most.raise_to(peak)
    return {
        "preprocessing": preprocessing,
        "training": progress.training_seconds,
        "total": total,
        "t_mae": min(row["t_mae"] for row in progress.history),
        "v_mae": min(row["v_mae"] for row in progress.history),
        "system_memory_total": system_memory_mb(),
        "max_system_mem": most.resident,
        "gpu_memory_total": device_memory_mb(setup.device),
        "max_gpu_mem": most.device,
        "max_private_mem": most.private,
        "max_shared_mem": most.shared,
        "epochs": progress.epoch,
        "windows_per_second": progress.windows_seen / stepping if stepping else "",
        "device": str(setup.device),
        **_exchanged(progress, peaks),
        **_sizes(setup.store, setup.windows),
    }


def _sizes(store: SignalStore, windows: Windows) -> dict[str, float]:
    """MB (float32) of the signal, and of all its input and target windows were they copied out of it."""
    entries = sum(len(part) for part in (windows.train, windows.validation, windows.test)) * windows.length
    return {"signal_mb": store.nbytes / 2**20, "windows_mb": store.nbytes / 2**20 * entries / store.shape[0]}


def _exchanged(progress: Progress, peaks: Sequence[Memory]) -> dict[str, float]:
    """What having several workers came to: MB received by all workers in an epoch, MB used on a compute node."""
    moved, reduced = progress.exchanged
    return {
        "compute_nodes": len(set(progress.hosts)),
        "data_mb_per_epoch": moved / 2**20 / progress.epoch,
        "sync_mb_per_epoch": reduced / 2**20 / progress.epoch,
        "max_node_mem": max(_node_memory(host, progress.hosts, peaks) for host in progress.hosts),
    }


def _node_memory(host: str, hosts: Sequence[str], peaks: Sequence[Memory]) -> float:
    """Memory of one compute node: what its workers have for themselves, and once what they share."""
    here = [peak for peak, of in zip(peaks, hosts, strict=True) if of == host]
    return sum(peak.private for peak in here) + max(peak.shared for peak in here)


def _metrics(run: str, setup: Setup, progress: Progress, scores: Mapping[str, Any]) -> dict[str, Any]:
    settings = setup.settings
    null = setup.store.null_value
    return {
        "dataset": settings["dataset"],
        "model": settings["model"]["name"],
        "regime": settings["regime"],
        "batching": settings["batching"],
        "workers": settings["workers"],
        "seed": settings["seed"],
        "run": run,
        "parameters": sum(parameter.numel() for parameter in setup.model.parameters()),
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "null_value": "nan" if null is not None and math.isnan(null) else null,
        "units": setup.units,
        "splits": dict(scores),
    }


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _cell(value: float | str) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """Mappings and sequences as plain dicts and lists, which is what YAML can say safely."""
    return json.loads(json.dumps(value))
