"""Adjacency pickles, read without running them.

A pickle is a program. This one may only build lists, tuples, dicts, text, numbers and plain numeric numpy arrays:
the names it asks for are looked up in a closed list whose entries are stand-ins written here, never in the modules
that it names, and every other name or instruction is an `InputError` that names it.

A large array's bytes stay in the file: `StoredArray` remembers where they lie and reads them block by block, so the
0.5 GB matrix of an 11,160-sensor network costs a few MB. Pickles of Python 2 (protocols 0 to 2) and 3 (to 5) work.
"""

import os
import pickle
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from stgnn.errors import InputError
from stgnn.raw.checks import shown
from stgnn.raw.stored_array import Payload, Refused, Spelled, StoredArray, StoredDtype

LARGE = 1 << 20  # bytes from which on a payload stays in the file


def load_pickle(path: Path) -> Any:
    """Return what an adjacency pickle holds; Python 2 text comes as bytes, arrays as `StoredArray`.

    Raises `InputError` naming whatever the pickle asks for beyond that, or saying where it breaks off.
    """
    with path.open("rb") as file:
        source = _Bounded(file, path)
        try:
            return _Unpickler(source).load()
        except Refused as error:
            raise InputError(
                path,
                f"the pickle holds {error}, refused",
                "save it as (ids, id -> index, matrix) of plain numpy",
            ) from error
        except _BROKEN as error:
            raise InputError(
                path,
                f"not an adjacency pickle: {_short(error)} near byte {file.tell()}",
                "retrieve it again, or save it as (ids, id -> index, matrix)",
            ) from error


# What damaged or hostile bytes make of the pickle machine; none of these leaves anything behind.
_BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, OverflowError,
    AssertionError, struct.error, RecursionError, MemoryError,
)  # fmt: skip


class _Bounded:
    """A file that never asks the memory for more than it has itself."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path, self._file = path, file
        self._size = os.fstat(file.fileno()).st_size
        self.readline = file.readline

    def read(self, count: int) -> bytes:
        self._need(count)
        return self._file.read(count)

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)  # type: ignore[attr-defined, no-any-return]

    def skip(self, count: int) -> int:
        """Step over `count` bytes and return where they start."""
        self._need(count)
        offset = self._file.tell()
        self._file.seek(count, os.SEEK_CUR)
        return offset

    def _need(self, count: int) -> None:
        if not 0 <= count <= self._size - self._file.tell():
            raise EOFError(f"{count} bytes are announced, {self._size - self._file.tell()} are left")


def _reconstruct(subtype: Any, shape: Any, code: Any) -> StoredArray:
    return StoredArray()


def _frombuffer(data: Any, dtype: StoredDtype, shape: Any, order: Any) -> StoredArray:
    array = StoredArray()
    array.hold(shape, dtype.checked(), order == "F", data)
    return array


def _scalar(dtype: StoredDtype, data: Any) -> Any:
    array = StoredArray()
    array.hold((), dtype.checked(), False, data)
    if array.dtype.itemsize > 64:
        raise Refused(f"a number of type {array.dtype}")
    return array.items()[0]


def _encode(text: Any, coding: Any = "latin1") -> bytes | Payload | Spelled:
    if coding not in ("latin1", b"latin1"):
        raise Refused(f"text coded as {shown(coding)}")
    if isinstance(text, Payload):
        return Payload(text.path, text.offset, text.length, utf8=True)
    if not isinstance(text, str):
        raise Refused(f"a {type(text).__name__} coded as text")
    return text.encode("latin-1") if len(text) <= 64 else Spelled(text)


def _empty_bytes() -> bytes:
    return b""


def _ndarray(*_: Any) -> Any:
    raise Refused("a call of numpy.ndarray")


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): StoredDtype,
    ("_codecs", "encode"): _encode,
    # What Python 3 writes for b"" at protocol 2.
    ("__builtin__", "bytes"): _empty_bytes,
    ("builtins", "bytes"): _empty_bytes,
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _scalar
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _frombuffer

_REFUSED = (
    pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4,
    pickle.PERSID, pickle.BINPERSID, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.EMPTY_SET, pickle.ADDITEMS,
    pickle.FROZENSET,
)  # fmt: skip


class _Unpickler(pickle._Unpickler):
    """The standard library's own pickle machine, in Python, with the doors closed and large bytes left in the file."""

    # What the parent keeps its state in, for the type checker.
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    load_build: Callable[[], None]
    load_setitem: Callable[[], None]
    load_setitems: Callable[[], None]
    load_dict: Callable[[], None]
    _unframer: Any

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, source: _Bounded) -> None:
        super().__init__(source, encoding="bytes")
        self._source = source

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise Refused(shown(f"{module}.{name}")) from None

    def _refuse(self) -> None:
        raise Refused(
            "an instruction that builds sets or objects (SET, INST, OBJ, NEWOBJ, EXT, PERSID or BUFFER)"
        )

    def _build(self) -> None:
        # Without this, state could be set on the stand-ins themselves.
        if not isinstance(self.stack[-2], StoredArray | StoredDtype):
            raise Refused(f"state for a {type(self.stack[-2]).__name__}")
        self.load_build()

    def take_payload(self, size_format: str, small: Callable[[bytes], Any]) -> None:
        (count,) = struct.unpack(size_format, self.read(struct.calcsize(size_format)))
        in_file = count >= LARGE and self._unframer.current_frame is None
        item = (
            Payload(self._source.path, self._source.skip(count), count)
            if in_file
            else small(self.read(count))
        )
        self.append(item)

    def _key(self) -> None:
        self._check_keys(self.stack[-2:-1])
        self.load_setitem()

    def _keys(self) -> None:
        self._check_keys(self.stack[::2])
        self.load_setitems()

    def _dict(self) -> None:
        self._check_keys(self.stack[::2])
        self.load_dict()

    def _check_keys(self, keys: list[Any]) -> None:
        # Tuples in tuples take exponential time to hash.
        if not all(type(key) in (str, bytes, int, float) for key in keys):
            raise Refused("a dict whose keys are neither text nor numbers")


def _text(data: bytes) -> str:
    return str(data, "utf-8", "surrogatepass")


def _short(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:80] if lines else type(error).__name__


for _code in _REFUSED:
    _Unpickler.dispatch[_code[0]] = _Unpickler._refuse
for _code, _instead in (
    (pickle.BUILD, _Unpickler._build), (pickle.SETITEM, _Unpickler._key), (pickle.SETITEMS, _Unpickler._keys),
    (pickle.DICT, _Unpickler._dict),
):  # fmt: skip
    _Unpickler.dispatch[_code[0]] = _instead
for _code, _format, _small in (
    (pickle.BINSTRING, "<i", bytes), (pickle.BINBYTES, "<I", bytes), (pickle.BINBYTES8, "<Q", bytes),
    (pickle.BYTEARRAY8, "<Q", bytes), (pickle.BINUNICODE, "<I", _text), (pickle.BINUNICODE8, "<Q", _text),
):  # fmt: skip
    _Unpickler.dispatch[_code[0]] = partial(_Unpickler.take_payload, size_format=_format, small=_small)
