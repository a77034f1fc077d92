"""Write a `Signal` as a Zarr v3 store: streamed, whole or not at all.

Axes: T entries, N graph nodes, F features.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from tqdm import tqdm

from stgnn.errors import InputError
from stgnn.prefetch import Prefetcher
from stgnn.raw.signal import Signal
from stgnn.store.calendar import calendar_of
from stgnn.store.layout import SHARD_BYTES, Layout, choose_layout
from stgnn.store.rows import create_rows, shard_file
from stgnn.store.statistics import Sums, stack, sums_of
from stgnn.store.whole import write_whole

Block = NDArray[np.float32]
Chunk = tuple[Block, int]  # a whole chunk and how many of its rows are real
READ_AHEAD = 3  # chunks in memory beyond the reader's own block


def write_store(signal: Signal, path: Path, *, shard_bytes: int = SHARD_BYTES) -> None:
    """Write `signal` to `path` (`<dataset>.zarr`), then its manifest beside it.

    The store is built in a hidden folder and renamed into place, so `path` never holds a part of
    one. Memory: one block of the reader plus a few chunks. Raises `InputError` from the reader, or if
    its rows do not add up; nothing is left behind then.
    """
    if not len(signal.time):
        raise InputError(path.stem, "the raw files hold no entries", "check the download")
    write_whole(path, lambda folder: _write_arrays(signal, folder, shard_bytes))


def _write_arrays(signal: Signal, folder: Path, shard_bytes: int) -> dict[str, str]:
    _, num_nodes, num_features = signal.shape
    layout = choose_layout(signal.time, 4 * num_nodes * num_features, shard_bytes)
    group = zarr.open_group(folder, mode="w")
    create_rows(
        group,
        "signal",
        (num_nodes, num_features),
        layout,
        np.float32,
        dimensions=("time", "node", "feature"),
        fill_value=np.nan,
        attributes={"units": str(signal.attributes.get("units", ""))},
    )
    sums, checksums = _write_shards(signal, folder / "signal", layout)
    _small_arrays(signal, stack(sums)).to_zarr(folder, mode="a", zarr_format=3, consolidated=False)
    return {f"signal/{name}": digest for name, digest in checksums.items()}


def _write_shards(signal: Signal, folder: Path, layout: Layout) -> tuple[list[Sums], dict[str, str]]:
    """Stream the signal's blocks into shard files; return each chunk's sums and each file's SHA-256."""
    sums: list[Sums] = []
    checksums: dict[str, str] = {}
    name = str(signal.attributes.get("dataset", "signal"))
    # A thread reads ahead while the chunk before is hashed, summed and written.
    reader: Prefetcher[Chunk, int, Chunk] = Prefetcher(lambda chunk, _: chunk, range(READ_AHEAD))
    chunks = reader.run(_chunks(signal, layout))
    with (
        tqdm(total=layout.num_rows, desc=f"ingest {name}", unit=" entries", disable=None) as progress,
        ThreadPoolExecutor(max_workers=2) as pool,
    ):
        for shard in range(layout.num_shards):
            file = shard_file(folder, shard, len(signal.shape))
            file.parent.mkdir(parents=True)
            hasher = hashlib.sha256()
            with file.open("wb", buffering=0) as out:
                for chunk, rows in islice(chunks, layout.chunks_in_shard(shard)):
                    # Hashing, summing and writing all release the GIL, and cost about the same.
                    hashed = pool.submit(hasher.update, chunk.data)
                    summed = pool.submit(sums_of, chunk[:rows], signal.null_value)
                    _write_all(out, chunk.data)
                    hashed.result()
                    sums.append(summed.result())
                    progress.update(rows)
                index = layout.shard_index(shard)
                _write_all(out, memoryview(index))
                hasher.update(index)
            checksums[file.relative_to(folder).as_posix()] = hasher.hexdigest()
    next(chunks, None)  # lets a reader that has too many rows say so
    return sums, checksums


def _write_all(out: FileIO, data: memoryview) -> None:
    """Write every byte; an unbuffered file may take fewer than it is given."""
    left = data.cast("B")
    while left:
        left = left[out.write(left) :]


def _chunks(signal: Signal, layout: Layout) -> Iterator[Chunk]:
    """Re-cut the reader's blocks to whole chunks; yield each with its number of real rows.

    A chunk inside one block is a view of it, so nothing is copied when the reader's blocks fit. A chunk
    stays as it is while later ones are read. The last one is padded with NaN.
    """
    num_entries, num_nodes, num_features = signal.shape
    shape = (layout.chunk_rows, num_nodes, num_features)
    buffer = np.empty(shape, dtype=np.float32)
    held = seen = 0
    for block in signal.blocks():
        _check_block(signal, block, seen)
        seen += len(block)
        while len(block):
            if not held and len(block) >= layout.chunk_rows:
                yield np.ascontiguousarray(block[: layout.chunk_rows]), layout.chunk_rows
                block = block[layout.chunk_rows :]
                continue
            taken = min(layout.chunk_rows - held, len(block))
            buffer[held : held + taken] = block[:taken]
            held, block = held + taken, block[taken:]
            if held == layout.chunk_rows:
                yield buffer, held
                buffer, held = np.empty(shape, dtype=np.float32), 0
    if seen != num_entries:
        raise _wrong_length(signal, seen)
    if held:
        buffer[held:] = np.nan
        yield buffer, held


def _check_block(signal: Signal, block: Block, seen: int) -> None:
    if block.dtype != np.float32 or block.shape[1:] != signal.shape[1:]:
        raise TypeError(
            f"reader yielded {block.dtype} {block.shape}, expected float32 (*, {signal.shape[1:]})"
        )
    if seen + len(block) > len(signal.time):
        raise _wrong_length(signal, seen + len(block))


def _wrong_length(signal: Signal, found: int) -> InputError:
    name = str(signal.attributes.get("dataset", "signal"))
    return InputError(
        name,
        f"the raw values hold {found} entries, but the time axis has {len(signal.time)}",
        "check the download",
    )


def _small_arrays(signal: Signal, sums: Sums) -> xr.Dataset:
    """Everything of a store but the signal itself."""
    arrays: dict[str, Any] = {
        "edge_index": (("end", "edge"), signal.edge_index.astype(np.int64)),
        "edge_weight": (("edge",), signal.edge_weight.astype(np.float32)),
        "block_count": (("block", "feature"), sums.count),
        "block_null_count": (("block", "feature"), sums.null_count),
        "block_sum": (("block", "feature"), sums.sum),
        "block_sumsq": (("block", "feature"), sums.sumsq),
    }
    coordinates: dict[str, Any] = {
        "time": ("time", signal.time),
        "node": ("node", np.array(signal.node, dtype=object)),  # object: Zarr's own `string` type
        "feature": ("feature", np.array(signal.feature, dtype=object)),
    }
    calendar = calendar_of(signal.time)
    if calendar is not None:
        arrays["calendar"] = (("time", "calendar_feature"), calendar)
    if signal.edge_ptr is not None:
        arrays["edge_ptr"] = (("entry_edge",), signal.edge_ptr.astype(np.int64))
    if signal.label is not None:
        arrays["label"] = (("time",), signal.label.astype(np.int64))
    null = None if signal.null_value is None else str(float(signal.null_value))
    attributes = json.loads(json.dumps(dict(signal.attributes), sort_keys=True))
    return xr.Dataset(arrays, coordinates, attributes | {"null_value": null or "none"})
