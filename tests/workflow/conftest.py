"""A whole project in miniature: this checkout's code and workflow, two tiny datasets, a study of seconds."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CATALOGUE = """
tiny-traffic:
  title: A few speeds
  reader: traffic-hdf5
  synthetic: {generator: traffic, entries: 400, nodes: 6, seed: 1}
  files: [{name: speeds.h5, role: values}, {name: adj_mx.pkl, role: adjacency}]
  frequency: 5min
  units: mph
  null_value: 0.0
  task: {input_len: 3, horizon: 3, calendar: [time_of_day]}
tiny-chickenpox:
  title: A few cases
  reader: pgt-static-json
  synthetic: {generator: chickenpox, entries: 60, nodes: 4, seed: 1}
  files: [{name: chickenpox.json, role: values}]
  options: {values: FX}
  frequency: 7D
  units: cases
  task: {input_len: 3, horizon: 3}
"""
PIPELINE: dict[str, Any] = {
    "title": "Tiny",
    "datasets": ["tiny-traffic", "tiny-chickenpox"],
    "models": ["pgti-dcrnn", "tgcn", "last-value"],
    "batching": ["materialised", "index"],
    "seeds": [0],
    "exclude": [
        {"model": ["tgcn", "last-value"], "batching": "materialised"},
        {"model": ["tgcn", "last-value"], "dataset": "tiny-chickenpox"},
    ],
    "training": {"epochs": 2, "batch_size": 32, "milestones": []},
    "overrides": [{"match": {"model": "tgcn"}, "set": {"model": {"hidden_channels": 4}}}],
    "baseline": {"batching": "materialised"},
    "tables": [{"name": "accuracy", "columns": [{"metric": "mae"}, {"metric": "mae", "horizon": 3}]}],
    "figures": [{"name": "curves", "kind": "curves"}],
}


@dataclass(frozen=True)
class Project:
    """A folder with a study, and `snakemake` in it."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        """The copy's own `stgnn` instead of the installed one; one thread a process."""
        return {**os.environ, "PYTHONPATH": str(self.path), "OMP_NUM_THREADS": "1"}

    def command(self, *arguments: str) -> list[str]:
        """`snakemake ...` on two cores."""
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it and return what it said."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *arguments: str) -> str:
        """Run it, which must succeed; return all that it said."""
        done = self.snakemake(*arguments)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-4000:]
        return said

    def planned(self, *arguments: str) -> set[str]:
        """What a dry run would do: `retrieve FILE`, `ingest DATASET`, `train MODEL DATASET RUN`, `tabulate`, ..."""
        said = self.run("--dry-run", *arguments)
        jobs = re.findall(r"^Job \d+: (\w+) (\S+)(?: on (\S+), (\S+) )?", said, re.MULTILINE)
        return {
            " ".join((rule.lower(), *(() if what == "the" else (what,)), *filter(None, rest)))
            for rule, what, *rest in jobs
        }

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace `old`, which must be there, in a file."""
        text = (self.path / file).read_text()
        assert old in text, f"{file} has no {old!r}"
        (self.path / file).write_text(text.replace(old, new, 1))

    def append(self, file: str, text: str) -> None:
        """Add `text` at the end of a file."""
        with (self.path / file).open("a") as end:
            end.write(text)

    def declare(self, **changes: Any) -> None:
        """Write the study with changed top-level keys."""
        (self.path / "pipelines" / "tiny.yaml").write_text(yaml.safe_dump({**PIPELINE, **changes}))

    def results(self, pattern: str = "metrics.json") -> dict[str, bytes]:
        """The result files of that name, by run."""
        runs = self.path / "results" / "runs"
        return {str(path.relative_to(runs)): path.read_bytes() for path in sorted(runs.rglob(pattern))}


def undisturbed(project: Project, folder: Path) -> dict[str, bytes]:
    """The metrics of the project's only run when it is trained anew in `folder`, without Snakemake or any profile."""
    runs = project.path / "results" / "runs"
    (done,) = (path.parent for path in runs.rglob("metrics.json"))
    store = project.path / "data" / "stores" / f"{done.relative_to(runs).parts[0]}.zarr"
    again = folder / done.relative_to(runs)
    command = ["train", "--run", str(done / "run.yaml"), "--store", str(store), "--out", str(again)]
    alone = Project(project.path)  # on no site
    subprocess.run(
        [sys.executable, "-m", "stgnn", *command], cwd=alone.path, env=alone.environment, check=True
    )
    return {str((again / "metrics.json").relative_to(folder)): (again / "metrics.json").read_bytes()}


def make_project(folder: Path) -> Project:
    """Copy code, configuration and workflow into `folder` and declare the tiny study."""
    for part in ("stgnn", "workflow", "config"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pipelines").mkdir()
    (folder / "config" / "datasets.yaml").write_text(CATALOGUE)
    project = Project(folder)
    project.edit("config/config.yaml", "pipeline: quickstart", "pipeline: tiny")
    project.declare()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh project: nothing retrieved, nothing run."""
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose study has run. Not to be changed: take `rerun`."""
    project = make_project(tmp_path_factory.mktemp("finished") / "project")
    (project.path.parent / "said").write_text(project.run())
    return project


@pytest.fixture
def rerun(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project, to be changed at will."""
    shutil.copytree(finished.path, tmp_path / "copy", symlinks=True)
    return Project(tmp_path / "copy")
