"""The tiny project with its profiles: `snakemake --profile SITE` as on a cluster's login node."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.conftest import ROOT, Project, make_project

LONG = {1: 150, 2: 40}  # epochs of a run of some seconds, by workers

# Snakemake's executor for SLURM lies apart (see Makefile).
PLUGIN = Path(sys.prefix) / "slurm"


@dataclass(frozen=True)
class SiteProject(Project):
    """A project whose `snakemake` is started as the README says: profiles found by name, programs from `bin/` first."""

    profile: str
    options: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """What profiles/activate and a login node's own programs make of it."""
        found = os.pathsep.join(
            [str(self.path), str(PLUGIN)] if self.profile == "slurm" else [str(self.path)]
        )
        programs = os.pathsep.join([str(self.path / "bin"), os.environ["PATH"]])
        return {
            **super().environment,
            "PYTHONPATH": found, "XDG_CONFIG_DIRS": str(self.path / ".config"), "PATH": programs, "USER": "me",
        }  # fmt: skip

    def command(self, *arguments: str) -> list[str]:
        """`snakemake --profile SITE ...`, asking after jobs more often than one would of a shared machine."""
        return [sys.executable, "-m", "snakemake", "--profile", self.profile, *self.options, *arguments]


def site_project(folder: Path, profile: str, *options: str) -> SiteProject:
    """The tiny project with profiles/ and what makes them found."""
    project = make_project(folder)
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / ".config").mkdir()
    (folder / ".config" / "snakemake").symlink_to("../profiles")
    return SiteProject(project.path, profile, options)


def one_run(project: Project, epochs: int = 2, workers: int = 1, **changes: Any) -> None:
    """Declare a single run on the smallest dataset."""
    project.declare(**{
        "datasets": ["tiny-chickenpox"], "models": ["pgti-dcrnn"], "workers": [workers],
        "batching": ["index" if workers == 1 else "distributed-index"],
        "exclude": [], "overrides": [], "figures": [], "baseline": {"model": "pgti-dcrnn"},
        "training": {"epochs": epochs, "batch_size": 8, "milestones": [], "patience": None},
        **changes,
    })  # fmt: skip


@pytest.fixture(autouse=True)
def _no_spinning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")


def logs_of(done: "subprocess.CompletedProcess[str]") -> str:
    """All that a command said."""
    return done.stdout + done.stderr
