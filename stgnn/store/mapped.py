"""Map a store's `signal` array: random windows at the speed of memory, without the Zarr API.

Axes: T entries, N graph nodes, F features, W entries of a window, B windows.
"""

import mmap
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stgnn.store.rows import map_shard, read_layout, shard_file, unmappable

Rows = NDArray[np.float32]
WIDE_ROW_BYTES = (
    4096  # measured: np.take 0.90 of memcpy at 10.9 kB rows, window copies 0.98; 0.79 and 0.72 at 0.8 kB
)
MADV_POPULATE_READ = 22  # Linux 5.14; Python's mmap module has no name for it


@dataclass(frozen=True)
class MappedSignal:
    """The rows of a signal, in the page cache and shared with every process that maps them."""

    shape: tuple[int, int, int]  # T, N, F
    shards: tuple[Rows, ...]  # each [rows, N * F], a view of one mapped shard file
    maps: tuple[mmap.mmap, ...]
    shard_rows: int
    chunk_rows: int

    def gather(self, starts_B: NDArray[Any], length: int, out_BWNF: Rows) -> Rows:
        """Copy the windows `[start, start + length)` into `out`, float32 and C-contiguous; return it.

        Wide rows are copied window by window. For narrow ones, where a call a window would cost
        more than its bytes, one `np.take` serves each run of consecutive windows in the same shard,
        so sorted starts are fastest. Raises `IndexError` for a window that is not inside the signal.
        """
        starts_B = np.asarray(starts_B, dtype=np.intp)
        if len(starts_B) == 0:
            return out_BWNF
        if starts_B.min() < 0 or starts_B.max() + length > self.shape[0]:
            raise IndexError(f"a window of {length} entries does not lie inside the {self.shape[0]} entries")
        if not out_BWNF.flags.c_contiguous:
            raise ValueError("out must be C-contiguous")
        rows = out_BWNF.reshape(-1, self.shape[1] * self.shape[2])
        if rows.shape[1] * 4 >= WIDE_ROW_BYTES:
            for number, start in enumerate(starts_B.tolist()):
                self._copy(start, length, rows[number * length : (number + 1) * length])
        else:
            self._take_runs(starts_B, length, rows)
        return out_BWNF

    def rows(self, start: int, stop: int) -> Rows:
        """Return a copy of the entries `[start, stop)`: [stop - start, N, F]."""
        if not 0 <= start <= stop <= self.shape[0]:
            raise IndexError(f"entries {start}:{stop} do not lie inside 0:{self.shape[0]}")
        out = np.empty((stop - start, self.shape[1] * self.shape[2]), dtype=np.float32)
        self._copy(start, stop - start, out)
        return out.reshape(stop - start, *self.shape[1:])

    def prefault(self) -> None:
        """Read every shard into the page cache, front to back: the disk's own speed, once."""
        for mapped in self.maps:
            try:
                mapped.madvise(MADV_POPULATE_READ)
            except (OSError, ValueError):  # an older kernel: ask for read-ahead instead
                mapped.madvise(mmap.MADV_WILLNEED)

    def will_need(self, starts_B: NDArray[Any], length: int) -> None:
        """Start reading these windows from disk: for a store larger than memory, a batch ahead."""
        row_bytes = self.shards[0].shape[1] * 4
        for start in np.asarray(starts_B).tolist():
            for shard in range(start // self.shard_rows, (start + length - 1) // self.shard_rows + 1):
                first = max(start - shard * self.shard_rows, 0) * row_bytes
                last = min(start + length - shard * self.shard_rows, len(self.shards[shard])) * row_bytes
                page = first // mmap.PAGESIZE * mmap.PAGESIZE
                self.maps[shard].madvise(mmap.MADV_WILLNEED, page, last - page)

    def _take_runs(self, starts_B: NDArray[np.intp], length: int, rows: Rows) -> None:
        for begin, end, shard in self._runs(starts_B, length):
            piece = rows[begin * length : end * length]
            if shard is None:
                self._copy(int(starts_B[begin]), length, piece)
            else:
                _take(self.shards[shard], starts_B[begin:end] - shard * self.shard_rows, length, piece)

    def _runs(self, starts_B: NDArray[np.intp], length: int) -> list[tuple[int, int, int | None]]:
        """Cut the batch into runs (begin, end, shard); shard is None for a window across shards."""
        if len(self.shards) == 1:
            return [(0, len(starts_B), 0)]
        first = starts_B // self.shard_rows
        across = first != (starts_B + length - 1) // self.shard_rows
        cut = (first[1:] != first[:-1]) | across[1:] | across[:-1]
        edges = [0, *(np.flatnonzero(cut) + 1).tolist(), len(starts_B)]
        return [(begin, end, None if across[begin] else int(first[begin])) for begin, end in pairwise(edges)]

    def _copy(self, start: int, length: int, out: Rows) -> None:
        """Copy consecutive rows, shard by shard."""
        done = 0
        while done < length:
            shard, row = divmod(start + done, self.shard_rows)
            taken = min(length - done, len(self.shards[shard]) - row)
            out[done : done + taken] = self.shards[shard][row : row + taken]
            done += taken


def _take(shard: Rows, starts_B: NDArray[np.intp], length: int, out: Rows) -> None:
    index = (starts_B[:, None] + np.arange(length)).ravel()
    # mode="clip": with the default numpy buffers `out` and falls to a third of the speed.
    np.take(shard, index, axis=0, out=out, mode="clip")


def map_signal(store: Path) -> MappedSignal:
    """Map the `signal` array of the store at `store`.

    Raises `InputError`, with the reason, for a store that is compressed, holed or cut otherwise
    than `stgnn ingest` cuts it: such a store reads well through Zarr, but not as mapped rows.
    """
    layout, array = read_layout(store, "signal", "graph nodes or features")
    if array.ndim != 3 or array.dtype != np.float32:
        raise unmappable(store, "signal is not a float32 array [time, node, feature]")
    maps, shards = [], []
    for number in range(layout.num_shards):
        mapped = map_shard(shard_file(store / "signal", number, array.ndim), layout, number, "signal")
        rows = min(layout.shard_rows, layout.num_rows - number * layout.shard_rows)
        flat = np.frombuffer(mapped, dtype="<f4", count=rows * layout.row_bytes // 4)
        maps.append(mapped)
        shards.append(flat.reshape(rows, layout.row_bytes // 4))
    shape = (array.shape[0], array.shape[1], array.shape[2])
    return MappedSignal(shape, tuple(shards), tuple(maps), layout.shard_rows, layout.chunk_rows)
