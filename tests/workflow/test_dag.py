"""From a declared study to jobs: what would run, and what is refused before anything does."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.conftest import Project


def test_a_fresh_study_runs_every_stage_once(project: Project) -> None:
    planned = project.planned()
    retrieve = {
        "retrieve tiny-traffic/speeds.h5",
        "retrieve tiny-traffic/adj_mx.pkl",
        "retrieve tiny-chickenpox/chickenpox.json",
    }
    report = {"collect", "tabulate", "plot", "report"}
    assert {job for job in planned if not job.startswith("train")} == {
        *retrieve, "ingest tiny-traffic", "ingest tiny-chickenpox", *report,
    }  # fmt: skip
    trained = sorted(
        " ".join(job.split()[1:]).rpartition("-")[0] for job in planned if job.startswith("train")
    )
    assert trained == [
        "last-value tiny-traffic index-w1-s0",
        "pgti-dcrnn tiny-chickenpox index-w1-s0",
        "pgti-dcrnn tiny-chickenpox materialised-w1-s0",
        "pgti-dcrnn tiny-traffic index-w1-s0",
        "pgti-dcrnn tiny-traffic materialised-w1-s0",
        "tgcn tiny-traffic index-w1-s0",
    ]


def refused(project: Project, *arguments: str) -> str:
    """The one line that Snakemake refuses the study with."""
    done = project.snakemake("--dry-run", *arguments)
    said = (done.stdout + done.stderr).strip()
    assert done.returncode == 1 and "\n" not in said, said
    return said


@pytest.mark.parametrize(
    "change, line",
    [
        (
            {"models": ["pgti-dcrn"]},
            "Error: pipelines/tiny.yaml: models[0]: unknown \"pgti-dcrn\"; did you mean 'pgti-dcrnn'?",
        ),
        ({"modles": []}, "Error: pipelines/tiny.yaml: unknown key 'modles'; did you mean 'models'?"),
        (
            {"training": {"learning_rate": float("nan")}},
            "Error: pipelines/tiny.yaml: training.learning_rate: found nan; give a finite number",
        ),
        (
            {"overrides": [{"match": {"model": "tgcn"}, "set": {"model": {"hidden_channels": 8.5}}}]},
            "Error: pipelines/tiny.yaml: overrides[0].set.model (tgcn).hidden_channels: "
            "expected a whole number, found 8.5",
        ),
    ],
)
def test_a_mistake_in_the_pipeline_is_one_line(project: Project, change: dict[str, Any], line: str) -> None:
    project.declare(**change)
    assert refused(project) == line


def test_a_mistake_in_the_catalogue_is_one_line(project: Project) -> None:
    project.edit("config/datasets.yaml", "reader: traffic-hdf5", "reader: traffic-hdf")
    line = refused(project)
    assert line.startswith(
        "Error: config/datasets.yaml: tiny-traffic.reader: unknown \"traffic-hdf\"; did you mean 'traffic-hdf5'?"
    )


def test_a_misspelt_setting_of_a_model_is_one_line(project: Project) -> None:
    text = (project.path / "config" / "models.yaml").read_text()
    (project.path / "config" / "models.yaml").write_text(text.replace("hidden_channels:", "hidden_chanels:"))
    assert refused(project) == (
        "Error: config/models.yaml: tgcn.settings: unknown key 'hidden_chanels'; did you mean 'hidden_channels'?"
    )


def test_a_misspelt_command_line_key_is_one_line(project: Project) -> None:
    assert (
        refused(project, "--config", "miror=x")
        == "Error: --config: key: unknown \"miror\"; did you mean 'mirror'?"
    )
    assert refused(project, "--config", "pipeline=tinny") == (
        "Error: pipelines/tinny.yaml: no such file; did you mean 'tiny.yaml'?"
    )
    assert refused(project, "--config", "pipeline=tiny.yaml").startswith(
        'Error: --config: pipeline: "tiny.yaml" does not fit the pattern'
    )
    assert refused(project, "--config", "mirror=/nope") == (
        "Error: --config: mirror: no such folder '/nope'; give a folder or an http(s) address"
    )


def test_broken_code_of_a_layer_is_one_line(project: Project) -> None:
    project.edit("stgnn/nn/recurrent/tgcn.py", "class ", "clas ")
    assert refused(project).startswith(f"Error: {project.path}/stgnn/nn/recurrent/tgcn.py: line ")


def own_file(project: Project) -> Path:
    """Make tiny-traffic's speeds a file that nobody serves."""
    project.edit(
        "config/datasets.yaml", "  synthetic: {generator: traffic, entries: 400, nodes: 6, seed: 1}\n", ""
    )
    project.edit(
        "config/datasets.yaml",
        "{name: adj_mx.pkl, role: adjacency}",
        '{name: adj_mx.pkl, role: adjacency, url: "https://x.org/a"}',
    )
    return project.path / "data" / "raw" / "tiny-traffic" / "speeds.h5"


