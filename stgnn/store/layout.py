"""How a signal is cut into Zarr chunks and shards, and how one shard file is laid out in bytes.

A shard file is its chunks one after another in time order, uncompressed, then the shard index:
one (offset, nbytes) pair of little-endian uint64 for every chunk that the shard could hold, then
the CRC-32C of those pairs. So the file starts with one contiguous run of rows that can be mapped.
(Zarr v3 specification, sharding codec with `index_location: end`.)
"""

from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

SHARD_BYTES = 256 * 2**20
DEFAULT_CHUNK_ROWS = 256
CHUNK_BYTES = 16 * 2**20
MISSING = np.uint64(2**64 - 1)  # marks a chunk that the shard does not hold


@dataclass(frozen=True)
class Layout:
    """The cut of one signal: `num_rows` rows of `row_bytes`, in chunks, in shards."""

    num_rows: int
    row_bytes: int
    chunk_rows: int
    shard_rows: int  # a multiple of chunk_rows

    @property
    def chunks_per_shard(self) -> int:
        """Chunks that a full shard holds."""
        return self.shard_rows // self.chunk_rows

    @property
    def num_shards(self) -> int:
        """Shard files of the signal."""
        return -(-self.num_rows // self.shard_rows)

    @property
    def num_chunks(self) -> int:
        """Chunks of the signal, the last one padded."""
        return -(-self.num_rows // self.chunk_rows)

    def chunks_in_shard(self, shard: int) -> int:
        """How many chunks shard number `shard` really holds; only the last shard may hold fewer."""
        return min(self.chunks_per_shard, self.num_chunks - shard * self.chunks_per_shard)

    def payload_bytes(self, shard: int) -> int:
        """Bytes of rows at the start of the shard's file, the last chunk's padding included."""
        return self.chunks_in_shard(shard) * self.chunk_rows * self.row_bytes

    def index_bytes(self) -> int:
        """Bytes of the shard index at the end of every shard's file."""
        return 16 * self.chunks_per_shard + 4

    def shard_index(self, shard: int) -> bytes:
        """The index that ends the shard's file."""
        chunk_bytes = self.chunk_rows * self.row_bytes
        entries = np.full((self.chunks_per_shard, 2), MISSING, dtype="<u8")
        held = self.chunks_in_shard(shard)
        entries[:held, 0] = np.arange(held, dtype="<u8") * np.uint64(chunk_bytes)
        entries[:held, 1] = chunk_bytes
        payload = entries.tobytes()
        return payload + int(google_crc32c.value(payload)).to_bytes(4, "little")


def choose_layout(time: NDArray[Any], row_bytes: int, shard_bytes: int = SHARD_BYTES) -> Layout:
    """Cut about a day to a chunk, and chunks worth about `shard_bytes` to a shard."""
    num_rows = len(time)
    chunk_rows = min(_entries_per_day(time) or DEFAULT_CHUNK_ROWS, num_rows)
    num_chunks = -(-num_rows // chunk_rows)
    chunks_per_shard = min(max(1, shard_bytes // (chunk_rows * row_bytes)), num_chunks)
    return Layout(num_rows, row_bytes, chunk_rows, chunk_rows * chunks_per_shard)


def one_shard(num_rows: int, row_bytes: int, widest: int) -> Layout:
    """Cut rows into equal chunks in a single shard, a row of `widest` bytes making chunks of about `CHUNK_BYTES`.

    Arrays along the same axis that are given the same `widest` are cut alike.
    """
    num_chunks = max(1, -(-num_rows * widest // CHUNK_BYTES))
    chunk_rows = max(1, -(-num_rows // num_chunks))
    return Layout(num_rows, row_bytes, chunk_rows, chunk_rows * max(1, -(-num_rows // chunk_rows)))


def _entries_per_day(time: NDArray[Any]) -> int | None:
    """Entries in a day where the time step divides a day into at least 24 parts."""
    if time.dtype.kind != "M" or len(time) < 2:
        return None
    step = np.median(np.diff(time[:1000]).astype("timedelta64[ns]").astype(np.int64))
    per_day = 86_400_000_000_000 / step
    return int(per_day) if per_day >= 24 and per_day == int(per_day) else None
