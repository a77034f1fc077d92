"""What a study asks of a site: compute nodes, queues, resources by executor; and what does not fit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from stgnn.errors import InputError
from stgnn.runs import Run
from stgnn.settings import check
from stgnn.site import Site, check_runs, check_site, nodes_for, require_account
from stgnn.study import load_config

ROOT = Path(__file__).parents[1]
SITES = ["slurm", "polaris", "perlmutter", "frontier"]


def shipped(name: str, **changes: Any) -> Site:
    """A site of profiles/ as Snakemake and the command line give it."""
    said = yaml.safe_load((ROOT / "profiles" / name / "site.yaml").read_text())
    config = load_config(ROOT / "config" / "config.yaml")
    settings = {**config["site"], **said["site"], **changes}
    check(settings, "site.schema.json", name, "site")
    return Site(settings, said["threads"])


def run_of(workers: int) -> Run:
    model = {"name": "dcrnn"}
    how = {"regime": "minibatch", "batching": "index", "workers": workers, "seed": 0}
    return Run({"dataset": "d", "model": model, **how})


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    "workers, per_node, nodes",
    [
        (1, 4, 1),
        (4, 4, 1),
        (5, 4, 5),
        (6, 4, 2),
        (8, 4, 2),
        (128, 4, 32),
        (7, 1, 7),
        (12, 8, 2),
        (9, None, 1),
    ],
)
def test_compute_nodes_share_workers_evenly(workers: int, per_node: int | None, nodes: int) -> None:
    assert nodes_for(workers, per_node) == nodes
    assert workers % nodes == 0 and (per_node is None or workers // nodes <= per_node)


def test_this_machine_asks_for_what_it_always_did() -> None:
    site = Site(load_config()["site"], threads=2)
    assert site.train(workers=1, attempt=1) == {"mem_mb": 4000, "runtime": 720}
    assert site.prepare(attempt=1) == {"mem_mb": 1000, "runtime": 120}
    assert site.threads_on_node(4) == 8 and site.nodes(4) == 1


@pytest.mark.parametrize("name", SITES)
def test_shipped_sites_are_sound_and_know_their_own_name(name: str) -> None:
    site = shipped(name)
    check_site(site)
    check_runs(site, [run_of(1), run_of(4), run_of(8)])
    assert site.where() == f"profiles/{name}/site.yaml"


def test_polaris_asks_pbs_for_whole_chunks_and_the_queue_that_takes_them() -> None:
    site = shipped("polaris", account="proj")
    always = {"place": "scatter", "filesystems": "home:eagle", "account": "proj", "mem_mb": 16000}
    assert site.train(workers=8, attempt=1) == always | {
        "select": "2:system=polaris:ncpus=32:ngpus=4", "queue": "preemptable", "runtime": 180,
    }  # fmt: skip
    assert site.train(workers=128, attempt=3) == always | {
        "select": "32:system=polaris:ncpus=32:ngpus=4", "queue": "prod", "runtime": 360, "mem_mb": 48000,
    }  # fmt: skip
    assert site.train(workers=1, attempt=1)["select"] == "1:system=polaris:ncpus=8:ngpus=1"
    prepared = site.prepare(attempt=1)
    assert (prepared["queue"], prepared["select"], prepared["runtime"]) == (
        "debug", "1:system=polaris:ncpus=1", 60,
    )  # fmt: skip


def test_slurm_runs_the_command_once_on_the_first_of_its_compute_nodes() -> None:
    site = shipped("slurm", queue="short", account="proj", gpus_per_node=4, mem_mb_per_node=64000)
    asked = site.train(workers=6, attempt=1)
    assert asked == {
        "nodes": 2, "tasks": 2, "mpi": "", "slurm_partition": "short", "slurm_account": "proj",
        "mem_mb": 48000, "runtime": 720, "slurm_extra": "--requeue --signal=USR1@120 --gpus-per-node=3",
    }  # fmt: skip
    assert site.train(workers=6, attempt=2)["mem_mb"] == 64000
    perlmutter = shipped("perlmutter").train(workers=4, attempt=1)
    assert perlmutter["qos"] == "regular" and "slurm_partition" not in perlmutter


def test_time_grows_with_the_attempt_up_to_the_queues_limit() -> None:
    site = shipped("polaris")
    assert [site.prepare(attempt)["runtime"] for attempt in (1, 2)] == [60, 60]  # debug
    assert [site.train(4, attempt)["runtime"] for attempt in (1, 2, 3, 30)] == [180, 360, 540, 4320]
    assert [site.train(40, attempt)["runtime"] for attempt in (1, 2)] == [180, 360]  # 10 nodes: preemptable
    assert [site.train(44, attempt)["runtime"] for attempt in (1, 2)] == [180, 180]  # 11 nodes: prod


def test_time_grows_without_a_limit_or_up_to_what_the_batch_system_knows() -> None:
    site = shipped("slurm")
    assert [site.train(4, attempt)["runtime"] for attempt in (1, 2, 3)] == [720, 1440, 2160]
    assert [site.prepare(attempt)["runtime"] for attempt in (1, 2, 3)] == [120, 240, 360]
    asked: list[str | None] = []
    site = replace(shipped("slurm", queue="short"), longest=lambda queue: asked.append(queue) or 1000.5)
    assert [site.train(4, attempt)["runtime"] for attempt in (1, 2, 3)] == [720, 1000, 1000]
    assert asked == ["short", "short"]  # nobody is asked for the first attempt, nor in a dry run


def test_frontier_asks_for_the_share_of_its_memory() -> None:
    site = shipped("frontier", account="proj")
    assert [site.train(workers, 1)["mem_mb"] for workers in (1, 8, 16)] == [64000, 512000, 512000]


def test_a_key_of_the_command_line_is_to_be_mended_there() -> None:
    site = replace(shipped("polaris", queue="debgu"), said={"queue": "debgu"})
    with pytest.raises(InputError, match=r"^--config: site.queue: unknown \"debgu\""):
        check_runs(site, [run_of(4)])
    assert site.where("account") == "profiles/polaris/site.yaml"


@pytest.mark.parametrize(
    "changes, workers, line",
    [
        (
            {"queue": "debug"}, 12,
            "site.queue: 'debug' takes 1 to 2, not 3 compute nodes (run d/dcrnn/{folder}); use preemptable"
            " or capacity or debug-scaling",
        ),
        (
            {"queue": "prod"}, 4,
            "site.queue: 'prod' takes 10 to 496, not 1 compute node (run d/dcrnn/{folder}); use debug"
            " or preemptable or capacity or debug-scaling",
        ),
        (
            {}, 4000,
            "site.queue: 'preemptable' takes 1 to 10, 'prod' takes 10 to 496, not 1000 compute nodes"
            " (run d/dcrnn/{folder}); declare fewer workers",
        ),
        ({"queue": "debgu"}, 4, "site.queue: unknown \"debgu\" (run d/dcrnn/{folder}); did you mean 'debug'?"),
        (
            {"queue": "debug", "runtime": 90}, 4,
            "site.runtime: 90 minutes, but 'debug' takes 60 for a job of 1 compute node; lower runtime or use"
            " another queue; a training job that runs out of it resumes",
        ),
    ],
)  # fmt: skip
def test_a_run_that_no_queue_takes_is_one_line(changes: dict[str, Any], workers: int, line: str) -> None:
    site, run = shipped("polaris", **changes), run_of(workers)
    with pytest.raises(InputError) as error:
        check_runs(site, [run])
    assert str(error.value) == "profiles/polaris/site.yaml: " + line.format(folder=run.folder)


def test_an_account_that_nobody_filled_in_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^profiles/polaris/site.yaml: site.account: not filled in; write"):
        require_account(shipped("polaris"))
    require_account(shipped("polaris", account="proj"))
    require_account(shipped("slurm"))  # needs none


def test_more_threads_than_cpus_is_one_line() -> None:
    with pytest.raises(InputError, match=r"4 workers of 8 threads are more than 16 CPUs"):
        check_site(shipped("polaris", cpus_per_node=16))


def test_variables_of_the_site_are_filled_in_where_the_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/here")
    site = shipped("slurm", environment={"LIBRARIES": "/x:$WHERE", "COUNT": 1}, setup=["module load conda"])
    assert site.environment() == {"LIBRARIES": "/x:/here", "COUNT": "1"}
    monkeypatch.delenv("WHERE")
    assert site.environment()["LIBRARIES"] == "/x"
    assert shipped("slurm", environment={"A": "${WHERE}b$$"}).environment() == {"A": "b$$"}
    assert site.setup("/my bin") == "set +u; module load conda; PATH='/my bin':$PATH; set -u"
    assert shipped("slurm").setup("/bin") == ""
