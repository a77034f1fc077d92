"""Whether bytes are the raw file that the catalogue declares: size, checksum, and what its format shows.

Nothing here opens a connection or writes.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from stgnn.errors import InputError
from stgnn.files import sha256_of

if TYPE_CHECKING:
    from stgnn.catalog import Dataset, RawFile

_STARTS = {
    ".h5": b"\x89HDF\r\n\x1a\n",
    ".hdf5": b"\x89HDF\r\n\x1a\n",
    ".zip": b"PK",
    ".npy": b"\x93NUMPY",
}
_TAIL = 64  # bytes: enough to find the last one that is not blank


def web_page(head: bytes, content_type: str = "") -> str | None:
    """Return what is wrong when `head`, the first bytes of an answer, is a web page in place of data.

    No format of the catalogue begins with `<`; error pages, login forms and storage services' XML errors do.
    """
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "is a web page (HTML or XML), not data"
    if content_type.split(";")[0].strip().lower() in ("text/html", "application/xhtml+xml"):
        return "is declared a web page (text/html), not data"
    return None


def is_right(path: Path, raw: RawFile) -> bool:
    """Whether `path` exists and is the file declared, as far as the catalogue lets one know."""
    if not path.is_file() or raw.size not in (None, path.stat().st_size):
        return False
    if raw.sha256:
        return sha256_of(path) == raw.sha256
    return format_problem(path, raw.name) is None


def content_problem(path: Path, raw: RawFile, sha256: str) -> str | None:
    """Return what is wrong with the bytes at `path`, whose checksum is `sha256`; None when nothing is."""
    size = path.stat().st_size
    if raw.sha256 and sha256 != raw.sha256:
        page = web_page(_head(path))
        return page or f"has sha256 {sha256[:12]}... ({size} bytes), expected {raw.sha256[:12]}..."
    if raw.size not in (None, size):
        return f"has {size} bytes, expected {raw.size}"
    return None if raw.sha256 else format_problem(path, raw.name)


def checked_sha256(dataset: Dataset, folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each of the dataset's files in `folder`; one that is not there is left out.

    Raises `InputError` at the first whose size or checksum is not the catalogue's: a person may have put it there.
    """
    found = {}
    for raw in dataset.files:
        path = folder / raw.name
        if not path.is_file():
            continue
        found[raw.name] = sha256_of(path)
        declared = raw.sha256 is not None or raw.size is not None
        if declared and (problem := content_problem(path, raw, found[raw.name])):
            todo = (
                f"put the published file of {dataset.name} there, or declare this one as a dataset of its own"
            )
            raise InputError(path, problem, todo)
    return found


def format_problem(path: Path, name: str) -> str | None:
    """Return what shows, without a checksum, that `path` is no whole file of the format of `name`."""
    suffix = Path(name).suffix.lower()
    head, tail = _head(path), _tail(path)
    if not head:
        return "is empty"
    if page := web_page(head):
        return page
    if not head.startswith(_STARTS.get(suffix, b"")):
        return f"does not begin as a {suffix} file does"
    if suffix == ".zip" and not zipfile.is_zipfile(path):
        return "is cut off: a zip archive without its directory"
    if suffix == ".json" and (
        head.lstrip()[:1] not in (b"{", b"[") or tail.rstrip()[-1:] not in (b"}", b"]")
    ):
        return "is not whole JSON: it does not begin and end with a bracket"
    if suffix in (".pkl", ".pickle") and not tail.endswith(b"."):
        return "is cut off: a pickle without its last byte"
    if suffix in (".csv", ".txt") and b"\0" in head:
        return "is binary, not text"
    return None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read()
