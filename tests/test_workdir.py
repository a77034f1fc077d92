"""Only a Snakemake that is alone clears what another left behind, and only when that one is dead."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from stgnn.workdir import claim


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A `.snakemake` folder with a lock and a mark of an unfinished file."""
    for name in ("locks/0.output.lock", "incomplete/YQ==", "incomplete/@long/rest", "metadata/kept"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.fixture
def other(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds a claim."""
    code = (
        "import pathlib, stgnn.workdir; "
        f"held = stgnn.workdir.claim(pathlib.Path({str(folder)!r})); print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        for left in ("locks/0.output.lock", "incomplete/YQ=="):
            (folder / left).write_text("the other's")
        yield process
        process.kill()


def held(folder: Path) -> TextIO:
    """A claim of this process; ends with its `with` block."""
    claimed = claim(folder)
    assert claimed is not None
    return claimed


def left_behind(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"stgnn.claim"}


def test_what_the_dead_left_is_cleared_and_nothing_else(folder: Path) -> None:
    with held(folder):
        assert left_behind(folder) == {"metadata/kept"}
    assert (folder / "locks").is_dir() and (
        folder / "incomplete"
    ).is_dir()  # Snakemake would migrate a missing one


def test_what_the_living_hold_is_not_touched(folder: Path, other: "subprocess.Popen[str]") -> None:
    with held(folder):
        assert left_behind(folder) == {"metadata/kept", "locks/0.output.lock", "incomplete/YQ=="}


def test_a_killed_owner_counts_as_dead(folder: Path, other: "subprocess.Popen[str]") -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    with held(folder):
        assert left_behind(folder) == {"metadata/kept"}


def test_a_claim_lasts_until_it_is_closed(folder: Path) -> None:
    with held(folder):
        (folder / "locks" / "mine").touch()
        with held(folder):
            assert "locks/mine" in left_behind(folder)
    with held(folder):
        assert "locks/mine" not in left_behind(folder)


def test_what_another_machine_left_is_not_touched(folder: Path) -> None:
    (folder / "stgnn.claim").write_text("another-machine")
    before = left_behind(folder)
    for _ in range(2):
        with held(folder):
            assert left_behind(folder) == before


def test_a_folder_changes_machines_once_nothing_is_left_in_it(folder: Path) -> None:
    (folder / "stgnn.claim").write_text("another-machine")
    for kind in ("locks", "incomplete"):
        shutil.rmtree(folder / kind)
    with held(folder):
        assert (folder / "stgnn.claim").read_text() == socket.gethostname()


def test_a_folder_that_cannot_be_written_is_left_to_snakemake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert claim(tmp_path / "file") is None
