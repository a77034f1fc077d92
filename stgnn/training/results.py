"""The files that a finished run leaves: PGT-I's names and columns, and what they lack to the right.

`metrics.json` holds nothing that depends on time or machine, so equal runs leave equal bytes; how
long it took and how much memory is in `stats.csv`.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stgnn.files import write_text
from stgnn.training.checkpoint import Progress
from stgnn.training.epochs import usual_seconds
from stgnn.training.monitor import Memory, device_memory_mb, system_memory_mb
from stgnn.training.task import Task


def write_results(
    folder: Path,
    task: Task,
    progress: Progress,
    scores: Mapping[str, Any],
    peaks: Sequence[Memory],
    preprocessing: float,
    total: float,
) -> None:
    """Write run.yaml, per_epoch_stats.csv and stats.csv, then metrics.json, which completes the run."""
    write_text(folder / "run.yaml", yaml.safe_dump(_plain(task.settings), sort_keys=False))
    columns = ("epoch", "runtime", task.predicted.train, task.predicted.validation, "learning_rate")
    rows = [[_cell(row[name]) for name in columns] for row in progress.history]
    write_text(folder / "per_epoch_stats.csv", _csv(columns, rows))
    stats = _stats(task, progress, peaks, preprocessing, total)
    write_text(folder / "stats.csv", _csv(list(stats), [[_cell(value) for value in stats.values()]]))
    metrics = _metrics(folder.name, task, progress, scores)
    write_text(folder / "metrics.json", json.dumps(metrics, indent=1) + "\n")


def _stats(
    task: Task, progress: Progress, peaks: Sequence[Memory], preprocessing: float, total: float
) -> dict[str, float | str]:
    """PGT-I's columns (seconds, MB), then ours. Memory is the worker's that used most, or a compute node's."""
    stepping, most, names = progress.step_seconds, Memory(), task.predicted
    best = max if names.higher_is_better else min
    for peak in peaks:
        most.raise_to(peak)
    return {
        "preprocessing": preprocessing,
        "training": progress.training_seconds,
        "total": total,
        names.train: min(row[names.train] for row in progress.history),
        names.validation: best(row[names.validation] for row in progress.history),
        "system_memory_total": system_memory_mb(),
        "max_system_mem": most.resident,
        "gpu_memory_total": device_memory_mb(task.device),
        "max_gpu_mem": most.device,
        "max_private_mem": most.private,
        "max_shared_mem": most.shared,
        "epochs": progress.epoch,
        "epoch_seconds": usual_seconds(progress),
        f"{task.samples}_per_second": progress.samples_seen / stepping if stepping else "",
        "device": str(task.device),
        **_exchanged(progress, peaks),
        **task.sizes,
    }


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


def _metrics(run: str, task: Task, progress: Progress, scores: Mapping[str, Any]) -> dict[str, Any]:
    settings = task.settings
    return {
        "dataset": settings["dataset"],
        "model": settings["model"]["name"],
        "regime": settings["regime"],
        "batching": settings["batching"],
        "workers": settings["workers"],
        "seed": settings["seed"],
        "run": run,
        "parameters": sum(parameter.numel() for parameter in task.model.parameters()),
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        **task.facts,
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
