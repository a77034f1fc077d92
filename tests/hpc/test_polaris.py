"""`snakemake --profile polaris` from declaration to table, PBS played by programs that answer as it does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hpc.conftest import LONG, SiteProject, logs_of, one_run, site_project
from tests.hpc.pbs import Pbs, make_pbs
from tests.workflow.conftest import undisturbed
from tests.workflow.test_kill import checkpoint, running, wait_for

SITE = "site={account: proj, interface: lo, scratch: /tmp}"


@pytest.fixture
def polaris(tmp_path: Path) -> Iterator[tuple[SiteProject, Pbs]]:
    """A project on Polaris' login node."""
    often = ("--seconds-between-status-checks", "1", "--latency-wait", "10")
    project = site_project(tmp_path / "project", "polaris", *often)
    pbs = make_pbs(project.path)
    yield project, pbs
    pbs.stop()


def test_a_study_reaches_its_tables_by_exactly_these_jobs(polaris: tuple[SiteProject, Pbs]) -> None:
    project, pbs = polaris
    one_run(project)
    project.run("--config", SITE)
    assert (project.path / "results" / "tiny" / "tables" / "accuracy.md").is_file()
    logs = project.path / "logs" / "pbs"
    ingest, train = (
        [re.sub(r"^(\w+-|STGNN_WORK=)[0-9a-f]{8}$", r"\1...", word) for word in words]
        for words in pbs.submitted
    )
    assert ingest == [
        "-N", "ingest-...", "-V", "-v", "STGNN_WORK=...", "-A", "proj", "-q", "debug",
        "-l", "select=1:system=polaris:ncpus=1", "-l", "walltime=01:00:00", "-l", "place=scatter",
        "-l", "filesystems=home:eagle", "-r", "y", "-k", "doe", "-j", "oe", "-o", f"{logs}/ingest/",
    ]  # fmt: skip
    assert train == [
        "-N", "train-...", "-V", "-v", "STGNN_WORK=...", "-A", "proj", "-q", "preemptable",
        "-l", "select=1:system=polaris:ncpus=8:ngpus=1", "-l", "walltime=03:00:00", "-l", "place=scatter",
        "-l", "filesystems=home:eagle", "-r", "y", "-k", "doe", "-j", "oe", "-o", f"{logs}/train/",
    ]  # fmt: skip


def test_two_workers_on_two_compute_nodes_are_one_job_that_makes_a_table(
    polaris: tuple[SiteProject, Pbs],
) -> None:
    project, pbs = polaris
    one_run(project, workers=2)
    project.run("tabulate", "--config", SITE.replace("}", ", workers_per_node: 1}"))
    assert (project.path / "results" / "tiny" / "tables" / "accuracy.md").is_file()
    _, train = pbs.submitted
    assert [word for word in train if word.startswith("select=")] == [
        "select=2:system=polaris:ncpus=8:ngpus=4"
    ]
    (started,) = pbs.calls("mpiexec")[-1:]
    assert started.startswith("mpiexec -n 2 --ppn 1 ")


def test_a_job_outlives_its_snakemake_and_its_time_limit(
    polaris: tuple[SiteProject, Pbs], tmp_path: Path
) -> None:
    project, pbs = polaris
    one_run(project, epochs=LONG[1])
    with running(project, "collect", "--config", SITE) as snakemake:
        wait_for(lambda: checkpoint(project), snakemake)
        snakemake.kill()
    adopted, asked = 2, "qstat -x -f 2.server"  # after the job of `ingest`
    before = pbs.calls("qstat").count(asked)
    with running(project, "collect", "--config", SITE) as snakemake:
        wait_for(lambda: pbs.calls("qstat").count(asked) > before, snakemake)
        assert len(pbs.submitted) == adopted
        pbs.end(adopted, status=-29)
        assert snakemake.wait(240) == 0
    walltimes = [
        words[words.index("select=1:system=polaris:ncpus=8:ngpus=1") + 2] for words in pbs.submitted[1:]
    ]
    assert walltimes == ["walltime=03:00:00", "walltime=06:00:00"]
    assert project.results() == undisturbed(project, tmp_path)


@pytest.mark.parametrize(
    "site, line",
    [
        (
            "site={queue: preemptable}",
            "Error: profiles/polaris/site.yaml: site.account: not filled in; write your project's name there, or give"
            " --config 'site={account: NAME}'",
        ),
        (
            "site={account: proj, queue: capacity}",
            "Error: --config: site.queue: PBS knows no queue 'capacity'; qstat -Q lists them",
        ),
    ],
)
def test_what_pbs_would_refuse_is_one_line_before_any_job(
    polaris: tuple[SiteProject, Pbs], site: str, line: str
) -> None:
    project, pbs = polaris
    one_run(project)
    done = project.snakemake("--config", site)
    assert done.returncode == 1 and line in logs_of(done).splitlines()
    assert "Traceback" not in logs_of(done)
    assert pbs.submitted == [] and not (project.path / "data").exists()


def test_an_account_that_pbs_does_not_know_is_one_line(polaris: tuple[SiteProject, Pbs]) -> None:
    project, pbs = polaris
    one_run(project)
    said = logs_of(project.snakemake("--retries", "0", "--config", SITE.replace("proj", "nobody")))
    assert (
        "PBS refuses the job ingest: qsub: Request rejected. Reason: Invalid account/project: nobody; check account"
        " 'nobody' in the profile's site.yaml"
    ) in said.splitlines()
    assert pbs.submitted == []
