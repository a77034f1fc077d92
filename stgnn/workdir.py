"""The working directory of a study: who works in it now, and what a killed Snakemake left behind in it.

Snakemake notes under `.snakemake/` what a run is about to write: `locks/` keeps a second Snakemake off the same
files, `incomplete/` distrusts what an unfinished job wrote. Both outlive `kill -9` of Snakemake itself, and a second
Snakemake stumbles over what a first one is writing. So each keeps a record there of its files, locked for as long as it
lives: whoever needs what another is writing waits for its end, and what no living one holds is cleared. That does no
harm: every stage of ours writes its files whole or not at all, a store's manifest last.
"""

import atexit
import base64
import fcntl
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

FOLDER = Path(".snakemake")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Claim:
    """A Snakemake's place in the working directory; it ends with the process, however that dies."""

    turn: TextIO
    record: TextIO

    def start(self, writes: Iterable[str], reads: Iterable[str]) -> None:
        """Record which files the jobs use, and let the next Snakemake plan."""
        self.record.writelines(f"writes {file}\n" for file in writes)
        self.record.writelines(f"reads {file}\n" for file in reads)
        self.record.flush()
        self.turn.close()


@dataclass(frozen=True)
class _Other:
    """Another Snakemake's record. Whether one of another machine lives cannot be known: locks may not reach here."""

    path: Path
    writes: frozenset[str]
    reads: frozenset[str]
    is_alive: bool

    @property
    def is_dead(self) -> bool:
        return not self.is_alive and self.path.name.startswith(f"stgnn.{socket.gethostname()}.")

    def written_within(self, places: Iterable[str]) -> str | None:
        """Return the first file that it writes at one of `places`, inside it, or beside it with a suffix."""
        roots = [os.path.abspath(place) for place in places]
        for file in sorted(self.writes):
            path = os.path.abspath(file)
            if any(path == root or path.startswith((f"{root}/", f"{root}.")) for root in roots):
                return file
        return None


def claim(places: Iterable[str], say: Say, folder: Path = FOLDER) -> Claim | None:
    """Take one's place in the working directory, and clear there what the dead left.

    Waits while another Snakemake writes any of the study's files, which lie at or in `places`, and while another
    plans, that is, has not called `Claim.start`; `say` is told so. Returns None where the folder cannot be written
    or its file system knows no locks; Snakemake's own rules then apply.
    """
    places = list(places)
    try:
        folder.mkdir(exist_ok=True)
        while True:
            turn = _take_turn(folder, say)
            others = list(_others(folder))
            busy = next((other for other in others if other.is_alive and other.written_within(places)), None)
            if busy is None:
                _clear(folder, others)
                return Claim(turn, _new_record(folder))
            turn.close()
            say(
                f"Another snakemake in this folder writes {busy.written_within(places)}: waiting for it to end."
            )
            _wait_for(busy)
    except OSError:
        return None


def look(places: Iterable[str], folder: Path = FOLDER) -> str | None:
    """Clear what the dead left, for who will write nothing and waits for nobody.

    Returns one of the study's files that a living Snakemake of this working directory writes, if there is one.
    """
    try:
        with (folder / "stgnn.turn").open("a", encoding="utf-8") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            others = list(_others(folder))
            _clear(folder, others)
    except OSError:  # somebody plans, or there is no folder
        return None
    places = list(places)
    return next(filter(None, (other.written_within(places) for other in others if other.is_alive)), None)


def _take_turn(folder: Path, say: Say) -> TextIO:
    turn = (folder / "stgnn.turn").open("a", encoding="utf-8")
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another snakemake in this folder plans its jobs: waiting for it to start them.")
        fcntl.flock(turn, fcntl.LOCK_EX)
    return turn


def _wait_for(other: _Other) -> None:
    with suppress(FileNotFoundError), other.path.open(encoding="utf-8") as record:  # gone: it has ended
        fcntl.flock(record, fcntl.LOCK_SH)


def _new_record(folder: Path) -> TextIO:
    path = folder / f"stgnn.{socket.gethostname()}.{os.getpid()}.files"
    record = path.open("w", encoding="utf-8")
    fcntl.flock(record, fcntl.LOCK_EX)
    atexit.register(path.unlink, missing_ok=True)
    return record


def _others(folder: Path) -> Iterator[_Other]:
    for path in sorted(folder.glob("stgnn.*.files")):
        try:
            record = path.open(encoding="utf-8")
        except FileNotFoundError:  # it has just ended
            continue
        with record:
            is_alive = not _free(record)
            lines = record.read().splitlines()
        yield _Other(path, _recorded(lines, "writes "), _recorded(lines, "reads "), is_alive)


def _free(record: TextIO) -> bool:
    try:
        fcntl.flock(record, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _recorded(lines: Iterable[str], kind: str) -> frozenset[str]:
    return frozenset(line.removeprefix(kind) for line in lines if line.startswith(kind))


def _clear(folder: Path, others: Iterable[_Other]) -> None:
    """Remove Snakemake's locks and marks, but for those of a living one or of another machine's."""
    kept: set[str] = set()
    for other in others:
        if other.is_dead:
            other.path.unlink(missing_ok=True)
        else:
            kept |= other.writes | other.reads
    for lock in (folder / "locks").glob("*.lock"):
        if kept.isdisjoint(lock.read_text(encoding="utf-8").splitlines()):
            lock.unlink()
    for mark in (folder / "incomplete").rglob("*"):
        if mark.is_file() and _marked(mark.relative_to(folder / "incomplete")) not in kept:
            mark.unlink()


def _marked(mark: Path) -> str:
    """Return the file that a mark is for: its name in base64, cut where file systems would not take it whole."""
    name = "".join(part.removeprefix("@") for part in mark.parts)
    try:
        return base64.urlsafe_b64decode(name).decode()
    except ValueError:
        return name
