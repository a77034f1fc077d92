"""A store is written whole or not at all: in a hidden folder that is renamed into place, its manifest last."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zarr

from stgnn.files import locked
from stgnn.store.manifest import manifest_path, write_manifest


def write_whole(path: Path, write_arrays: Callable[[Path], dict[str, str]]) -> None:
    """Write the store `path` by `write_arrays(folder)`, then its manifest beside it.

    `write_arrays` returns the SHA-256 of files that it hashed on the way, by path in the folder. Where it fails,
    nothing is left behind, and an old store stays as it was.
    """
    with locked(path.with_name(f".{path.name}.lock"), "writes this store"):
        for leftover in path.parent.glob(f".{path.name}.*.partial"):  # of an ingest that was killed
            shutil.rmtree(leftover)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        try:
            partial.chmod(0o755)
            checksums = write_arrays(partial)
            _move_into_place(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        write_manifest(path, _describe_arrays(path), checksums)


def _move_into_place(partial: Path, path: Path) -> None:
    """Replace the store at `path`. Its old manifest goes first: an old one must not vouch for a new store."""
    manifest_path(path).unlink(missing_ok=True)
    if path.exists():
        shutil.rmtree(path)
    partial.rename(path)


def _describe_arrays(path: Path) -> dict[str, Any]:
    group = zarr.open_group(path, mode="r")
    return {name: {"shape": list(a.shape), "dtype": str(a.dtype)} for name, a in sorted(group.arrays())}
