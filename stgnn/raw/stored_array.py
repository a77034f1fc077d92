"""A numpy array as an adjacency pickle describes it: its numbers stay where they are until they are asked for.

`stgnn.raw.pickles` makes these from a pickle's instructions; nothing here reads instructions.
"""

import codecs
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import shown
from stgnn.raw.rows import real_number, stream_blocks


class Refused(Exception):
    """Something that an adjacency pickle has no business holding."""


@dataclass(frozen=True)
class Payload:
    """Bytes that stay in the pickle: `length` of them from `offset` on, `utf8` where they are spelled as text."""

    path: Path
    offset: int
    length: int
    utf8: bool = False


@dataclass(frozen=True)
class Spelled:
    """Bytes that a small pickle spells as text, left so: making them each time they are named would fill the memory."""

    text: str


class StoredArray:
    """A numpy array as a pickle describes it; its numbers are read when asked for."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype = np.dtype(np.float32)
        self.fortran = False
        self._data: bytes | Payload | Spelled = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self.hold(shape, dtype.checked(), bool(fortran), data)

    def hold(self, shape: Any, dtype: np.dtype[Any], fortran: bool, data: Any) -> None:
        """Become the array described; `Refused` where that is no plain array, or its bytes do not fit its shape."""
        if len(shape) > 2 or not all(type(extent) is int and 0 <= extent < 2**40 for extent in shape):
            raise Refused(f"an array of shape {shown(shape)}")
        if not isinstance(data, bytes | bytearray | Payload | Spelled):
            raise Refused(f"an array whose data are a {type(data).__name__}")
        expected, found = math.prod(shape) * dtype.itemsize, _length(data)
        # As UTF-8 each byte takes one or two.
        if not found // (2 if isinstance(data, Payload) and data.utf8 else 1) <= expected <= found:
            raise Refused(f"an array of shape {tuple(shape)} and {expected} bytes with {found} bytes of data")
        self.shape, self.dtype, self.fortran = tuple(shape), dtype, fortran
        self._data = bytes(data) if isinstance(data, bytearray) else data

    def __repr__(self) -> str:
        return f"an array of shape {self.shape}"

    def blocks(self, path: Path, key: str) -> Iterator[NDArray[np.float32]]:
        """Yield the array's rows (its columns where `fortran`) as float32 blocks."""
        if not real_number(self.dtype):
            raise InputError(path, f"{key}: numbers of type {self.dtype}", "expected integers or floats")
        shape = self.shape[::-1] if self.fortran else self.shape
        with self._open() as stream:
            try:
                yield from stream_blocks(stream, path, key, self.dtype, shape)
            except UnicodeError as error:
                raise InputError(
                    path, f"{key}: bytes spelled as broken text", "retrieve the file again"
                ) from error

    def items(self) -> list[Any]:
        """Return a small array as a list."""
        with self._open() as stream:
            return np.frombuffer(stream.read(), self.dtype).tolist()  # type: ignore[no-any-return]

    def _open(self) -> io.BufferedIOBase:
        if isinstance(self._data, Payload):
            part = _Part(self._data)
            return io.BufferedReader(_Latin1(part) if self._data.utf8 else part, 1 << 18)
        return io.BytesIO(
            self._data.text.encode("latin-1") if isinstance(self._data, Spelled) else self._data
        )


_ORDERS: dict[Any, Literal["<", ">", "=", "|"]] = {
    "<": "<", ">": ">", "=": "=", "|": "|", b"<": "<", b">": ">", b"=": "=", b"|": "|",
}  # fmt: skip
_PLAIN = re.compile("[<>=|]?(?:[iuf][1248]|b1|[US][1-9][0-9]{0,3})")


class StoredDtype:
    """Stand-in for numpy.dtype: text like 'f4' and, by its state, a byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(text, str) or not _PLAIN.fullmatch(text):
            raise Refused(f"an array of type {shown(code)}")
        self._dtype = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, subarray, names = state[1], state[2], state[3]
        if subarray is not None or names is not None:
            raise Refused("an array of records")
        if type(order) not in (str, bytes) or order not in _ORDERS:
            raise Refused(f"an array of byte order {shown(order)}")
        self._dtype = self._dtype.newbyteorder(_ORDERS[order])

    def checked(self) -> np.dtype[Any]:
        """Return the type described."""
        return self._dtype


def _length(data: bytes | bytearray | Payload | Spelled) -> int:
    if isinstance(data, Payload):
        return data.length
    return len(data.text if isinstance(data, Spelled) else data)


class _Part(io.RawIOBase):
    """The bytes of a payload as a stream."""

    def __init__(self, payload: Payload) -> None:
        self._file = payload.path.open("rb", buffering=0)
        self._file.seek(payload.offset)
        self._left = payload.length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Latin1(io.RawIOBase):
    """A stream of UTF-8 text whose characters stand for bytes: how Python 3 writes bytes at protocol 2."""

    def __init__(self, part: _Part) -> None:
        self._part = part
        self._decode = codecs.getincrementaldecoder("utf-8")().decode

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while raw := self._part.read(len(buffer)):
            # Half a character decodes to nothing yet, which must not look like the end.
            if data := self._decode(raw).encode("latin-1"):
                buffer[: len(data)] = data
                return len(data)
        return 0

    def close(self) -> None:
        self._part.close()
        super().close()
