"""Writes pandas' `fixed` HDF5 layout as pandas 3 with PyTables does, block by block: what `stgnn.raw.hdf5` reads.

`pandas.read_hdf` reads the file back. The same values give the same bytes. Used to generate data, never to read any.

Axes: T entries, N columns, R rows of a block.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stgnn.files import replacing

_NONE = np.bytes_(b"N.")  # a pickled None, which is how PyTables writes it
_EMPTY = h5py.Empty("S1")
_GROUP = {"CLASS": "GROUP", "TITLE": _EMPTY, "VERSION": "1.0"}
_ARRAY = {"CLASS": "ARRAY", "FLAVOR": "numpy", "TITLE": _EMPTY, "VERSION": "2.4", "transposed": np.uint8(1)}
_FRAME = {
    "axis0_variety": "regular", "axis1_variety": "regular", "block0_items_variety": "regular", "encoding": "UTF-8",
    "errors": "strict", "nblocks": np.int64(1), "ndim": np.int64(2), "pandas_type": "frame",
}  # fmt: skip


def write_frame(
    path: Path,
    ids: Sequence[str],
    time_T: NDArray[np.datetime64],
    blocks: Iterable[NDArray[np.floating]],
    dtype: type[np.floating] = np.float64,
    key: str = "df",
) -> None:
    """Write a frame whole or not at all; `blocks` `[R, N]` come in time order and are held one at a time."""
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        _describe(file, _GROUP | {"PYTABLES_FORMAT_VERSION": "2.1"})
        group = file.create_group(key)
        _describe(group, _GROUP | _FRAME)
        names = np.array([name.encode() for name in ids])
        for item in ("axis0", "block0_items"):
            _array(group, item, data=names, kind="string", name=_NONE, nan_rep=_EMPTY)
        unit = np.datetime_data(time_T.dtype)[0]
        _array(
            group, "axis1", data=time_T.astype(np.int64),
            freq=_NONE, index_class="datetime", kind=f"datetime64[{unit}]", name=_NONE,
        )  # fmt: skip
        values = _array(group, "block0_values", shape=(len(time_T), len(ids)), dtype=dtype)
        first = 0
        for block in blocks:
            values[first : first + len(block)] = block
            first += len(block)


def _array(
    group: h5py.Group,
    item: str,
    data: Any = None,
    shape: tuple[int, ...] | None = None,
    dtype: Any = None,
    **attributes: Any,
) -> h5py.Dataset:
    dataset = group.create_dataset(item, shape=shape, dtype=dtype, data=data, track_times=False)
    _describe(dataset, _ARRAY | attributes)
    return dataset


def _describe(item: Any, attributes: dict[str, Any]) -> None:
    for name in sorted(attributes):
        value = attributes[name]
        text = h5py.string_dtype("utf-8", len(value)) if isinstance(value, str) else None
        item.attrs.create(name, value, dtype=text)
