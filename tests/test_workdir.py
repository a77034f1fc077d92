"""Who needs what another Snakemake writes waits for its end; what the dead left is cleared, and nothing else."""

import base64
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stgnn.workdir import Claim, claim, look

OURS, THEIRS = "stores/ours.zarr", "stores/theirs.zarr"
PLACES = ["stores/ours", "results/ours"]


def mark(file: str) -> str:
    return "incomplete/" + base64.urlsafe_b64encode(file.encode()).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A `.snakemake` folder with the locks and marks of two Snakemakes."""
    left = {"metadata/kept": ""}
    for number, file in enumerate((OURS, THEIRS)):
        left |= {f"locks/{number}.output.lock": f"{file}\nruns.csv{number}\n", mark(file): "{}"}
    left["incomplete/@" + mark(THEIRS).removeprefix("incomplete/")[:4] + "/rest"] = "{}"
    for name, text in left.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def start_other(folder: Path, *writes: str, place: str = "nowhere") -> "subprocess.Popen[str]":
    """Another process that has claimed and started, or is planning still where it writes nothing."""
    code = (
        "import pathlib, stgnn.workdir as w; "
        f"held = w.claim([{place!r}], print, pathlib.Path({str(folder)!r})); "
        f"{writes!r} and held.start({writes!r}, ()); print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    return other


def end(other: "subprocess.Popen[str]") -> None:
    other.communicate("\n")


@pytest.fixture
def other(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that writes THEIRS; it cleared the folder, which is as full again."""
    kept = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    with start_other(folder, THEIRS) as process:
        for path, text in kept.items():
            path.write_text(text)
        yield process
        process.kill()


def take(folder: Path, said: list[str] | None = None) -> Claim:
    """A claim of this process, started at once."""
    claimed = claim(PLACES, ([] if said is None else said).append, folder)
    assert claimed is not None
    claimed.start([OURS], [])
    return claimed


def left_behind(folder: Path) -> set[str]:
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {file for file in files if not file.startswith("stgnn.")} - {"metadata/kept"}


def test_what_the_dead_left_is_cleared_and_nothing_else(folder: Path) -> None:
    with take(folder).record:
        assert left_behind(folder) == set()
    assert (folder / "metadata" / "kept").exists()
    assert (folder / "locks").is_dir() and (
        folder / "incomplete"
    ).is_dir()  # Snakemake would migrate a missing one


@pytest.mark.parametrize("by", ["claim", "look"])
def test_what_the_living_hold_is_not_touched(folder: Path, other: "subprocess.Popen[str]", by: str) -> None:
    if by == "look":
        assert look(PLACES, folder) is None
    else:
        take(folder).record.close()
    assert left_behind(folder) == {"locks/1.output.lock", mark(THEIRS)}


def test_a_killed_owner_counts_as_dead(folder: Path, other: "subprocess.Popen[str]") -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    with take(folder).record:
        assert left_behind(folder) == set()


def test_who_writes_other_files_does_not_wait(folder: Path, other: "subprocess.Popen[str]") -> None:
    said: list[str] = []
    with take(folder, said).record:
        assert said == []


@pytest.mark.parametrize("file", [OURS, "stores/ours.manifest.json", "results/ours/report.html"])
def test_who_needs_a_file_that_another_writes_waits_for_its_end(folder: Path, file: str) -> None:
    with start_other(folder, file) as process:
        assert look(PLACES, folder) == file
        said: list[str] = []
        heard = threading.Event()

        def say(line: str) -> None:
            said.append(line)
            heard.set()

        ends = threading.Thread(target=lambda: heard.wait(60) and end(process))
        ends.start()
        claimed = claim(PLACES, say, folder)
        ends.join()  # before the pipe that it reads is closed
        assert process.wait() == 0
    assert claimed is not None
    claimed.turn.close()
    claimed.record.close()
    assert said == [f"Another snakemake in this folder writes {file}: waiting for it to end."]


def test_names_that_only_begin_alike_are_no_reason_to_wait(folder: Path) -> None:
    with start_other(folder, "stores/ours-too.zarr", "results/ours2/report.html") as process:
        assert look(PLACES, folder) is None
        end(process)


def test_one_plans_at_a_time(folder: Path) -> None:
    """Else two that start together would both find nobody who writes."""
    with start_other(folder) as process:
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            end(process)

        claimed = claim(PLACES, say, folder)
    assert claimed is not None
    claimed.turn.close()
    claimed.record.close()
    assert said == ["Another snakemake in this folder plans its jobs: waiting for it to start them."]


def test_what_another_machine_left_is_not_touched(folder: Path) -> None:
    (folder / "stgnn.another-machine.1.files").write_text(f"writes {OURS}\nreads raw\nwrites runs.csv1\n")
    for _ in range(2):
        with take(folder).record:
            assert left_behind(folder) == {"locks/0.output.lock", "locks/1.output.lock", mark(OURS)}


def test_a_folder_that_cannot_be_written_is_left_to_snakemake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert claim(PLACES, print, tmp_path / "file") is None
    assert look(PLACES, tmp_path / "file") is None
