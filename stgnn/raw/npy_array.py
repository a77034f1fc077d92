"""NumPy `.npy` arrays, plain or inside a zip archive, streamed a block of rows at a time.

Pickled objects in an array are refused: nothing here unpickles. What an array means is the readers' business.

Axes: R rows of a block; the other axes are the caller's.
"""

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.rows import real_number, stream_blocks

# What zipfile raises for damaged, cut, encrypted or exotic archives.
_ZIP_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class NpyArray:
    """A numeric array in a file, its header read and its size checked, its numbers not yet read."""

    path: Path
    member: str | None  # of a zip archive; None for a plain .npy file
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool  # stored column by column

    @property
    def name(self) -> str:
        """How an error names the array within its file."""
        return self.member or "array"

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the array's rows (the transposed array's where `fortran`) as float32 blocks."""
        shape = self.shape[::-1] if self.fortran else self.shape
        with _opened(self.path, self.member) as stream:
            _header(stream, self.path, self.name)
            yield from stream_blocks(stream, self.path, self.name, self.dtype, shape)


def npy_array(path: Path, member: str | None = None) -> NpyArray:
    """Return the array in a `.npy` file, or in the member of the zip archive `path` whose name ends in `member`."""
    full = None if member is None else _member(path, member)
    with _opened(path, full) as stream:
        shape, fortran, dtype = _header(stream, path, full or "array")
        header = stream.tell()
    if not real_number(dtype):
        raise InputError(path, f"{full or 'array'}: items of type {dtype}", "expected integers or floats")
    expected = header + math.prod(shape) * dtype.itemsize
    found = _size(path, full)
    if found != expected or min(shape, default=0) < 0:
        raise InputError(
            path,
            f"{full or 'array'}: {found} bytes, but shape {shape} needs {expected}",
            "retrieve the file again",
        )
    return NpyArray(path, full, shape, dtype, fortran)


def _header(stream: io.BufferedIOBase, path: Path, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
            version
        ]
        return read(stream)
    except (ValueError, KeyError, SyntaxError, tokenize.TokenError) as error:
        raise InputError(path, f"{name}: not a .npy array ({error})", "retrieve the file again") from error


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[io.BufferedIOBase]:
    if member is None:
        with path.open("rb") as file:
            yield file
        return
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
            yield cast(io.BufferedIOBase, stream)
    except _ZIP_BROKEN as error:
        raise InputError(path, f"{member}: the archive is damaged ({error})", "retrieve it again") from error


def _member(path: Path, member: str) -> str:
    """Return the full name of the archive's one member that ends in `member`; macOS' resource forks do not count."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not Path(name).name.startswith("._")]
    except _ZIP_BROKEN as error:
        raise InputError(
            path, f"not a zip archive ({error})", "remove the file and retrieve it again"
        ) from error
    found = [name for name in names if name == member] or [name for name in names if name.endswith(member)]
    if len(found) != 1:
        raise InputError(path, f"{len(found)} members end in {member!r} (members: {', '.join(names[:8])})")
    return found[0]


def _size(path: Path, member: str | None) -> int:
    if member is None:
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return archive.getinfo(member).file_size
