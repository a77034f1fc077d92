"""Zarr arrays whose rows lie one after another in shard files: their metadata, and their files mapped as memory.

Any dtype and any shape of a row; what a shard file holds is `stgnn.store.layout`'s. Such an array is read by every Zarr
reader in chunks, and by us as one run of rows a shard, without the Zarr API.
"""

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import DTypeLike, NDArray
from zarr.codecs import BytesCodec, ShardingCodec, ShardingCodecIndexLocation

from stgnn.errors import InputError
from stgnn.store.layout import Layout


def create_rows(
    group: zarr.Group,
    name: str,
    row_shape: tuple[int, ...],
    layout: Layout,
    dtype: DTypeLike,
    *,
    dimensions: Sequence[str],
    fill_value: Any,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write the metadata of array `name`; its shard files, at `shard_file`, are the caller's to write."""
    group.create_array(
        name,
        shape=(layout.num_rows, *row_shape),
        chunks=(layout.chunk_rows, *row_shape),
        shards=(layout.shard_rows, *row_shape),
        dtype=np.dtype(dtype),
        fill_value=fill_value,
        filters=None,
        compressors=None,
        dimension_names=tuple(dimensions),
        attributes=None if attributes is None else dict(attributes),
    )


def shard_file(array: Path, shard: int, num_axes: int) -> Path:
    """Where shard number `shard` of the array in the folder `array` lies; it is cut along the first axis only."""
    return array.joinpath("c", str(shard), *["0"] * (num_axes - 1))


def map_rows(store: Path, name: str) -> NDArray[Any]:
    """Map the array `name`, whose rows lie in one shard, as a read-only array.

    Raises `InputError`, with the reason, where they do not lie so.
    """
    layout, array = read_layout(store, name, "a row")
    if layout.num_shards > 1:
        raise unmappable(store, f"{name} lies in {layout.num_shards} shards instead of one")
    dtype = array.dtype.newbyteorder("<")
    if not layout.num_shards:
        return np.empty(array.shape, dtype)
    mapped = map_shard(shard_file(store / name, 0, array.ndim), layout, 0, name)
    return np.frombuffer(mapped, dtype=dtype, count=array.size).reshape(array.shape)


def read_layout(store: Path, name: str, axes: str) -> tuple[Layout, zarr.Array[Any]]:
    """Read how the array `name` is cut; `axes` says in words what its other axes than the first are.

    Raises `InputError` where its rows cannot be mapped.
    """
    array = zarr.open_group(store, mode="r").get(name)
    if not isinstance(array, zarr.Array) or array.ndim < 1:
        raise unmappable(store, f"{name} is not an array")
    if array.shards is None:
        raise unmappable(store, f"{name} is not sharded")
    codecs = array.metadata.codecs  # type: ignore[union-attr]  # zarr.json of format 3
    codec = codecs[0]
    if len(codecs) != 1 or not isinstance(codec, ShardingCodec):
        raise unmappable(store, f"{name} has codecs around its shards")
    if len(codec.codecs) != 1 or not isinstance(codec.codecs[0], BytesCodec):
        raise unmappable(store, f"{name} is compressed")
    if codec.index_location is not ShardingCodecIndexLocation.end:
        raise unmappable(store, f"{name} keeps its shard index at the start")
    if array.chunks[1:] != array.shape[1:] or array.shards[1:] != array.shape[1:]:
        raise unmappable(store, f"{name} is cut {array.chunks} across {axes}")
    row_bytes = array.dtype.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
    return Layout(array.shape[0], row_bytes, array.chunks[0], array.shards[0]), array


def map_shard(file: Path, layout: Layout, number: int, name: str) -> mmap.mmap:
    """Map shard file number `number` of array `name`; `InputError` unless it is exactly what the layout says."""
    expected = layout.payload_bytes(number) + layout.index_bytes()
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            if size != expected:
                problem = f"has {size} bytes instead of {expected}: chunks are missing or compressed"
                raise unmappable(file, f"{name} {problem}")
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise unmappable(file, f"{name} is missing") from None
    if mapped[-layout.index_bytes() :] != layout.shard_index(number):
        raise unmappable(file, f"{name} does not hold its chunks in order without holes")
    return mapped


def unmappable(where: Path, reason: str) -> InputError:
    """The error of an array that reads well through Zarr, maybe, but not as mapped rows."""
    return InputError(where, f"cannot be mapped: {reason}", "write the store with `stgnn ingest`")
