"""NumPy `.npy` arrays, plain or inside a zip archive, streamed a block of rows at a time.

Pickled objects in an array are refused: nothing here unpickles. What an array means is the readers' business.

Axes: R rows of a block; the other axes are the caller's.
"""

import io
import math
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.archive import opened, size_of
from stgnn.raw.rows import real_number, stream_blocks


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
        with opened(self.path, self.member) as stream:
            _header(stream, self.path, self.name)
            yield from stream_blocks(stream, self.path, self.name, self.dtype, shape)


def npy_array(path: Path, member: str | None = None) -> NpyArray:
    """Return the array in a `.npy` file, or in the `member` of the zip archive `path`."""
    name = member or "array"
    with opened(path, member) as stream:
        shape, fortran, dtype = _header(stream, path, name)
        header = stream.tell()
    if not real_number(dtype):
        raise InputError(path, f"{name}: items of type {dtype}", "expected integers or floats")
    expected = header + math.prod(shape) * dtype.itemsize
    found = size_of(path, member)
    if found != expected or min(shape, default=0) < 0:
        raise InputError(
            path,
            f"{name}: {found} bytes, but shape {shape} needs {expected}",
            "retrieve the file again",
        )
    return NpyArray(path, member, shape, dtype, fortran)


def _header(stream: io.BufferedIOBase, path: Path, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
            version
        ]
        return read(stream)
    except (ValueError, KeyError, SyntaxError, tokenize.TokenError) as error:
        raise InputError(path, f"{name}: not a .npy array ({error})", "retrieve the file again") from error
