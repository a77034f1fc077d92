"""`snakemake --profile slurm` on a real SLURM with two compute nodes, which are processes of this machine."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stgnn import batch
from stgnn.batch import minutes
from tests.hpc.conftest import LONG, PLUGIN, SiteProject, logs_of, one_run, site_project
from tests.hpc.slurm import Cluster, said, two_nodes, wait_for, why_not
from tests.test_site import shipped
from tests.workflow.conftest import undisturbed
from tests.workflow.test_kill import PATIENCE, checkpoint, running

# One worker a compute node, so that two workers are a job of two.
SITE = "site={queue: debug, runtime: 10, workers_per_node: 1, interface: lo}"
OFTEN = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")
# The executor waits ten seconds longer each time it asks after a job, and has no option against it.
ALWAYS_OFTEN = """
import sys

if "--profile" in sys.orig_argv:  # and not in its jobs
    import asyncio

    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    async def sleep(self):
        await asyncio.sleep(2)

    RemoteExecutor.sleep = sleep
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The SLURM that the tests of this file share."""
    reason = why_not() or (None if PLUGIN.is_dir() else "Snakemake's executor for SLURM is not installed")
    if reason:
        pytest.skip(reason)
    with two_nodes() as cluster:
        yield cluster


@pytest.fixture
def project(cluster: Cluster, tmp_path: Path) -> SiteProject:
    """A project on the cluster's login node."""
    project = site_project(tmp_path / "project", "slurm", *OFTEN)
    (project.path / "sitecustomize.py").write_text(ALWAYS_OFTEN)
    return project


def test_two_workers_on_two_compute_nodes_make_a_table(cluster: Cluster, project: SiteProject) -> None:
    one_run(project, workers=2)
    project.run("tabulate", "--config", SITE)
    assert (project.path / "results" / "tiny" / "tables" / "accuracy.md").is_file()
    ingest, train = cluster.completed()[-2:]
    assert (ingest["JobState"], ingest["NodeCnt"], ingest["TimeLimit"]) == ("COMPLETED", "1", "10")
    assert (train["JobState"], train["NodeCnt"], train["NodeList"]) == ("COMPLETED", "2", "n[1-2]")
    assert train["Tres"].startswith("cpu=2,mem=8000M,node=2")  # 4000 MB a compute node


def test_a_job_that_is_cancelled_and_then_requeued_ends_as_if_undisturbed(
    cluster: Cluster, project: SiteProject, tmp_path: Path
) -> None:
    one_run(project, epochs=LONG[2], workers=2)
    site = SITE.replace("runtime: 10", "runtime: 40")
    with running(project, "collect", "--config", site) as snakemake:
        wait_for(lambda: checkpoint(project), "a checkpoint", PATIENCE)
        (cancelled,) = cluster.jobs()
        said("scancel", cancelled)
        wait_for(lambda: not {cancelled, None} & {only(cluster.jobs())}, "the next attempt", PATIENCE)
        (requeued,) = cluster.jobs()
        seen = newest(project)
        wait_for(lambda: newest(project) > seen, "another checkpoint", PATIENCE)
        said("scontrol", "requeue", requeued)
        wait_for(lambda: started_again(requeued), "the job's restart", PATIENCE)
        assert snakemake.wait(PATIENCE) == 0
    states = [job["JobState"] for job in cluster.completed() if job["JobId"] in (cancelled, requeued)]
    assert states[0] == "CANCELLED" and states[-1] == "COMPLETED"
    limits = {job["JobId"]: job["TimeLimit"] for job in cluster.completed()}
    assert (limits[cancelled], limits[requeued]) == ("40", "60")  # twice as much, but the partition takes 60
    assert project.results() == undisturbed(project, tmp_path)


def only(jobs: list[str]) -> str | None:
    return jobs[0] if len(jobs) == 1 else None


def newest(project: SiteProject) -> float:
    """When the checkpoint was written last."""
    return max(path.stat().st_mtime for path in (project.path / "results").rglob("checkpoint.pt"))


def started_again(jobid: str) -> bool:
    """Does it run for the second time? SLURM holds a requeued job for two minutes unless told not to."""
    said("scontrol", "update", f"JobId={jobid}", "StartTime=now")
    job = said("scontrol", "show", "job", jobid)
    return "JobState=RUNNING" in job and re.search(r"Restarts=[1-9]", job) is not None


@pytest.mark.parametrize(
    "site, line",
    [
        (
            "site={queue: debgu, runtime: 10}",
            'Error: --config: site.queue: SLURM has no such partition: unknown "debgu"; did you mean'
            " 'debug'?",
        ),
        (
            "site={queue: debug, runtime: 90}",
            "Error: --config: site.runtime: 90 minutes, but partition 'debug' takes 1:00:00; lower"
            " runtime and say under queues what the partition takes, or use another",
        ),
        (
            "site={workers_per_node: 1, runtime: 10}",
            "Error: profiles/slurm/site.yaml: site.queue: partition 'debug' has 2 compute nodes, a run needs 3; use"
            " another, or declare fewer workers",
        ),
    ],
)
def test_what_slurm_would_let_wait_for_ever_is_one_line_before_any_job(
    project: SiteProject, site: str, line: str
) -> None:
    one_run(project, workers=3)
    done = project.snakemake("--config", site)
    assert done.returncode == 1 and line in logs_of(done).splitlines()
    assert not (project.path / "data").exists()


def test_the_longest_job_of_a_partition_is_what_sinfo_says(monkeypatch: pytest.MonkeyPatch) -> None:
    site = shipped("slurm").settings
    for answer, longest in (
        ("short|1:00:00|4\nlong*|2-00:00:00|9", [60, 2880, math.inf]),
        (None, [math.inf] * 3),
    ):
        monkeypatch.setattr(batch, "_ask", lambda _command, answer=answer: answer)
        batch._partitions.cache_clear()
        assert [batch.longest(site, queue) for queue in ("short", None, "other")] == longest
    batch._partitions.cache_clear()
    assert batch.longest({**site, "queues_are": "qos"}, "short") == math.inf


@pytest.mark.parametrize(
    "text, expected",
    [("1:00:00", 60), ("30:00", 30), ("2-12:00:00", 3600), ("0:30", 0.5), ("infinite", float("inf"))],
)
def test_times_of_slurm(text: str, expected: float) -> None:
    assert minutes(text) == expected
