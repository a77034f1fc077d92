"""Files and members of zip archives, opened alike. What is in them is the readers' business."""

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from stgnn.errors import InputError

# What zipfile raises for damaged, cut, encrypted or exotic archives; the system errors are those of impossible places.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError, OSError, KeyError,
    struct.error, UnicodeDecodeError, OverflowError,
)  # fmt: skip


@contextmanager
def opened(path: Path, member: str | None = None) -> Iterator[io.BufferedIOBase]:
    """Yield the bytes of a file, or of the `member` of the zip archive `path`; `InputError` where that is damaged."""
    if member is None:
        with path.open("rb") as file:
            yield file
        return
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
            yield cast(io.BufferedIOBase, stream)
    except _BROKEN as error:
        raise InputError(path, f"{member}: the archive is damaged ({error})", "retrieve it again") from error


def members(path: Path) -> list[str]:
    """Return the names of an archive's files; macOS' resource forks do not count."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except _BROKEN as error:
        raise InputError(
            path, f"not a zip archive ({error})", "remove the file and retrieve it again"
        ) from error
    return [name for name in names if not Path(name).name.startswith("._")]


def the_member(path: Path, ending: str, option: str) -> str:
    """Return the full name of the archive's one member that ends in `ending`, which the dataset's `option` gives."""
    names = members(path)
    found = [name for name in names if name == ending] or [name for name in names if name.endswith(ending)]
    if len(found) != 1:
        problem = f"{len(found)} members end in {ending!r} (members: {', '.join(names[:8])})"
        todo = f"say in the dataset's `options:` which is the one, as `{option}: <end of its name>`"
        raise InputError(path, problem, todo)
    return found[0]


def size_of(path: Path, member: str | None = None) -> int:
    """Return the number of bytes that `opened` yields."""
    if member is None:
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return archive.getinfo(member).file_size
