"""`snakemake --profile NAME -n` as the README says it, and the profiles' files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hpc.conftest import PLUGIN, one_run, site_project
from tests.workflow.conftest import ROOT

PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/profile.yaml"))


@pytest.mark.parametrize("profile", PROFILES)
def test_after_one_line_a_profile_is_found_by_its_name(profile: str, tmp_path: Path) -> None:
    project = site_project(tmp_path / "project", profile)
    one_run(project, workers=4)
    (project.path / ".venv").symlink_to(ROOT / ".venv")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    found = str(project.path) if profile == "polaris" else f"{project.path}{os.pathsep}{PLUGIN}"
    if profile != "polaris" and not PLUGIN.is_dir():
        pytest.skip("Snakemake's executor for SLURM is not installed")
    done = subprocess.run(
        ["bash", "-c", f"source profiles/activate && snakemake --profile {profile} -n --printshellcmds"],
        cwd=project.path, env={**clean, "PYTHONPATH": found}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This was a dry-run" in done.stdout + done.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_holds_no_science_and_no_second_profile(profile: str) -> None:
    folder = ROOT / "profiles" / profile
    # Of two files that Snakemake takes for a profile it picks one by the order of the folder.
    assert [path.name for path in sorted(folder.glob("*.yaml"))] == ["profile.yaml", "site.yaml"]
    said: dict[str, Any] = yaml.safe_load((folder / "profile.yaml").read_text())
    assert said["configfile"] == "site.yaml"
    assert set(yaml.safe_load((folder / "site.yaml").read_text())) == {"threads", "site"}
    assert not {"config", "rerun-triggers", "set-resources", "set-threads"} & set(said)


def test_without_the_executor_for_slurm_activating_names_what_installs_it(tmp_path: Path) -> None:
    def said(**environment: str) -> str:
        return subprocess.run(
            ["bash", "-c", "source profiles/activate"], cwd=tmp_path, env={"PATH": str(tmp_path), **environment},
            capture_output=True, text=True, check=True, executable="/bin/bash",
        ).stderr  # fmt: skip

    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    for program, target in {"dirname": shutil.which("dirname"), "python": sys.executable}.items():
        (tmp_path / program).symlink_to(str(target))
    assert said().count("\n") == 1 and said().endswith("need: make slurm\n")
    (tmp_path / "snakemake_executor_plugin_slurm.py").touch()
    assert said(PYTHONPATH=str(tmp_path)) == ""
    (tmp_path / "snakemake_executor_plugin_slurm.py").unlink()
    (tmp_path / "qsub").symlink_to("/bin/true")
    assert said() == ""


def test_no_profile_is_loaded_without_being_asked_for() -> None:
    assert "default" not in PROFILES and not (ROOT / "workflow" / "profiles").exists()


def test_sourcing_twice_changes_nothing_more(tmp_path: Path) -> None:
    said = subprocess.run(
        ["bash", "-c", 'source profiles/activate; source profiles/activate; echo "$XDG_CONFIG_DIRS"'],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said == f"{ROOT}/.config:/etc/xdg\n"
