"""Numbers as text are worth exactly what they say."""

import random
import re
from fractions import Fraction

import numpy as np
import pytest

from stgnn.raw.numerals import finest, is_numeral, whole, whole_column


def worth(text: str, shift: int) -> int | None:
    value = Fraction(re.sub(r"\.(?=e|$)", ".0", text)) * Fraction(10) ** shift
    return int(value) if value.denominator == 1 and -(2**63) <= value < 2**63 else None


def numeral(dice: random.Random, *, plain: bool) -> str:
    """Digits, and perhaps a sign, a point, decimals; an exponent, or nothing at all, only where not `plain`."""
    digits = "".join(dice.choices("0123456789", k=dice.randrange(plain, 20 if plain else 23)))
    decimals = "." + "".join(dice.choices("00012345", k=dice.randrange(13))) if dice.random() < 0.6 else ""
    exponent = "" if plain or dice.random() < 0.6 else f"e{dice.randrange(-40, 40)}"
    return dice.choice(["", "-"] if plain else ["", "-", "+"]) + digits + decimals + exponent


def test_a_numeral_is_worth_its_fraction() -> None:
    dice = random.Random(0)
    for _ in range(1000):
        text, shift = numeral(dice, plain=False), dice.randrange(-9, 10)
        if re.search(r"\d", text.partition("e")[0]):
            assert is_numeral(text) and whole(text, shift) == worth(text, shift), (text, shift)
        else:
            assert not is_numeral(text) and whole(text, shift) is None


def test_a_column_is_read_as_its_numerals_are() -> None:
    dice, read = random.Random(1), 0
    for _ in range(1000):
        texts, shift = (
            [numeral(dice, plain=True) for _ in range(dice.randrange(1, 4))],
            dice.randrange(-9, 10),
        )
        text_C = np.frombuffer((",".join(texts) + "\n").encode(), np.uint8)
        end_R = np.flatnonzero((text_C == ord(",")) | (text_C == ord("\n")))
        found = whole_column(text_C, np.concatenate([[0], end_R[:-1] + 1]), end_R, shift)
        expected = [worth(text, shift) for text in texts]
        short = all(len(re.sub(r"\D", "", text)) + max(shift, 0) <= 18 for text in texts)
        assert found is None or found.tolist() == expected, (texts, shift)
        assert found is not None or None in expected or not short, (texts, shift)
        read += found is not None
    assert read > 100


@pytest.mark.parametrize(
    "text", ["", " ", ".", "-", "e5", "1e", "nan", "inf", "0x10", "1_0", "１", "1 2", "1\n"]
)
def test_what_is_no_numeral_is_worth_nothing(text: str) -> None:
    assert not is_numeral(text) and whole(text) is None


def test_no_numeral_is_too_large_to_refuse() -> None:
    for text in ("9" * 10_000, "1e999999999999999999999", "0." + "0" * 10_000 + "1"):
        assert is_numeral(text) and whole(text) is None
    assert whole("0e999999999999999999999") == 0 and whole("1" + "0" * 10_000 + "e-10000") == 1


@pytest.mark.parametrize(
    "text, unit", [("5", "s"), ("0.25", "ms"), ("1e-6", "us"), ("1.000000001", "ns"), ("1e-10", None)]
)
def test_the_finest_unit_needed_is_named(text: str, unit: str | None) -> None:
    assert finest(text, "s") == unit


@pytest.mark.parametrize(
    "text, shift, nearest",
    [("6.00099992752", 3, 6001), ("0.4999", 0, 0), ("-0.5", 0, -1), ("1e-400", 0, 0), ("99.5", 0, 100), ("7e2", -3, 1),
     ("4", -2, 0)],
)  # fmt: skip
def test_a_numeral_is_rounded_on_request_only(text: str, shift: int, nearest: int) -> None:
    assert whole(text, shift, rounded=True) == nearest and whole(text, shift) is None
    assert whole("9" * 25 + ".5", rounded=True) is None and whole("12", rounded=True) == 12
