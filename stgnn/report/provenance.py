"""Where the numbers of a page come from: software, hardware, datasets and their checksums.

Read at the time of reporting and without importing what it names: torch is asked for its version only.
"""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from stgnn import __version__
from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.report.results import RunResult
from stgnn.report.steps import step_label

PACKAGES = ("torch", "numpy", "zarr", "pandas", "matplotlib", "snakemake")


@dataclass(frozen=True)
class DatasetFacts:
    """A dataset of the study: what the catalogue says, and what its store holds."""

    dataset: Dataset
    shape: tuple[int, int, int]  # entries or events, graph nodes, features
    digest: str  # SHA-256 over all files of the store
    raw_sha256: Mapping[str, str]  # of the raw files that the store was made from, by name

    @property
    def size(self) -> str:
        """How large the signal is and how often it was measured; of an event stream how many events there are."""
        entries, nodes, features = self.shape
        if self.dataset.kind == "events":
            return f"{entries:,} events; {nodes:,} graph nodes; {features} feature{'s' * (features != 1)} an event"
        every = f", one every {step_label(1, self.dataset.frequency)}" if self.dataset.frequency else ""
        return f"{entries:,} entries{every}; {nodes:,} graph nodes; {features} feature{'s' * (features != 1)}"


def software() -> dict[str, str]:
    """Return name -> version of what computes and writes; a package that is not there is not named."""
    versions = {"stgnn": __version__}
    commit = _commit(Path(__file__).resolve().parent)
    if commit:
        versions["git commit"] = commit
    versions["Python"] = platform.python_version()
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def hardware(runs: Sequence[RunResult]) -> dict[str, str]:
    """Return what this machine is, and the devices that the runs say they used."""
    facts = {
        "Processor": _processor(),
        "Cores": str(os.cpu_count() or "unknown"),
        "Memory": f"{_memory_bytes() / 2**30:.1f} GB",
        "System": f"{platform.system()} {platform.machine()}",
    }
    devices = dict.fromkeys(run.device for run in runs if run.device)
    return {**facts, "Devices of the runs": ", ".join(devices)} if devices else facts


def dataset_facts(datasets: Mapping[str, Dataset], stores: Path) -> list[DatasetFacts]:
    """Return the facts of each dataset, of its store `<stores>/<name>.zarr` and the manifest beside it.

    Raises InputError naming the manifest or store that is missing or broken.
    """
    return [_dataset_facts(name, dataset, stores) for name, dataset in datasets.items()]


def _dataset_facts(name: str, dataset: Dataset, stores: Path) -> DatasetFacts:
    path = stores / f"{name}.manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        shape = _shape(dataset.kind, {name: each["shape"] for name, each in manifest["arrays"].items()})
        digest = str(manifest["digest"])
        path = stores / f"{name}.zarr" / "zarr.json"
        # A store that was not made from raw files says nothing of them.
        raw_sha256 = dict(json.loads(path.read_text(encoding="utf-8"))["attributes"].get("raw_sha256", {}))
    except FileNotFoundError:
        raise InputError(path, "no such file", f"ingest {name} first") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        kind = "metadata" if path.name == "zarr.json" else "manifest"
        raise InputError(path, f"not a store's {kind} ({error!r})", f"ingest {name} again") from None
    return DatasetFacts(dataset, shape, digest, raw_sha256)


def _shape(kind: str, arrays: Mapping[str, Sequence[int]]) -> tuple[int, int, int]:
    """Entries or events, graph nodes, features, from the shapes of a store's arrays."""
    if kind == "events":
        return int(arrays["t"][0]), int(arrays["node"][0]), int(arrays.get("edge_feature", (0, 0))[1])
    entries, nodes, features = map(int, arrays["signal"])
    return entries, nodes, features


def _commit(folder: Path) -> str:
    """The commit of the checkout around `folder`, with -dirty for local changes; "" without one."""
    if not _git(folder, "ls-files", "--", Path(__file__).name):
        return ""  # installed elsewhere: the repository around it, if any, is not ours
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:  # no git here
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
