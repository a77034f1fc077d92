"""pandas' `fixed` HDF5 layout, read without pandas or PyTables: a frame of sensors' values, streamed.

A frame is a group with `axis0` (column ids), `axis1` (the time index, int64 with its unit in the attribute `kind`) and,
for each type of number, `block<i>_items` (ids) with `block<i>_values` `[T, ids]`. Where the values lie in one piece,
uncompressed, they are read past the HDF5 library: 0.3 s a GB of float64 against 0.4 to 0.5 s.

Axes: T entries, N columns, R rows of a block.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import check_increasing, spelled
from stgnn.raw.rows import real_number, rows_per_block, stream_blocks

_LARGEST_RATIO = 2000  # of compression: deflate's is 1032
_CONVERT = 'rewrite it with pandas: frame.to_hdf(path, key="df", format="fixed")'
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Part:
    """One `block<i>_values` dataset: where its columns go in the frame, and where its bytes lie if in one piece."""

    name: str
    columns: NDArray[np.intp]
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    offset: int | None
    chunk: int | None  # rows of an HDF5 chunk


@dataclass(frozen=True)
class Frame:
    """A frame's index and columns; its values come from `blocks()`."""

    path: Path
    key: str
    ids: tuple[str, ...]
    time: NDArray[Any]  # [T] datetime64[ns], or int64
    parts: tuple[Part, ...]

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield float32 blocks `[R, N]` in time order; damaged data are an `InputError`."""
        rows = self._rows()
        readers = [_part_blocks(self.path, part, rows) for part in self.parts]
        if len(self.parts) == 1 and (np.diff(self.parts[0].columns) == 1).all():
            yield from readers[0]
            return
        for pieces in zip(*readers, strict=True):
            block = np.empty((len(pieces[0]), len(self.ids)), np.float32)
            for part, piece in zip(self.parts, pieces, strict=True):
                block[:, part.columns] = piece
            yield block

    def _rows(self) -> int:
        """Return rows a block: about `rows.BLOCK_BYTES`, in whole HDF5 chunks so that each is unpacked once."""
        chunk = math.lcm(*(part.chunk or 1 for part in self.parts))
        usual = rows_per_block(len(self.ids))
        return chunk * max(1, usual // chunk) if chunk <= 8 * usual else usual


def read_frame(path: Path, key: str | None = None) -> Frame:
    """Return the frame at `key` of an HDF5 file, or its only one.

    Raises `InputError` for a file that is cut short or no HDF5, several frames and no `key`, a layout other than
    `fixed`, ids that are not there once each, an index that is not increasing, and columns that are not numbers.
    """
    with _open(path) as file:
        group = _frame_group(path, file, key)
        name = str(group.name).strip("/")
        ids = _ids(path, group, "axis0")
        time = _index(path, group)
        blocks = sorted(
            (item for item in group if re.fullmatch(r"block\d+_values", item)),
            key=lambda item: int(item[5:-7]),
        )
        parts = tuple(_part(path, group, item, ids, len(time)) for item in blocks)
    held = sum(len(part.columns) for part in parts)
    if held != len(ids) or len(np.unique(np.concatenate([part.columns for part in parts]))) != held:
        raise InputError(
            path, f"{name}: axis0 names {len(ids)} columns, the blocks hold {held}", "retrieve it again"
        )
    return Frame(path, name, ids, time, parts)


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError) as error:
        raise InputError(
            path, f"damaged or no HDF5 file ({_first_line(error)})", "remove the file and retrieve it again"
        ) from error


def _frame_group(path: Path, file: h5py.File, key: str | None) -> h5py.Group:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if _holds_frame(item) else None)
    if key is not None and key.strip("/") in found:
        return file[key]
    listed = ", ".join(found) or "none"
    if key is not None:
        raise InputError(path, f"no frame at key {key!r} (frames: {listed})", "correct the option `key`")
    if len(found) != 1:
        raise InputError(
            path, f"{len(found)} frames: {listed}", "name one with the option `key`" if found else _CONVERT
        )
    return file[found[0]]


def _holds_frame(item: Any) -> bool:
    return isinstance(item, h5py.Group) and ("pandas_type" in item.attrs or "axis0" in item)


def _ids(path: Path, group: h5py.Group, item: str) -> tuple[str, ...]:
    return spelled(path, f"{group.name}/{item}", _dataset(path, group, item, 1)[:].tolist())


def _dataset(path: Path, group: h5py.Group, item: str, ndim: int) -> h5py.Dataset:
    link = group.get(item, getlink=True)
    if isinstance(
        link, h5py.SoftLink | h5py.ExternalLink
    ):  # not followed: it may lead into any file of the machine
        raise _elsewhere(path, f"{group.name}/{item}: a link to {link.path!r}")
    found = group.get(item)
    if not isinstance(found, h5py.Dataset):
        stored = _text(group.attrs.get("pandas_type", "something else"))
        raise InputError(
            path, f"{group.name}: no dataset {item!r} (pandas_type {stored!r}, not `fixed`)", _CONVERT
        )
    if found.ndim != ndim:
        raise InputError(path, f"{found.name}: shape {found.shape}, expected {ndim} dimension(s)", _CONVERT)
    if found.external or found.is_virtual:
        raise _elsewhere(path, f"{found.name}: its values lie in other files")
    stored = found.id.get_storage_size()
    if ndim == 1 and found.nbytes > _LARGEST_RATIO * stored:  # it is read whole
        problem = f"{found.name}: {len(found)} values declared, {stored} bytes stored"
        raise InputError(path, problem, "retrieve the file again")
    return found


def _elsewhere(path: Path, problem: str) -> InputError:
    return InputError(path, problem, "expected arrays in this file alone; " + _CONVERT)


def _index(path: Path, group: h5py.Group) -> NDArray[Any]:
    """Return the time index `[T]`: datetime64[ns] whatever its unit, int64 where it holds plain numbers."""
    stored = _dataset(path, group, "axis1", 1)
    kind = _text(stored.attrs.get("kind", "integer"))
    unit = re.fullmatch(r"datetime64(?:\[(s|ms|us|ns)\])?", kind)
    if (kind != "integer" and not unit) or stored.dtype.kind != "i":
        raise InputError(
            path, f"{stored.name}: an index of {kind} ({stored.dtype})", "expected times or whole numbers"
        )
    if "tz" in stored.attrs:
        raise InputError(
            path, f"{stored.name}: times in a time zone", "store local times without one: tz_localize(None)"
        )
    numbers = stored[:].astype(np.int64)
    check_increasing(path, stored.name, numbers)
    if not unit:
        return np.asarray(numbers)
    factor = 10**9 // _PER_SECOND[unit.group(1) or "ns"]
    if len(numbers) and max(abs(int(numbers[0])), abs(int(numbers[-1]))) > np.iinfo(np.int64).max // factor:
        raise InputError(path, f"{stored.name}: times beyond the years 1677 to 2262", "correct the index")
    return np.asarray(numbers * factor, dtype="datetime64[ns]")


def _part(path: Path, group: h5py.Group, item: str, ids: tuple[str, ...], length: int) -> Part:
    values = _dataset(path, group, item, 2)
    items = _ids(path, group, item.replace("_values", "_items"))
    place = {name: column for column, name in enumerate(ids)}
    strange = [name for name in items if name not in place]
    if strange:
        raise InputError(
            path, f"{values.name}: column {strange[0]!r} is not in axis0", "retrieve the file again"
        )
    if not real_number(values.dtype):
        raise InputError(
            path, f"{values.name}: columns {', '.join(items[:3])} hold {values.dtype}", "expected numbers"
        )
    if values.shape != (length, len(items)) or not length or not values.attrs.get("transposed", True):
        raise InputError(
            path, f"{values.name}: shape {values.shape}, expected ({length}, {len(items)})", _CONVERT
        )
    return Part(
        name=str(values.name),
        columns=np.array([place[name] for name in items]),
        shape=values.shape,
        dtype=values.dtype,
        offset=values.id.get_offset() if values.chunks is None and values.external is None else None,
        chunk=values.chunks[0] if values.chunks else None,
    )


def _part_blocks(path: Path, part: Part, rows: int) -> Iterator[NDArray[np.float32]]:
    if part.offset is not None:
        with path.open("rb", buffering=0) as file:
            file.seek(part.offset)
            yield from stream_blocks(file, path, part.name, part.dtype, part.shape, rows)
        return
    buffer = np.empty((rows, part.shape[1]), part.dtype)
    with _open(path) as file:
        for start in range(0, part.shape[0], rows):
            piece = buffer[: part.shape[0] - start]
            file[part.name].read_direct(piece, np.s_[start : start + rows])
            with np.errstate(over="ignore", invalid="ignore"):
                yield piece.astype(np.float32)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
