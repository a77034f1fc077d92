import os

import pytest

from stgnn.distributed.allocation import Allocation, find_allocation, node_number
from stgnn.errors import InputError


@pytest.fixture
def tools(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake programs of the batch system's fixture come first on the PATH."""
    environment = request.getfixturevalue(request.param)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("tools", ["slurm"], indirect=True)
@pytest.mark.usefixtures("tools")
def test_a_slurm_job_is_known_by_its_id_alone():
    found = find_allocation({"SLURM_JOB_ID": "17"})
    assert found == Allocation("slurm", ("n1", "n2"), ("vm", "vm"), "17")
    assert found.is_one_machine, "two virtual nodes of one host"
    command = found.on_every_node(["agent", "job.json"])
    assert command[0].endswith("/srun") and command[-2:] == ["agent", "job.json"]
    for wanted in ("--jobid=17", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--kill-on-bad-exit=1"):
        assert wanted in command


@pytest.mark.parametrize("tools", ["slurm"], indirect=True)
@pytest.mark.usefixtures("tools")
def test_a_slurm_job_that_is_over_is_an_input_error():
    with pytest.raises(InputError, match="squeue failed: no reason given"):
        find_allocation({"SLURM_JOB_ID": "18"})


def test_a_batch_job_without_its_tools_says_which_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="looks like a batch job, but there is no squeue"):
        find_allocation({"SLURM_JOB_ID": "17"})
    with pytest.raises(InputError, match="no mpiexec"):
        Allocation("pbs", ("p1", "p2"), ("p1", "p2")).on_every_node(["agent"])


@pytest.mark.parametrize("tools", ["pbs"], indirect=True)
@pytest.mark.usefixtures("tools")
def test_a_pbs_job_has_the_hosts_of_its_node_file_each_once():
    found = find_allocation(os.environ)
    assert found == Allocation("pbs", ("p1", "p2"), ("p1", "p2"), "9.server")
    command = found.on_every_node(["agent"])
    assert command[0].endswith("/mpiexec") and command[1:] == ["-n", "2", "--ppn", "1", "agent"]


def test_open_mpi_is_asked_in_its_own_words(monkeypatch, tmp_path):
    (tmp_path / "mpiexec").write_text("#!/bin/sh\necho 'mpiexec (OpenRTE) 4.1.4'\n")
    (tmp_path / "mpiexec").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    command = Allocation("pbs", ("p1", "p2"), ("p1", "p2")).on_every_node(["agent"])
    assert command[1:] == ["-n", "2", "--map-by", "ppr:1:node", "--bind-to", "none", "agent"]


def test_pals_is_told_not_to_bind_agents_to_cores(monkeypatch, tmp_path):
    programs = tmp_path / "pals" / "1.2" / "bin"
    programs.mkdir(parents=True)
    (programs / "mpiexec").write_text("#!/bin/sh\necho 'mpiexec version 1.2.12'\n")
    (programs / "mpiexec").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    command = Allocation("pbs", ("p1", "p2"), ("p1", "p2")).on_every_node(["agent"])
    assert command[1:] == ["-n", "2", "--ppn", "1", "--cpu-bind", "none", "agent"]


@pytest.mark.parametrize("text", [None, "\n"])
def test_a_node_file_that_names_no_node_is_an_input_error(tmp_path, text):
    file = tmp_path / "nodefile"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match="PBS_NODEFILE"):
        find_allocation({"PBS_NODEFILE": str(file)})


def test_elsewhere_a_job_has_this_machine_and_needs_no_starter():
    found = find_allocation({})
    assert found.kind == "local" and len(found.nodes) == 1 and found.is_one_machine
    assert found.on_every_node(["agent"]) == ["agent"]
    assert found.address(None) == "127.0.0.1"


def test_workers_must_spread_evenly_over_compute_nodes():
    three = Allocation("slurm", ("a", "b", "c"), ("a", "b", "c"), "17")
    three.check_workers(6)
    with pytest.raises(InputError) as error:
        three.check_workers(4)
    assert str(error.value) == (
        "workers: 4 do not spread evenly over the 3 compute nodes of slurm job 17; "
        "allocate one of 1, 2, 4 compute nodes"
    )


@pytest.mark.parametrize(
    "kind, environment, number",
    [
        ("slurm", {"SLURM_NODEID": "3", "PMI_RANK": "9"}, 3),
        ("pbs", {"PMI_RANK": "2"}, 2),
        ("pbs", {"OMPI_COMM_WORLD_RANK": "1"}, 1),
        ("pbs", {}, 0),
        ("local", {"PMI_RANK": "2"}, 0),
    ],
)
def test_an_agent_learns_its_compute_node_from_its_starter(kind, environment, number):
    assert node_number(kind, environment) == number
