"""Rows of numbers from a binary stream, a block at a time: what HDF5, .npy and pickled matrices have in common.

Axes: R rows of a block; the other axes are the caller's.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError

BLOCK_BYTES = 4 << 20  # of float32 in a block that a reader yields
PIECE_BYTES = 1 << 20  # of raw bytes cast at a time: they stay in the cache between read and cast


class Stream(Protocol):
    """A binary file, or anything else that fills a buffer; `readinto` returns 0 at its end."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill `buffer` from its start and return the number of bytes written."""
        ...


def rows_per_block(row_size: int) -> int:
    """Return how many rows of `row_size` numbers make a block of about `BLOCK_BYTES`, at least one."""
    return max(1, BLOCK_BYTES // (4 * max(1, row_size)))


def stream_blocks(
    stream: Stream,
    path: Path,
    key: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    rows: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Yield an array of `shape`, stored row by row as `dtype`, as float32 blocks `[R, *shape[1:]]`.

    A stream that ends early is an `InputError` that names the row.
    """
    row_shape = shape[1:]
    rows = rows or rows_per_block(math.prod(row_shape))
    piece = max(1, min(rows, PIECE_BYTES // max(1, math.prod(row_shape) * dtype.itemsize)))
    source = np.empty((piece, *row_shape), dtype)
    for start in range(0, shape[0], rows):
        block = np.empty((min(rows, shape[0] - start), *row_shape), np.float32)
        for first in range(0, len(block), piece):
            part = source[: len(block) - first]
            _fill(stream, part, path, f"{key}: row {start + first}")
            with np.errstate(over="ignore", invalid="ignore"):
                block[first : first + piece] = part
        yield block


def _fill(stream: Stream, part: NDArray[Any], path: Path, where: str) -> None:
    view = memoryview(part.reshape(-1).view(np.uint8).data)
    while view:
        count = stream.readinto(view)
        if not count:
            raise InputError(
                path,
                f"{where}: the data end here, {len(view)} bytes early",
                "remove the file and retrieve it again",
            )
        view = view[count:]


def real_number(dtype: np.dtype[Any]) -> bool:
    """Whether `dtype` is a plain integer or floating-point type."""
    return dtype.kind in "iuf" and dtype.itemsize <= 8 and dtype.names is None and dtype.shape == ()
