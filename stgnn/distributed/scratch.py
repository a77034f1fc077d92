"""Where workers put temporary files: a folder on the compute node's own disk."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stgnn.errors import InputError

TEMPORARY = "TMPDIR"  # in which Python, Dask, torch and most else look


@contextmanager
def scratch_folder(scratch: str | None, run: str, node: int, host: str) -> Iterator[Path]:
    """A folder of this run's in `scratch` on compute node number `node`; empty at first, gone at last.

    Its name is the run's: what an attempt left that was killed, the next one clears away.

    Raises:
        InputError: there is no such place on `host`.
    """
    digest = hashlib.sha256(run.encode()).hexdigest()[:8]
    folder = _parent(scratch, host) / f"stgnn-{digest}-{node}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise _unusable(folder.parent, host, error) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_files_in(scratch: str) -> Iterator[None]:
    """This process's temporary files go to a folder of its own in `scratch`, which goes with the block.

    Raises:
        InputError: there is no such place here.
    """
    here = os.uname().nodename
    parent, before = _parent(scratch, here), os.environ.get(TEMPORARY)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix="stgnn-", dir=parent)
    except OSError as error:
        raise _unusable(parent, here, error) from None
    os.environ[TEMPORARY], tempfile.tempdir = folder, None  # None: Python looks anew
    try:
        yield
    finally:
        tempfile.tempdir = None
        os.environ.pop(TEMPORARY)
        os.environ.update({} if before is None else {TEMPORARY: before})
        shutil.rmtree(folder, ignore_errors=True)


def _parent(scratch: str | None, host: str) -> Path:
    if scratch is None:
        return Path(tempfile.gettempdir())
    place = os.path.expandvars(scratch)
    if "$" in place:
        problem = f"is {place} on compute node {host}, which does not set that variable"
        raise InputError(f"--scratch {scratch}", problem, "name a folder, or a variable that it sets")
    return Path(place)


def _unusable(place: Path, host: str, error: OSError) -> InputError:
    problem = f"cannot be used on compute node {host} ({error.strerror})"
    return InputError(
        f"--scratch {place}", problem, "name a folder that can be written on every compute node"
    )
