"""The whole study, from nothing to the page; then what a change makes run again, and what it does not."""

import csv
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workflow.conftest import Project

REPORT = {"collect", "tabulate", "plot", "report"}


def trained(planned: set[str]) -> set[str]:
    """Planned training as `model dataset batching-w-s`, without the hash."""
    return {
        re.sub(r"-[0-9a-f]{8}$", "", job.removeprefix("train ")) for job in planned if job.startswith("train")
    }


def others(planned: set[str]) -> set[str]:
    return {job for job in planned if not job.startswith("train")}


TGCN = {"tgcn tiny-traffic index-w1-s0"}
PGTI = {
    f"pgti-dcrnn {data} {batching}-w1-s0"
    for data in ("tiny-traffic", "tiny-chickenpox")
    for batching in ("index", "materialised")
}
LAST = {"last-value tiny-traffic index-w1-s0"}
ON_TRAFFIC = {run for run in TGCN | PGTI | LAST if "tiny-traffic" in run}


# -- what a study leaves ----------------------------------------------------------------------------


def test_a_study_ends_in_tables_figures_and_a_page(finished: Project) -> None:
    results = finished.path / "results" / "tiny"
    made = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    tables = {f"tables/accuracy.{kind}" for kind in ("csv", "md", "tex", "html", "txt")}
    assert made == {"runs.csv", "report.html", "figures/curves.svg", "figures/curves.png"} | tables
    with (results / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {
        f"{row['model']} {row['dataset']} {row['batching']}-w1-s{row['seed']}" for row in rows
    } == TGCN | PGTI | LAST


def test_every_run_leaves_its_declared_files(finished: Project) -> None:
    expected = {"metrics.json", "run.yaml", "stats.csv", "per_epoch_stats.csv", "system_stats.csv"}
    for path in (finished.path / "results" / "runs").glob("*/*/*"):
        assert expected <= {file.name for file in path.iterdir()}
        assert yaml.safe_load((path / "run.yaml").read_text())
        assert json.loads((path / "metrics.json").read_text())["run"] == path.name


def test_materialised_and_index_train_to_the_same_bits(finished: Project) -> None:
    for dataset in ("tiny-traffic", "tiny-chickenpox"):
        folders = (finished.path / "results" / "runs" / dataset / "pgti-dcrnn").iterdir()
        splits = [json.loads((folder / "metrics.json").read_text())["splits"] for folder in folders]
        assert len(splits) == 2 and splits[0] == splits[1]


def test_every_job_leaves_a_log_and_a_benchmark(finished: Project) -> None:
    logs = finished.path / "logs"
    written = {str(path.relative_to(logs).with_suffix("")) for path in logs.rglob("*.log")}
    measured = logs / "benchmarks"
    assert written == {str(path.relative_to(measured).with_suffix("")) for path in measured.rglob("*.tsv")}
    assert len(written) == 3 + 2 + len(TGCN | PGTI | LAST) + len(REPORT)


def test_a_finished_study_prints_its_tables_and_paths(finished: Project) -> None:
    said = (finished.path.parent / "said").read_text()
    assert (finished.path / "results" / "tiny" / "tables" / "accuracy.txt").read_text() in said
    for path in (
        "tables/accuracy.txt (and csv, html, md, tex)",
        "figures/curves.svg (and png)",
        "report.html",
    ):
        assert f"\nresults/tiny/{path}" in said


# -- what runs again --------------------------------------------------------------------------------


def test_right_after_a_run_there_is_nothing_to_do(finished: Project) -> None:
    assert "Nothing to be done" in finished.run("--dry-run")


def test_what_changes_no_result_runs_nothing(rerun: Project) -> None:
    for file in (
        "nn/recurrent/tgcn.py",
        "models/pgti.py",
        "training/engine.py",
        "raw/traffic.py",
        "report/tables.py",
    ):
        rerun.edit(f"stgnn/{file}", '"""', '"""Another text. ')
        rerun.append(f"stgnn/{file}", "\n\n# a comment\n")
    rerun.append("stgnn/nn/recurrent/a3tgcn.py", "X = 1\n")  # of no model here
    rerun.append("stgnn/retrieve.py", "X = 1\n")  # checksums say what a raw file is
    rerun.append("stgnn/cli.py", "X = 1\n")
    rerun.append("config/models.yaml", "# a comment\n")
    rerun.edit("config/config.yaml", "mirror: null", "mirror: config")
    rerun.edit("config/config.yaml", "threads: 1", "threads: 2")
    for path in rerun.path.glob("data/raw/*/*"):
        os.utime(path)
    assert rerun.planned() == set()


@pytest.mark.parametrize(
    "file, runs",
    [
        ("nn/recurrent/tgcn.py", TGCN),
        ("models/pgti.py", PGTI),
        ("models/baselines.py", LAST),
        ("training/metrics.py", TGCN | PGTI | LAST),
    ],
)
def test_changed_code_reruns_exactly_the_runs_that_use_it(rerun: Project, file: str, runs: set[str]) -> None:
    rerun.append(f"stgnn/{file}", "X = 1\n")
    planned = rerun.planned()
    assert trained(planned) == runs and others(planned) == REPORT


def test_a_changed_reader_reruns_the_stores_of_its_format(rerun: Project) -> None:
    rerun.append("stgnn/raw/traffic.py", "X = 1\n")
    planned = rerun.planned()
    assert others(planned) == {"ingest tiny-traffic", *REPORT} and trained(planned) == ON_TRAFFIC


def test_a_changed_raw_file_reruns_what_is_made_of_it(rerun: Project) -> None:
    path = rerun.path / "data" / "raw" / "tiny-chickenpox" / "chickenpox.json"
    path.write_text(path.read_text() + "\n")
    planned = rerun.planned()
    assert others(planned) == {"ingest tiny-chickenpox", *REPORT}
    assert trained(planned) == PGTI - ON_TRAFFIC


def test_a_changed_file_of_ones_own_is_copied_and_stored_again(project: Project) -> None:
    own = project.path / "mine" / "chickenpox.json"
    own.parent.mkdir()
    own.write_text('{"edges": [[0, 1]], "node_ids": {"a": 0, "b": 1}, "FX": [[0.5, 1.5], [1, 2]]}')
    generated = "  synthetic: {generator: chickenpox, entries: 60, nodes: 4, seed: 1}\n"
    project.edit("config/datasets.yaml", generated, "")
    declared = "chickenpox.json, role: values, path: ../mine/chickenpox.json"
    project.edit("config/datasets.yaml", "chickenpox.json, role: values", declared)
    copy, store = "data/raw/tiny-chickenpox/chickenpox.json", "data/stores/tiny-chickenpox.manifest.json"
    both = {"retrieve tiny-chickenpox/chickenpox.json", "ingest tiny-chickenpox"}
    project.run(store)
    assert project.planned(store) == set()
    own.write_text(own.read_text().replace("0.5", "0.7"))
    assert project.planned(store) == both
    os.utime(own, (10**9, 10**9))  # an older file, moved over it
    assert project.planned(store) == both
    project.run(store)
    assert (project.path / copy).read_bytes() == own.read_bytes()
    own.unlink()  # a copy outlives it
    assert project.planned(store) == set()


def test_braces_and_brackets_are_text_like_any_other(rerun: Project) -> None:
    text = "a {a}, {}, <b>, <study> and {wildcards.run}"
    rerun.declare(
        title=text,
        tables=[{"name": "accuracy", "columns": [{"metric": "mae"}], "caption": text}],
        figures=[{"name": "curves", "kind": "curves", "caption": text}],
    )
    rerun.edit("config/datasets.yaml", "units: mph", f'units: mph\n  citation: "{text}"')
    rerun.run()
    page = (rerun.path / "results" / "tiny" / "report.html").read_text()
    assert page.count("a {a}, {}, &lt;b&gt;, &lt;study&gt; and {wildcards.run}") >= 4
    assert rerun.planned() == set()


@pytest.mark.parametrize(
    "changes, runs",
    [
        ({"seeds": [0, 1]}, {run.replace("s0", "s1") for run in TGCN | PGTI | LAST}),
        ({"overrides": [{"match": {"model": "tgcn"}, "set": {"model": {"hidden_channels": 5}}}]}, TGCN),
        ({"training": {"epochs": 2, "batch_size": 33, "milestones": []}}, TGCN | PGTI | LAST),
    ],
)
def test_a_changed_setting_trains_exactly_the_runs_that_have_it(
    rerun: Project, changes: Any, runs: set[str]
) -> None:
    rerun.declare(**changes)
    planned = rerun.planned()
    assert trained(planned) == runs and others(planned) == REPORT


@pytest.mark.parametrize(
    "changes, jobs",
    [
        ({"title": "Other"}, {"report"}),
        ({"tables": [{"name": "accuracy", "columns": [{"metric": "rmse"}]}]}, {"tabulate", "report"}),
        ({"figures": [{"name": "curves", "kind": "horizon"}]}, {"plot", "report"}),
        ({"seeds": [0], "training": {"milestones": [], "batch_size": 32.0, "epochs": 2}}, set()),
    ],
)
def test_what_is_only_reported_otherwise_trains_nothing(rerun: Project, changes: Any, jobs: set[str]) -> None:
    rerun.declare(**changes)
    assert rerun.planned() == jobs


def test_a_dataset_described_otherwise_reruns_the_page_alone(rerun: Project) -> None:
    rerun.edit("config/datasets.yaml", "title: A few speeds", "title: Some speeds")
    assert rerun.planned() == {"report"}


def test_a_dataset_read_otherwise_reruns_its_store(rerun: Project) -> None:
    rerun.edit("config/datasets.yaml", "null_value: 0.0", "null_value: null")
    assert others(rerun.planned()) == {"ingest tiny-traffic", *REPORT}


def test_another_synthetic_dataset_is_written_anew(rerun: Project) -> None:
    rerun.edit("config/datasets.yaml", "entries: 60, nodes: 4, seed: 1", "entries: 60, nodes: 4, seed: 2")
    assert others(rerun.planned()) == {
        "retrieve tiny-chickenpox/chickenpox.json",
        "ingest tiny-chickenpox",
        *REPORT,
    }


def test_two_studies_share_the_runs_that_both_declare(rerun: Project) -> None:
    (rerun.path / "pipelines" / "second.yaml").write_bytes(
        (rerun.path / "pipelines" / "tiny.yaml").read_bytes()
    )
    assert rerun.planned("--config", "pipeline=second") == REPORT


def test_a_moved_project_is_still_up_to_date(rerun: Project, tmp_path: Path) -> None:
    rerun.path.rename(tmp_path / "elsewhere")
    assert Project(tmp_path / "elsewhere").planned() == set()


def test_undoing_a_change_makes_the_study_up_to_date_again(rerun: Project) -> None:
    rerun.append("stgnn/nn/recurrent/tgcn.py", "X = 1\n")
    assert rerun.planned()
    rerun.edit("stgnn/nn/recurrent/tgcn.py", "X = 1\n", "")
    assert rerun.planned() == set()
