"""Random numbers that are a function of what they are for, and of nothing else: splitmix64 of a key.

The same on every device and in every process, whatever the order or the size of the batch they are asked in, so no
generator's state is ever stored or sent. (Philox, numpy's own counter-based generator, takes a Python call a key.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Words = TypeVar(
    "Words", "NDArray[np.int64]", "Tensor"
)  # int64, whose arithmetic wraps as the hash needs it to

_MASK = 2**64 - 1
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mix(value: int) -> int:
    """splitmix64 (Steele, Lea, Flood 2014): a bijection of 64-bit integers that scatters neighbours."""
    value = (value + _STEP) & _MASK
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def mix_words(values: Words) -> Words:
    """The same on every word of an array or a tensor."""
    values = values + signed(_STEP)
    values = (values ^ _shifted(values, 30)) * signed(_FIRST)
    values = (values ^ _shifted(values, 27)) * signed(_SECOND)
    return values ^ _shifted(values, 31)


def keyed(*parts: int) -> int:
    """One 64-bit key of several integers, as `mix_words` can add it: signed."""
    key = 0
    for part in parts:
        key = mix(key ^ (part & _MASK))
    return signed(key)


def below(words: Words, limit: Any) -> Words:
    """Uniform integers in `[0, limit)` of hashed words, `limit` (< 2^31) being a number or as many numbers.

    The upper 31 bits times the limit, as a fixed-point fraction: exact in integers, so equal everywhere. No value is
    likelier than another by more than limit / 2^31.
    """
    scaled: Words = _shifted(words, 33) * limit
    return scaled >> 31


def signed(value: int) -> int:
    """The signed 64-bit integer of the same bits."""
    return value - 2**64 if value >= 2**63 else value


def _shifted(values: Words, bits: int) -> Words:
    """A logical right shift: int64 is shifted arithmetically, so the copied sign bits are masked off."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)