def declare_own_file(project: Project, path: str) -> None:
    """Make tiny-traffic's speeds a file of the user's at `path`, relative to the catalogue's folder."""
    own_file(project)
    project.edit("config/datasets.yaml", "speeds.h5, role: values", f"speeds.h5, role: values, path: {path}")


def test_a_file_that_nobody_serves_is_asked_for_at_once(project: Project) -> None:
    own_file(project)
    assert refused(project) == (
        "Error: data/raw/tiny-traffic/speeds.h5: no such file, and nobody serves it; "
        "put it there or give --config mirror=FOLDER"
    )
    (project.path / "somewhere").mkdir()
    assert "retrieve tiny-traffic/speeds.h5" in project.planned("--config", "mirror=somewhere")


def test_a_file_that_a_person_put_there_is_never_an_output(project: Project) -> None:
    # Snakemake deletes outputs before it makes them anew.
    path = own_file(project)
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    (project.path / "somewhere").mkdir()
    planned = project.planned("--forceall", "--config", "mirror=somewhere")
    assert "retrieve tiny-traffic/adj_mx.pkl" in planned
    assert "retrieve tiny-traffic/speeds.h5" not in planned


def test_a_file_of_ones_own_is_asked_for_by_its_own_path(project: Project) -> None:
    declare_own_file(project, "../mine/speeds.h5")
    assert refused(project) == (
        f"Error: {project.path}/mine/speeds.h5: no such file, and nobody serves it; "
        "put it there or give --config mirror=FOLDER"
    )


def test_a_file_of_ones_own_inside_the_raw_folder_is_never_an_output(project: Project) -> None:
    own = project.path / "data" / "raw" / "tiny-traffic" / "speeds.h5"
    own.parent.mkdir(parents=True)
    own.write_text("precious")
    declare_own_file(project, "../data/raw/tiny-traffic/speeds.h5")
    planned = project.planned("--forceall")
    assert "retrieve tiny-traffic/adj_mx.pkl" in planned
    assert "retrieve tiny-traffic/speeds.h5" not in planned


def test_paths_of_the_configuration_hold_everywhere(project: Project) -> None:
    said = project.run("--dry-run", "--config", "raw=r", "stores=s/t", "results=out")
    assert "output: " not in said or "data/" not in said.replace("metadata/", "")
    for path in ("r/tiny-traffic/speeds.h5", "s/t/tiny-traffic.zarr", "out/tiny/report.html"):
        assert path in said


def test_the_workflow_lints_and_is_formatted(project: Project) -> None:
    assert "good condition" in project.run("--lint")
    formatted = [sys.executable, "-m", "snakefmt", "--check", "workflow"]
    assert (
        subprocess.run(formatted, cwd=Path(__file__).parents[2], capture_output=True, check=False).returncode
        == 0
    )


def test_parsing_the_workflow_imports_nothing_heavy(project: Project) -> None:
    snakefile = project.path / "workflow" / "Snakefile"
    heavy = "[name for name in ('torch', 'pandas', 'zarr', 'matplotlib', 'h5py') if name in sys.modules]"
    snakefile.write_text(snakefile.read_text() + f"\nraise SystemExit('heavy: ' + str({heavy}))\n")
    assert "heavy: []" in project.snakemake("--dry-run").stderr
