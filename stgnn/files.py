"""Whole-or-nothing file writes, checksums and locks, shared by every stage that leaves files behind."""

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

log = logging.getLogger(__name__)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; rename it over `path` when the block ends without error.

    A reader, or a rerun after a kill, sees the old file or the new one, never a part of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        # mkstemp makes files private to the user; give what open() would have given.
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield the path of a folder to be made beside `path`; rename it over `path` when the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_partials(folder: Path) -> None:
    """Delete what writers that were killed left in `folder`. Only under its lock: a living one's look the same."""
    for path in folder.glob(".*.partial"):
        if path.is_file():
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, task: str) -> Iterator[None]:
    """Hold the lock file `path`; wait first if another process has it, an orphan of a killed workflow, say.

    The lock goes with the process that holds it, however that dies; the file goes with the block.
    `task` says in the log what the other process does. Where the file system knows no locks, it goes
    on without one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _acquire(path, task)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: whoever waits for it looks again
        file.close()


def _acquire(path: Path, task: str) -> TextIO:
    while True:
        file = path.open("a", encoding="utf-8")
        try:
            _flock(file, path, task)
        except OSError:
            log.info("%s: this file system knows no locks; two processes would not notice each other", path)
            return file
        if _is_still(path, file):
            return file
        file.close()  # the holder before us removed it: what we locked is no longer the lock


def _flock(file: TextIO, path: Path, task: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("another process %s: waiting for it to end (%s)", task, path)
        fcntl.flock(file, fcntl.LOCK_EX)


def _is_still(path: Path, file: TextIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
