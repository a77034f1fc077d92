"""Watches a run's memory: what is the process's own, what it shares, what the device holds.

Mapped stores live in the page cache and are shared with every process that maps them, so they are
counted apart from private memory. Peaks are sampled ten times a second and at the end.
"""

import csv
import threading
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

import psutil
import torch

from stgnn.files import replacing

SAMPLE_SECONDS = 0.1
ROW_SECONDS = 1.0
COLUMNS = (
    "Timestamp",
    "System_Memory_Used",
    "System_Memory_Total",
    "GPU_Memory_Used",
    "GPU_Memory_Total",
    "Private_Memory_Used",
    "Shared_Memory_Used",
)


@dataclass
class Memory:
    """Megabytes in use, or the most of each that was ever in use."""

    resident: float = 0.0
    private: float = 0.0
    shared: float = 0.0
    device: float = 0.0

    def raise_to(self, other: "Memory") -> None:
        """Keep the larger of both, figure by figure."""
        for name in (field.name for field in fields(self)):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def memory_now(device: torch.device) -> Memory:
    """Read the process's memory and the device allocator's, in MB."""
    private, shared = _private_and_shared()
    held = torch.cuda.memory_allocated(device) / 2**20 if device.type == "cuda" else 0.0
    return Memory(private + shared, private, shared, held)


def _private_and_shared() -> tuple[float, float]:
    """Anonymous and file-backed resident memory in MB (`man 5 proc`, RssAnon, RssFile, RssShmem)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:  # not Linux
        info = psutil.Process().memory_full_info()
        return info.uss / 2**20, (info.rss - info.uss) / 2**20
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return kib["RssAnon"] / 1024, (kib["RssFile"] + kib["RssShmem"]) / 1024


class Monitor:
    """Samples memory while its block runs, then writes `system_stats.csv` if told where."""

    def __init__(self, file: Path | None, device: torch.device) -> None:
        self._file, self._device = file, device
        self._started = time.perf_counter()
        self._rows: list[list[float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True, name="monitor")
        self.peak = Memory()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._read(write_row=True)
        if self._file is None:
            return
        with replacing(self._file) as partial, partial.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(COLUMNS)
            writer.writerows([f"{value:.3f}" for value in row] for row in self._rows)

    def peak_now(self) -> Memory:
        """The peaks so far, with the device allocator's own peak, which no sample can miss."""
        self._read(write_row=False)
        return self.peak

    def _sample(self) -> None:
        next_row = 0.0
        while True:
            elapsed = time.perf_counter() - self._started
            self._read(write_row=elapsed >= next_row)
            if elapsed >= next_row:
                next_row += ROW_SECONDS
            if self._stop.wait(SAMPLE_SECONDS):
                return

    def _read(self, write_row: bool) -> None:
        now = memory_now(self._device)
        self.peak.raise_to(now)
        if self._device.type == "cuda":
            self.peak.device = max(self.peak.device, torch.cuda.max_memory_allocated(self._device) / 2**20)
        if write_row:
            elapsed = time.perf_counter() - self._started
            self._rows.append(
                [
                    elapsed,
                    now.resident,
                    system_memory_mb(),
                    now.device,
                    device_memory_mb(self._device),
                    now.private,
                    now.shared,
                ]
            )


def system_memory_mb() -> float:
    """The machine's memory in MB."""
    return float(psutil.virtual_memory().total) / 2**20


def device_memory_mb(device: torch.device) -> float:
    """The accelerator's memory in MB, 0 without one."""
    if device.type != "cuda":
        return 0.0
    return float(torch.cuda.get_device_properties(device).total_memory) / 2**20
