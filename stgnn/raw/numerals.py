"""Numbers as text, read exactly: one numeral at a time, and whole columns of them by numpy.

`whole` says what a numeral is worth; `whole_column` gives the same for a column of plain ones, much faster, and None
where one of them is not plain. Binary floating point is in neither: 1289241911.72836 s is 1289241911728360 µs.

Axes: R fields of a column, C bytes of a text.
"""

import re

import numpy as np
from numpy.typing import NDArray

UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}  # decimals of a second
PLAIN = 18  # digits that surely fit into int64
_NUMERAL = re.compile(
    r"(?P<sign>[+-]?)(?=\.?\d)(?P<left>\d*)(?:\.(?P<right>\d*))?(?:e(?P<exponent>[+-]?\d+))?",
    re.ASCII | re.IGNORECASE,
)
_BLANK = " \t\v\f"

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


def is_numeral(text: str) -> bool:
    """Whether `text` is a number in decimal digits, blanks around it allowed; not nan, inf, 0x10 or 1_000."""
    return _NUMERAL.fullmatch(text.strip(_BLANK)) is not None


def whole(text: str, shift: int = 0, *, rounded: bool = False) -> int | None:
    """Return the numeral `text` times 10^shift, exactly; None if it is no numeral, or that no whole number in int64.

    What is not whole is taken to the nearest whole number, halves away from 0, if `rounded`.
    """
    match = _NUMERAL.fullmatch(text.strip(_BLANK))
    if match is None:
        return None
    sign, left, right, exponent = match.group("sign", "left", "right", "exponent")
    digits = (left + (right or "")).lstrip("0")
    kept = digits.rstrip("0")
    if not kept:
        return 0
    if len((exponent or "").lstrip("+-0")) > 6:
        return None  # and no huge number is ever made
    power = int(exponent or 0) - len(right or "") + len(digits) - len(kept) + shift
    if power < 0 and rounded:
        kept, power = _nearest(kept, -power), 0
    if power < 0 or len(kept) + power > 19:
        return None
    number = int(sign + kept) * 10**power
    return number if -(2**63) <= number < 2**63 else None


def _nearest(digits: str, decimals: int) -> str:
    """Return the whole number nearest to `digits` with the last `decimals` of them behind the point."""
    kept = digits[:-decimals] or "0" if decimals <= len(digits) else "0"
    first = digits[-decimals] if decimals <= len(digits) else "0"
    return str(int(kept) + 1) if first >= "5" and len(kept) < 20 else kept


def finest(text: str, coarse: str) -> str | None:
    """Return the first unit of time in which the numeral `text`, given in the unit `coarse`, is whole; None if none."""
    decimals = (shift - UNITS[coarse] for shift in UNITS.values())
    return next(
        (unit for unit, shift in zip(UNITS, decimals, strict=True) if whole(text, shift) is not None), None
    )


def mend_unit(text: str, unit: str) -> str:
    """Return what to do about a time, the numeral `text` of `unit`, that is not whole in the unit wanted."""
    holds = finest(text, unit)
    if holds:
        return f"say `time_unit: {holds}` in the catalogue, which holds it"
    if whole(text, rounded=True) is None:
        return "it is too large"
    return "say `round_times: true` in the catalogue if the nearest will do"


def whole_column(text_C: Bytes, start_R: Places, end_R: Places, shift: int = 0) -> NDArray[np.int64] | None:
    """Return `[R]` the numerals `text_C[start:end]` times 10^shift, or None unless `whole` has one for each.

    Not None for every column of them: one that has exponents, more than 18 digits or blanks is left to `whole`.
    """
    if not (end_R > start_R).all():
        return None
    negative_R = text_C[start_R] == ord("-")
    start_R = start_R + negative_R
    if not (end_R > start_R).all():
        return None
    point_R = end_R
    number_R = _digits(text_C, start_R, end_R)
    if number_R is None:  # most columns have no decimal point, and looking for it takes time
        point_R = _points(text_C, start_R, end_R)
        number_R = _digits(text_C, start_R, point_R) if (point_R > start_R).all() else None
    shifted_R = None if number_R is None else _shifted(text_C, number_R, point_R, end_R, shift)
    if shifted_R is None:
        return None
    sign_R: NDArray[np.int64] = 1 - 2 * negative_R.astype(np.int64)
    return shifted_R * sign_R


def _points(text_C: Bytes, start_R: Places, end_R: Places) -> Places:
    """Return `[R]` where the decimal point of each field is, its end if it has none."""
    points = np.append(np.flatnonzero(text_C == ord(".")), len(text_C))
    point_R: Places = np.minimum(points[np.searchsorted(points, start_R)], end_R)
    return point_R


def _digits(text_C: Bytes, start_R: Places, end_R: Places) -> NDArray[np.int64] | None:
    """Return `[R]` the number that the digits `text_C[start:end]` make, 0 without any; None if one is no digit."""
    number_R = np.zeros(len(start_R), np.int64)
    longest = int((end_R - start_R).max(initial=0))
    if longest > PLAIN:
        return None
    for place in range(longest):
        at_R = end_R - 1 - place
        inside_R = at_R >= start_R
        digit_R = np.where(
            inside_R, text_C[np.maximum(at_R, 0)] - ord("0"), 0
        )  # below "0" it wraps to over 200
        if (digit_R > 9).any():
            return None
        number_R += digit_R * np.int64(10**place)
    return number_R


def _shifted(
    text_C: Bytes, number_R: NDArray[np.int64], point_R: Places, end_R: Places, shift: int
) -> NDArray[np.int64] | None:
    """Return `[R]` number.fraction times 10^shift, the fraction standing behind the point; None if one is not whole."""
    fraction_R = np.minimum(point_R + 1, end_R)
    up = max(shift, 0)
    if shift < 0:
        number_R, rest_R = np.divmod(number_R, np.int64(10**-shift))
        if rest_R.any():
            return None
    used_R = np.minimum(fraction_R + up, end_R)
    part_R, beyond_R = _digits(text_C, fraction_R, used_R), _digits(text_C, used_R, end_R)
    if part_R is None or beyond_R is None or beyond_R.any():
        return None
    if up and number_R.max(initial=0) >= 10 ** (PLAIN - up):
        return None
    scaled_R: NDArray[np.int64] = number_R * np.int64(10**up) + part_R * 10 ** (fraction_R + up - used_R)
    return scaled_R
