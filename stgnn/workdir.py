"""The working directory of a study: who uses it now, and what a killed Snakemake left behind in it.

Snakemake notes under `.snakemake/` what a run is about to write: `locks/` keeps a second Snakemake off the same
files, `incomplete/` distrusts what an unfinished job wrote. After `kill -9` of Snakemake itself both stay, and
the same command would be refused until a person clears them. They need not: a claim tells a dead owner from a
living one, and every stage of ours writes its files whole or not at all, a store's manifest last.
"""

import fcntl
import shutil
import socket
from pathlib import Path
from typing import TextIO


def claim(folder: Path = Path(".snakemake")) -> TextIO | None:
    """Share the working directory; clear what a dead Snakemake left if nobody else uses it.

    The claim holds until the returned file is closed, at the latest when the process dies, however it dies. What
    was left by another machine is not touched, since a file system may keep locks to one machine. Returns None
    where the folder cannot be written or its file system knows no locks; Snakemake's own rules then apply.
    """
    try:
        folder.mkdir(exist_ok=True)
        owner = (folder / "stgnn.claim").open("a+", encoding="utf-8")
    except OSError:
        return None
    try:
        if _is_alone(owner):
            _clear(folder, owner)
        fcntl.flock(owner, fcntl.LOCK_SH)
    except OSError:
        owner.close()
        return None
    return owner


def _is_alone(owner: TextIO) -> bool:
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clear(folder: Path, owner: TextIO) -> None:
    owner.seek(0)
    left = [path for kind in ("locks", "incomplete") for path in (folder / kind).glob("*")]
    if left and owner.read() not in ("", socket.gethostname()):
        return
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    owner.truncate(0)
    owner.write(socket.gethostname())
    owner.flush()
