"""One part of a snapshot as a tensor, and parts of sequences that are read only when asked for.

Tensors are copies: changing a snapshot never changes the signal, whose windows may overlap in memory.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array: TypeAlias = NDArray[Any] | Tensor
Selection: TypeAlias = slice | NDArray[np.int64]

_IN_MEMORY = (list, tuple, np.ndarray, Tensor)
_LIKE_KIND = {"i": np.int64, "u": np.int64, "f": np.float32, "b": np.bool_, "c": np.complex64}


def as_array(value: Any) -> Array:
    """Return `value` as the array or tensor that it is, or the array that it spells."""
    return value if isinstance(value, (np.ndarray, Tensor)) else np.asarray(value)


def kind_of(array: Array) -> str:
    """Return numpy's letter for the kind of number: b, i, u, f, c, or another for what is no number."""
    if not isinstance(array, Tensor):
        return array.dtype.kind
    if array.is_complex():
        return "c"
    if array.is_floating_point():
        return "f"
    return "b" if array.dtype == torch.bool else "i"


def to_part(key: str, value: Any) -> Any:
    """Return what a snapshot holds under this key: x and weights float32, ids int64, the rest by its own kind."""
    return _CONVERT.get(key, to_like)(value)


def to_float(value: Any) -> Tensor:
    """Return numbers as float32."""
    return _copy(as_array(value), np.float32)


def to_int(value: Any) -> Tensor:
    """Return numbers as int64."""
    return _copy(as_array(value), np.int64)


def to_edges(value: Any) -> Tensor:
    """Return edges as int64 `[2, E]`; an empty array of any shape means none."""
    index = to_int(value)
    return index if index.numel() else index.reshape(2, 0)


def to_like(value: Any) -> Any:
    """Return a tensor of the value's own kind: int64 (uint64 where that was the type), float32, bool, complex64.

    What torch has no type for (text, dates, objects) stays the array that it is, None stays None.
    """
    if value is None:
        return None
    array = as_array(value)
    kind = kind_of(array)
    if kind not in _LIKE_KIND:
        return array.copy() if isinstance(array, np.ndarray) else array.clone()
    return _copy(array, np.uint64 if array.dtype == np.uint64 else _LIKE_KIND[kind])


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "x": to_float,
    "edge_index": to_edges,
    "edge_attr": to_float,
    "batch": to_int,
}


def _copy(array: Array, dtype: type[np.generic]) -> Tensor:
    if isinstance(array, Tensor):
        return array.detach().to(torch.from_numpy(np.empty(0, dtype)).dtype, copy=True)
    return torch.from_numpy(np.array(array, dtype=dtype, order="C"))


def in_memory(values: Any) -> bool:
    """Whether looking at every item costs nothing but the look."""
    return isinstance(values, _IN_MEMORY)


def select(values: Any, selection: Selection) -> Any:
    """Return the selected items of a sequence without copying or reading any of them."""
    if isinstance(selection, slice) and in_memory(values):
        return values[selection]
    if isinstance(values, (list, tuple)):
        return [values[number] for number in selection]  # type: ignore[union-attr]
    return Selected(values, selection)


class Selected(Sequence[Any]):
    """The items of a lazy sequence, or of an array, at chosen places: read when asked for, never before."""

    def __init__(self, values: Any, selection: Selection) -> None:
        self._values: Any = values._values if isinstance(values, Selected) else values
        self._places: NDArray[np.int64] = np.arange(len(values))
        if isinstance(values, Selected):
            self._places = values._places
        self._places = self._places[selection]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, (slice, np.ndarray)):
            return Selected(self, number)
        return self._values[int(self._places[number])]
