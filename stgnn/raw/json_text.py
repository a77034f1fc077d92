"""JSON objects read member by member, so that a long array of rows never exists as Python numbers all at once.

`JsonText` walks one file; `read_object` is what readers call. What the members mean is the readers' business.

Axes: T rows of a matrix, N its columns.
"""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.json_members import numbers

CHUNK = 1 << 20  # characters read at a time
# A decoding error this close to the end of what was read may only be a value cut in two.
_CUT = 64


def read_object(path: Path, matrices: Collection[str] = (), nan_is_missing: bool = False) -> dict[str, Any]:
    """Return the members of the JSON object in `path`.

    Members named in `matrices` must be arrays of equally long rows of numbers and come back as float32 `[T, N]`
    (`null` and NaN only where `nan_is_missing`); each is decoded row by row. Raises `InputError` for a file that is
    cut short, is no JSON object, or names a member twice.
    """
    document: dict[str, Any] = {}
    with JsonText(path) as text:
        for key in text.members():
            if key in document:
                raise InputError(path, f"key {key!r} is there twice", "keep one")
            if key in matrices:
                document[key] = _matrix(path, key, text.elements(), nan_is_missing)
            else:
                document[key] = text.value()
    return document


def _matrix(path: Path, key: str, rows: Iterator[Any], nan_is_missing: bool) -> NDArray[np.float32]:
    kept: list[NDArray[np.float32]] = []
    for number, row in enumerate(rows):
        values = numbers(path, f"{key}[{number}]", row, nan_is_missing)
        if kept and len(values) != len(kept[0]):
            raise InputError(path, f"{key}[{number}]: {len(values)} numbers, but {len(kept[0])} in {key}[0]")
        with np.errstate(over="ignore"):
            kept.append(values.astype(np.float32))
    return np.stack(kept) if kept else np.empty((0, 0), np.float32)


class JsonText:
    """One pass over a file that holds one JSON object; decoding itself is the standard library's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open(encoding="utf-8")
        self._decode = json.JSONDecoder().raw_decode
        self._buffer, self._at, self._dropped = "", 0, 0
        self._inside = "the object"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._file.close()

    def members(self) -> Iterator[str]:
        """Yield the object's keys; the caller takes each one's `value()` or `elements()` before the next."""
        self._take("{")
        if self._next() != "}":
            while True:
                key = self._string()
                self._take(":")
                self._inside = f"key {key!r}"
                yield key
                if self._take(",}") == "}":
                    break
        else:
            self._take("}")
        if self._next():
            raise self._broken("text follows its end", self._at)

    def elements(self) -> Iterator[Any]:
        """Yield the items of the array that comes next."""
        inside = self._inside
        self._take("[")
        if self._next() == "]":
            self._take("]")
            return
        for number in range(2**63):
            self._inside = f"{inside}, item {number}"
            yield self.value()
            if self._take(",]") == "]":
                return

    def value(self) -> Any:
        """Return the value that comes next."""
        self._next()
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self._buffer) - _CUT or error.msg.startswith("Unterminated string")
                if cut and self._more():
                    continue
                raise self._broken("cut short or damaged" if cut else error.msg, error.pos) from error
            except (ValueError, RecursionError) as error:
                raise self._broken("a value too long or too deep to be data", self._at) from error
            # A number at the very end of what was read may go on: 1 of 1e+5 is a number too.
            if end > len(self._buffer) - 4 and self._more():
                continue
            self._at = end
            return value

    def _string(self) -> str:
        if self._next() != '"':
            raise self._broken("expected a key in double quotes", self._at)
        key: str = self.value()
        return key

    def _take(self, expected: str) -> str:
        found = self._next()
        if not found or found not in expected:
            wanted = " or ".join(repr(character) for character in expected)
            raise self._broken(f"expected {wanted}, found {found!r}" if found else "cut short", self._at)
        self._at += 1
        return found

    def _next(self) -> str:
        """Skip white space; return the character there, or '' at the end of the file."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in " \t\n\r":
                    return self._buffer[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, dropping what was consumed; False at the end of the file. Long values double the read."""
        try:
            more = self._file.read(max(CHUNK, len(self._buffer) - self._at))
        except UnicodeDecodeError as error:
            raise InputError(
                self._path, "not UTF-8 text, so not JSON", "remove the file and retrieve it again"
            ) from error
        if more:
            self._dropped += self._at
            self._buffer, self._at = self._buffer[self._at :] + more, 0
        return bool(more)

    def _broken(self, problem: str, at: int) -> InputError:
        return InputError(
            self._path,
            f"not a whole JSON object: {problem} at character {self._dropped + at}, in {self._inside}",
            "remove the file and retrieve it again",
        )
