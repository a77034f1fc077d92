"""`SnapshotSignal`: what every signal of snapshots has in common. Which parts it has, the families say.

A signal is a sequence of snapshots, one PyTorch Geometric object each. It holds arrays, or anything with `len` and
integer indexing that reads its items when asked (`stgnn.data.snapshots.stored`), and makes a snapshot's tensors when
the snapshot is asked for.
"""

import copy
import operator
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stgnn.data.snapshots.arrays import Selection, in_memory, select
from stgnn.errors import InputError

Snapshot = TypeVar("Snapshot")
Names: TypeAlias = Mapping[str, str]
_OWN = ("snapshot_count", "additional_feature_keys")


class SnapshotSignal(Generic[Snapshot]):
    """A sequence of snapshots: `len`, integer (also negative), slice and array indexing, independent iterators.

    An integer gives a snapshot; a slice, an integer array, a list or a boolean mask gives a signal of those snapshots,
    which shares all arrays with this one. Parts that do not change with time become tensors once and are shared by
    all snapshots of a signal and of its slices, so that whatever is computed from them is computed once too; do not
    change them in place. Other parts are copies.

    What is in memory is checked when the signal is made, what is read lazily when a snapshot is asked for.
    """

    # By key of the PyTorch Geometric object: which argument of the constructor holds it.
    _fixed: ClassVar[Names]
    _changing: ClassVar[Names]

    snapshot_count: int
    additional_feature_keys: list[str]

    def _hold(self, extra: Mapping[str, Any], **arguments: Any) -> None:
        """Keep the constructor's arguments and check them; `extra` are additional attributes by snapshot."""
        self._refuse_taken_names(extra)
        for name, values in {**arguments, **extra}.items():
            setattr(self, name, values)
        self.additional_feature_keys = list(extra)
        self._temporal = {**self._changing, **{name: name for name in extra}}
        self._shared: dict[str, Any] = {}  # by all slices too: tensors, and facts for checks
        self.snapshot_count = self._common_length()
        self._checked = all(in_memory(getattr(self, name)) for name in self._temporal.values())
        for number in range(self.snapshot_count if self._checked else 0):
            self._check(self._where(number), self._raw(number))

    def __len__(self) -> int:
        return self.snapshot_count

    @overload
    def __getitem__(self, index: int) -> Snapshot: ...
    @overload
    def __getitem__(self, index: slice | list[int] | list[bool] | NDArray[Any] | Tensor) -> Self: ...
    def __getitem__(self, index: Any) -> Snapshot | Self:
        if isinstance(index, slice):
            return self._select(index)
        if np.ndim(index):
            return self._select(self._places(index))
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"snapshot {number} of a signal of {len(self)}")
        number %= len(self)
        raw = self._raw(number)
        if not self._checked:
            self._check(self._where(number), raw)
        return self._build({key: self._part(key, value) for key, value in raw.items()})

    def __iter__(self) -> Iterator[Snapshot]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} snapshots)"

    def _build(self, parts: dict[str, Any]) -> Snapshot:
        """Make the PyTorch Geometric object of a snapshot's tensors."""
        raise NotImplementedError

    def _convert(self, key: str, value: Any) -> Any:
        """Make the tensor, or tensors, of one part."""
        raise NotImplementedError

    def _check(self, where: str, raw: dict[str, Any]) -> None:
        """Raise `InputError` unless the parts of a snapshot go together."""
        raise NotImplementedError

    def _raw(self, number: int) -> dict[str, Any]:
        """The parts of a snapshot as the signal holds them, each read once."""
        fixed = {key: getattr(self, name) for key, name in self._fixed.items()}
        return fixed | {key: getattr(self, name)[number] for key, name in self._temporal.items()}

    def _part(self, key: str, value: Any) -> Any:
        if key not in self._fixed:
            return self._convert(key, value)
        if key not in self._shared:
            self._shared[key] = self._convert(key, value)
        return self._shared[key]

    def _name(self, key: str) -> str:
        """The argument that holds a part, for messages."""
        return self._fixed.get(key) or self._temporal[key]

    def _where(self, number: int) -> str:
        return f"{type(self).__name__}, snapshot {number}"

    def _select(self, selection: Selection) -> Self:
        chosen = copy.copy(self)
        for name in self._temporal.values():
            setattr(chosen, name, select(getattr(self, name), selection))
        chosen.snapshot_count = len(np.arange(len(self))[selection])
        return chosen

    def _places(self, index: Any) -> NDArray[np.int64]:
        places = index.cpu().numpy() if isinstance(index, Tensor) else np.asarray(index)
        if places.size == 0:
            places = places.astype(np.int64)
        if places.ndim != 1 or places.dtype.kind not in "biu":
            raise IndexError(f"cannot choose snapshots by {places.dtype} of shape {places.shape}")
        if places.dtype.kind == "b":
            if len(places) != len(self):
                raise IndexError(f"a mask of {len(places)} for {len(self)} snapshots")
            return np.flatnonzero(places)
        outside = (places < -len(self)) | (places >= len(self))
        if outside.any():
            raise IndexError(f"snapshot {places[outside][0]} of a signal of {len(self)}")
        return places.astype(np.int64) % max(len(self), 1)

    def _common_length(self) -> int:
        """How many snapshots there are, the same for every part."""
        lengths = {name: self._length(name) for name in self._temporal.values()}
        first, count = next(iter(lengths.items()))
        for name, length in lengths.items():
            if length != count:
                problem = f"{first} has {count} snapshots, {name} has {length}"
                raise InputError(type(self).__name__, problem, "give every part one item a snapshot")
        return count

    def _length(self, name: str) -> int:
        try:
            return len(getattr(self, name))
        except TypeError:
            problem = f"{name} is {type(getattr(self, name)).__name__}, expected a sequence of snapshots"
            raise InputError(type(self).__name__, problem, "give one item a snapshot") from None

    def _refuse_taken_names(self, extra: Mapping[str, Any]) -> None:
        for name in extra:
            if name in (*self._fixed, *self._changing, *_OWN) or hasattr(self, name) or name.startswith("_"):
                problem = f"an additional attribute cannot be called {name!r}"
                raise InputError(type(self).__name__, problem, "that name is taken: choose another")
