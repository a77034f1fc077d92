"""The manifest of a store: what it holds and the checksum of every file, written last.

The manifest is the commit point. A store without one is not finished; a rule that depends on a
store depends on its manifest, because nothing that watches a folder sees a change inside it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from stgnn.errors import InputError
from stgnn.files import sha256_of, write_text

VERSION = 1
IGNORED = {".snakemake_timestamp"}  # Snakemake marks folder outputs with this file


def manifest_path(store: Path) -> Path:
    """`data/stores/x.zarr` -> `data/stores/x.manifest.json`."""
    return store.with_suffix(".manifest.json")


def write_manifest(store: Path, arrays: dict[str, Any], checksums: dict[str, str]) -> None:
    """Write the manifest of a finished store.

    `checksums` holds the SHA-256 of files that the writer hashed while writing them, by path
    relative to the store; the others are hashed here.
    """
    files = {
        name: {"size": path.stat().st_size, "sha256": checksums.get(name) or sha256_of(path)}
        for name, path in sorted(_files(store).items())
    }
    content = {"version": VERSION, "arrays": arrays, "files": files}
    content["digest"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    write_text(manifest_path(store), json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_manifest(store: Path) -> dict[str, Any]:
    """Return the manifest beside `store`, or raise `InputError` if the store was never finished."""
    path = manifest_path(store)
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content["digest"], content["arrays"]
        [(file["size"], file["sha256"]) for file in content["files"].values()]
    except FileNotFoundError:
        raise InputError(
            store, f"no finished store here ({path.name} is missing)", "run `stgnn ingest` for it first"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"not a store manifest ({error})", "run `stgnn ingest` again") from None
    return content


def check_sizes(store: Path, manifest: dict[str, Any]) -> None:
    """Raise `InputError` for a file that is missing or has another size: cheap, at every opening."""
    found = _files(store)
    for name, expected in manifest["files"].items():
        if name not in found:
            raise _altered(store / name, "missing, though the manifest lists it")
        if (size := found[name].stat().st_size) != expected["size"]:
            raise _altered(store / name, f"has {size} bytes, the manifest says {expected['size']}")


def _altered(file: Path, problem: str) -> InputError:
    return InputError(file, problem, "ingest the dataset again")


def verify(store: Path) -> None:
    """Re-hash every file of the store; raise `InputError` at the first that the manifest disowns."""
    manifest = read_manifest(store)
    check_sizes(store, manifest)
    for name, path in sorted(_files(store).items()):
        if name not in manifest["files"]:
            raise _altered(path, "not listed in the manifest")
        if sha256_of(path) != manifest["files"][name]["sha256"]:
            raise _altered(path, "its checksum differs from the manifest's")


def _files(store: Path) -> dict[str, Path]:
    files = (path for path in store.rglob("*") if path.is_file() and path.name not in IGNORED)
    return {path.relative_to(store).as_posix(): path for path in files}
