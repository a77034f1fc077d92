"""Arrays of a store on disk while it is written: rows appended or filled in place, then sealed as Zarr arrays.

What is appended or mapped lies in the page cache, not in private memory, so arrays may be longer than memory allows.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import DTypeLike, NDArray

from stgnn.store.layout import Layout, one_shard
from stgnn.store.rows import create_rows, shard_file
from stgnn.store.temporal_csr import Shape

BLOCK_BYTES = 2**23  # of rows that are moved together


class RowFile:
    """Rows of one dtype and shape in a file that holds nothing else until it is sealed."""

    def __init__(self, file: Path, dtype: DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file, self.row_shape = file, row_shape
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.row_bytes = self.dtype.itemsize * int(np.prod(row_shape, dtype=np.int64))
        self.num_rows = 0
        file.touch()

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end."""
        if rows.shape[1:] != self.row_shape:
            raise TypeError(f"rows of shape {rows.shape[1:]}, expected {self.row_shape}")
        with self.file.open("ab") as out:
            out.write(np.ascontiguousarray(rows, dtype=self.dtype).data)
        self.num_rows += len(rows)

    def resize(self, num_rows: int) -> None:
        """Make room for so many rows; new ones are zeros."""
        os.truncate(self.file, num_rows * self.row_bytes)
        self.num_rows = num_rows

    def map(self) -> NDArray[Any]:
        """The rows, to be read and written in place."""
        shape = (self.num_rows, *self.row_shape)
        if not self.num_rows:
            return np.empty(shape, self.dtype)
        return np.asarray(np.memmap(self.file, dtype=self.dtype, mode="r+", shape=shape))

    def take_over(self, other: "RowFile") -> None:
        """Become another file of the same kind of rows, which is then gone."""
        other.file.replace(self.file)
        self.num_rows = other.num_rows

    def blocks(self) -> Iterator[slice]:
        """Consecutive rows worth about `BLOCK_BYTES`."""
        step = max(1, BLOCK_BYTES // max(self.row_bytes, 1))
        return (slice(first, min(first + step, self.num_rows)) for first in range(0, self.num_rows, step))

    def seal(self, layout: Layout) -> None:
        """Pad the last chunk and add the shard's index: what Zarr wants behind the rows."""
        os.truncate(self.file, layout.payload_bytes(0))
        with self.file.open("ab") as out:
            out.write(layout.shard_index(0))


class StoreArrays:
    """The arrays of a store in the folder where it is written: one file of rows each, named dimensions."""

    def __init__(self, folder: Path, dimensions: dict[str, tuple[str, ...]]) -> None:
        self._folder, self._dimensions = folder, dimensions
        self._files: dict[str, RowFile] = {}

    def new(self, name: str, dtype: DTypeLike, row_shape: tuple[int, ...] = ()) -> RowFile:
        """An array without rows yet."""
        file = shard_file(self._folder / name, 0, 1 + len(row_shape))
        self._files[name] = RowFile(file, dtype, row_shape)
        return self._files[name]

    def allocate(self, name: str, shape: Shape, dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros, to be filled in place."""
        num_rows, *row_shape = (shape,) if isinstance(shape, int) else shape
        rows = self.new(name, dtype, tuple(row_shape))
        rows.resize(num_rows)
        return rows.map()

    def map(self, name: str) -> NDArray[Any]:
        """The rows of an array."""
        return self._files[name].map()

    def seal(self, group: zarr.Group) -> None:
        """Make Zarr arrays of them all; arrays along one dimension are cut alike."""
        widest: dict[str, int] = defaultdict(int)
        for name, rows in self._files.items():
            along = self._dimensions[name][0]
            widest[along] = max(widest[along], rows.row_bytes)
        for name, rows in self._files.items():
            dimensions = self._dimensions[name]
            layout = one_shard(rows.num_rows, rows.row_bytes, widest[dimensions[0]])
            rows.seal(layout)
            create_rows(group, name, rows.row_shape, layout, rows.dtype, dimensions=dimensions, fill_value=0)


class Scratch:
    """Mapped arrays that are gone with the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, count()

    def new(self, dtype: DTypeLike, row_shape: tuple[int, ...] = ()) -> RowFile:
        """Rows to be appended."""
        return RowFile(self._folder / str(next(self._number)), dtype, row_shape)

    def allocate(self, name: str, shape: Shape, dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros, to be filled in place."""
        num_rows, *row_shape = (shape,) if isinstance(shape, int) else shape
        rows = RowFile(self._folder / f"{next(self._number)}-{name}", dtype, tuple(row_shape))
        rows.resize(num_rows)
        return rows.map()
