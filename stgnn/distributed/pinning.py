"""Which cores each rank of a compute node gets: those beside its GPU, or its even share of all.

A rank that stays on its own cores keeps its caches and, since memory is placed where it is first
touched, its part of the memory; ranks of one machine then do not get into each other's way.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path("/")
_GPU_VENDORS = {"0x10de", "0x1002"}  # NVIDIA, AMD
_GPU_CLASSES = ("0x0300", "0x0302", "0x0380", "0x1200")  # VGA, 3D, other display, accelerator
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def cores_of_ranks(
    ranks: int, gpus: Sequence[set[int]], allowed: Iterable[int], root: Path = ROOT
) -> list[list[int]] | None:
    """The cores of each rank of this compute node; None, which means no pinning, with fewer cores than ranks.

    `gpus` are the cores beside each GPU in use: local rank r gets its share of those beside GPU r, evenly
    with the ranks whose GPUs hang on the same ones. Without a GPU for each rank the ranks get even,
    contiguous shares of the `allowed` cores.
    """
    cores = sorted(allowed, key=lambda core: _place(core, root))
    if len(cores) < ranks:
        return None
    if len(gpus) >= ranks:
        beside = [[core for core in cores if core in gpus[rank]] for rank in range(ranks)]
        shared = [_share_among(beside, rank) for rank in range(ranks)]
        if all(shared):
            return shared
    return [_share(cores, rank, ranks) for rank in range(ranks)]


def _share_among(beside: Sequence[list[int]], rank: int) -> list[int]:
    same = [other for other, cores in enumerate(beside) if cores == beside[rank]]
    return _share(beside[rank], same.index(rank), len(same))


def _share(cores: list[int], part: int, parts: int) -> list[int]:
    """Part number `part` of `cores` cut into runs whose lengths differ by one at most."""
    return cores[len(cores) * part // parts : len(cores) * (part + 1) // parts]


def _place(core: int, root: Path) -> tuple[int, int, int]:
    """Order by socket, then physical core: the hardware threads of one core are neighbours."""
    topology = root / f"sys/devices/system/cpu/cpu{core}/topology"
    try:
        package, physical = (int(_read(topology / name)) for name in ("physical_package_id", "core_id"))
    except ValueError:  # not Linux, or a container that hides it
        return 0, core, core
    return package, physical, core


def cores_beside_gpus(environment: Mapping[str, str] = os.environ, root: Path = ROOT) -> list[set[int]]:
    """The cores beside each GPU that a process here may use, in CUDA's order by PCI address.

    Empty where that cannot be told: no GPU, or one made visible by something other than its number.
    """
    found = _gpus(root)
    listed = next((environment[name] for name in _VISIBLE if name in environment), None)
    if listed is None:
        return found
    numbers = [part.strip() for part in listed.split(",")]
    if not all(number.isdecimal() and int(number) < len(found) for number in numbers):
        return []
    return [found[int(number)] for number in numbers]


def _gpus(root: Path) -> list[set[int]]:
    devices = sorted((root / "sys/bus/pci/devices").glob("*"))
    driver = root / "proc/driver/nvidia/gpus"  # in a container only those that it was given
    given = {entry.name for entry in driver.glob("*")} if driver.is_dir() else None
    return [
        _parse_cores(_read(device / "local_cpulist"))
        for device in devices
        if _is_gpu(device) and (given is None or device.name in given)
    ]


def _is_gpu(device: Path) -> bool:
    return _read(device / "vendor") in _GPU_VENDORS and _read(device / "class").startswith(_GPU_CLASSES)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _parse_cores(text: str) -> set[int]:
    """`0-3,8` -> {0, 1, 2, 3, 8}."""
    ends = [part.split("-") for part in text.split(",") if part]
    return {core for first, *last in ends for core in range(int(first), int(last[0] if last else first) + 1)}


def available_cores() -> set[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def unbind() -> int:
    """Let this process run on all cores that its job has; return how many of them it was kept off."""
    before = available_cores()
    pin(range(os.cpu_count() or 1))  # the kernel leaves out what belongs to other jobs
    return len(available_cores() - before)


def pin(cores: Iterable[int]) -> None:
    """Keep this process, and all threads that it starts from now on, on `cores`."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
