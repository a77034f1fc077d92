import os
from pathlib import Path

import pytest

from stgnn.distributed.pinning import available_cores, cores_beside_gpus, cores_of_ranks, pin, unbind


def test_ranks_get_even_contiguous_shares():
    assert cores_of_ranks(3, [], range(8)) == [[0, 1], [2, 3, 4], [5, 6, 7]]


def test_a_rank_never_gets_a_core_that_the_process_may_not_use():
    assert cores_of_ranks(2, [], [4, 5, 9, 11]) == [[4, 5], [9, 11]]


def test_fewer_cores_than_ranks_are_left_to_the_kernel():
    assert cores_of_ranks(3, [], range(2)) is None


def test_hardware_threads_of_one_core_stay_together(tmp_path: Path):
    for core in range(8):  # two threads a core, numbered as Linux does: 0-3, then 4-7 their siblings
        topology = tmp_path / f"sys/devices/system/cpu/cpu{core}/topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text("0\n")
        (topology / "core_id").write_text(f"{core % 4}\n")
    assert cores_of_ranks(2, [], range(8), tmp_path) == [[0, 4, 1, 5], [2, 6, 3, 7]]


def test_each_rank_gets_cores_beside_its_gpu_shared_among_those_of_one_socket():
    low, high = set(range(4)), set(range(4, 8))
    assert cores_of_ranks(4, [high, high, low, low], range(8)) == [[4, 5], [6, 7], [0, 1], [2, 3]]


def test_a_gpu_beside_none_of_the_allowed_cores_means_even_shares():
    assert cores_of_ranks(2, [{0, 1}, {8, 9}], range(4)) == [[0, 1], [2, 3]]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_process_that_was_bound_gets_all_cores_of_its_job_back():
    before = available_cores()
    try:
        pin([min(before)])
        assert unbind() >= len(before) - 1
        assert available_cores() >= before
    finally:
        pin(before)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Two NVIDIA GPUs, a network card and a board's own display, as /sys shows them."""
    devices = {
        "0000:01:00.0": ("0x10de", "0x030200", "0-1"),
        "0000:02:00.0": ("0x15b3", "0x020000", "0-1"),
        "0000:03:00.0": ("0x1a03", "0x030000", "0-3"),
        "0000:41:00.0": ("0x10de", "0x030200", "2-3,6"),
    }
    for address, facts in devices.items():
        folder = tmp_path / "sys/bus/pci/devices" / address
        folder.mkdir(parents=True)
        for name, fact in zip(("vendor", "class", "local_cpulist"), facts, strict=True):
            (folder / name).write_text(fact + "\n")
    return tmp_path


def test_gpus_are_found_among_pci_devices(machine: Path):
    assert cores_beside_gpus({}, machine) == [{0, 1}, {2, 3, 6}]


def test_visible_devices_count_from_the_first_that_is_listed(machine: Path):
    assert cores_beside_gpus({"CUDA_VISIBLE_DEVICES": "1"}, machine) == [{2, 3, 6}]
    assert cores_beside_gpus({"CUDA_VISIBLE_DEVICES": "GPU-5d4c"}, machine) == []
    assert cores_beside_gpus({"CUDA_VISIBLE_DEVICES": ""}, machine) == []


def test_a_container_has_only_the_gpus_that_its_driver_lists(machine: Path):
    (machine / "proc/driver/nvidia/gpus/0000:41:00.0").mkdir(parents=True)
    assert cores_beside_gpus({}, machine) == [{2, 3, 6}]
