"""One event as a JSON object on a line of its own: decoded strictly, its values checked one by one.

Axes: F edge features.
"""

import json
import math
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from stgnn.errors import InputError
from stgnn.raw.checks import shown
from stgnn.raw.numerals import UNITS, mend_unit, whole
from stgnn.raw.text_chunks import TextFile

NEEDED, OPTIONAL = ("src", "dst", "t"), ("label", "x")
MIXED = "write all times as dates or all as numbers"
KINDS: dict[type, str] = {int: "a whole number >= 0", str: "text"}  # of ids
_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<clock>\d\d:\d\d(?::\d\d)?)(?:\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_MOST = math.nextafter(2.0**128 - 2.0**103, 0.0)  # the largest float that rounds to a finite float32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class EventLine:
    """A line of a file, and how the times in it count."""

    file: TextFile
    number: int
    text: bytes
    file_unit: str
    time_unit: str
    rounded: bool  # times need not be whole

    def event(self) -> dict[str, Any]:
        """Return the line's object; `InputError` unless it is one, in UTF-8, with the keys of an event, each once."""
        try:
            event = _decode(self.file.decoded(self.number, self.text))
        except json.JSONDecodeError as error:
            self.refuse(f"no whole JSON object: {error.msg} at character {error.pos}", "mend the line")
        except _NoEventError as error:
            self.refuse(str(error), "mend the line")
        except RecursionError:
            self.refuse("brackets within brackets without end", "mend the line")
        except ValueError:
            self.refuse(f"a whole number of over {sys.get_int_max_str_digits()} digits", "mend the line")
        if not isinstance(event, dict):
            self.refuse(f"found {shown(event)}", "write one JSON object a line")
        for key in NEEDED:
            if key not in event:
                self.refuse(f"no key {key!r}", "every event needs src, dst and t")
        for key in event:
            if key not in NEEDED + OPTIONAL:
                self.refuse(f"unknown key {shown(key)}", "expected src, dst, t, label or x")
        return event

    def identity(self, key: str, value: Any, kind: type) -> Any:
        """Return an id, checked to be of its `kind`, int or str."""
        right = _is_text(value) if kind is str else type(value) is int and 0 <= value < 2**63
        if not right:
            self.refuse(f"{key}: found {shown(value)}, expected {KINDS[kind]}")
        return value

    def time(self, value: Any, dates: bool) -> int:
        """Return a time in the wanted unit: a number of the file's unit, or if `dates` an ISO 8601 date (and time)."""
        if isinstance(value, str) is not dates:
            expected = "a date and time" if dates else "a number"
            self.refuse(f"t: found {shown(value)}, expected {expected}, as in the first event", MIXED)
        if isinstance(value, str):
            return self._counted(value, self._seconds(value), "s")
        if type(value) is float:  # its decimals, not their nearest binary fraction
            return self._counted(value, json.loads(self.text, parse_float=str)["t"], self.file_unit)
        if type(value) is not int:
            self.refuse(f"t: found {shown(value)}, expected a number or an ISO 8601 date and time")
        if self.file_unit == self.time_unit and -(2**63) <= value < 2**63:
            return value
        return self._counted(value, str(value) if value.bit_length() < 128 else "1e99", self.file_unit)

    def _counted(self, found: Any, numeral: str, unit: str) -> int:
        """Return the `numeral`, given in `unit`, in the wanted unit."""
        time = whole(numeral, UNITS[self.time_unit] - UNITS[unit], rounded=self.rounded)
        if time is None:
            spelled = shown(found) if isinstance(found, str) else f"{shown(numeral)} {unit}"
            self.refuse(
                f"t: {spelled} is no whole number of {self.time_unit} in int64", mend_unit(numeral, unit)
            )
        return time

    def _seconds(self, text: str) -> str:
        """Return the numeral of the seconds from 1970 to a date and time, taken as UTC where it names no time zone."""
        match = _ISO.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            moment = datetime.fromisoformat(
                f"{match['date']}T{match['clock'] or '00:00'}{match['zone'] or '+00:00'}"
            )
        except ValueError:
            self.refuse(f"t: {shown(text)} is no time", "write times as 2012-03-01T00:05:00Z, or as numbers")
        fraction = match["fraction"] or ""
        parts = (moment - _EPOCH) // timedelta(seconds=1) * 10 ** len(fraction) + int(fraction or 0)
        return f"{parts}e-{len(fraction)}"

    def label(self, value: Any) -> int:
        """Return a label, an int8."""
        if type(value) is not int or not -128 <= value <= 127:
            self.refuse(f"label: found {shown(value)}, expected a whole number in -128..127")
        return value

    def features(self, value: Any, count: int) -> list[float]:
        """Return `[F]` an event's features: `count` numbers that float32 holds."""
        if type(value) is not list or len(value) != count:
            found = f"{len(value)} numbers" if isinstance(value, list) else shown(value)
            self.refuse(f"x: found {found}, expected a list of {count}, as in the first event")
        if not set(map(type, value)) <= {int, float} or not _finite(value):
            wrong = next(each for each in value if type(each) not in (int, float) or not _finite([each]))
            self.refuse(f"x: found {shown(wrong)}, expected finite numbers (float32)")
        return value

    def refuse(self, problem: str, todo: str = "") -> NoReturn:
        """Raise the `InputError` that names this line."""
        raise InputError(self.file.path, f"{self.file.place(self.number)}: {problem}", todo)


def _is_text(value: Any) -> bool:
    """Whether it is a text with something in it, and not half a character, which JSON can spell."""
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(numbers: list[float]) -> bool:
    """Whether float32 holds them all: whole numbers of any size are compared exactly."""
    return not numbers or (min(numbers) >= -_MOST and max(numbers) <= _MOST)


class _NoEventError(ValueError):
    """What JSON allows and an event does not."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _NoEventError(f"key {shown(twice)} is there twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _NoEventError(f"found {name}, expected a finite number")


_decode = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse_constant).decode
