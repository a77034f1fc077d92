"""Mean, spread, digits and differences, on values worked out by hand."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stgnn.report.summary import (
    Summary,
    best,
    differ,
    format_digits,
    format_ratio,
    format_summary,
    p_value,
    student_p,
    summarise,
)

FINITE = st.floats(-1e6, 1e6)


def test_spread_is_the_sample_standard_deviation() -> None:
    summary = summarise([1.0, 1.2, 1.4])
    assert summary is not None
    assert summary.mean == pytest.approx(1.2)
    assert summary.std == pytest.approx(0.2)
    assert summary.n == 3


def test_one_seed_has_no_spread() -> None:
    assert summarise([3.5]) == Summary(3.5, None, 1)


def test_a_diverged_seed_is_left_out_and_n_says_so() -> None:
    assert summarise([2.0, math.nan, 4.0, math.inf]) == Summary(3.0, pytest.approx(math.sqrt(2)), 2)


def test_nothing_finite_is_no_summary() -> None:
    assert summarise([math.nan]) is None
    assert summarise([]) is None


def test_certainty_is_not_believed_where_values_differ() -> None:
    certain, doubtful = summarise([1.0, 1.0], certain=True), summarise([1.0, 2.0], certain=True)
    assert certain is not None and certain.certain
    assert doubtful is not None and not doubtful.certain


@settings(deadline=None)  # the first example imports scipy
@given(st.floats(-1e3, 1e3), st.floats(0.01, 10), st.integers(2, 9), st.floats(0.01, 10), st.integers(2, 9))
def test_p_is_that_of_welch(gap: float, s: float, n: int, t: float, m: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.ttest_ind_from_stats(gap, s, n, 0.0, t, m, equal_var=False).pvalue
    assert p_value(Summary(gap, s, n), Summary(0.0, t, m)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("freedom", [1, 1.3, 2, 3.7, 30, 1000])
def test_level_is_reached_at_the_critical_value_of_student(freedom: float) -> None:
    critical = pytest.importorskip("scipy.stats").t.ppf(0.975, freedom)
    assert student_p(critical, freedom) == pytest.approx(0.05, abs=1e-8)


def test_a_value_without_chance_is_what_one_sample_is_tested_against() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = [1.0, 1.2, 1.5]
    drawn, exact = summarise(values), Summary(1.6, None, 1, certain=True)
    assert drawn is not None
    assert p_value(drawn, exact) == pytest.approx(stats.ttest_1samp(values, 1.6).pvalue, abs=1e-9)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_equal_models_are_rarely_told_apart(n: int) -> None:
    dice = random.Random(n)
    pairs = [[summarise(dice.gauss(3, 0.1) for _ in range(n)) for _ in range(2)] for _ in range(400)]
    assert sum(differ(a, b) for a, b in pairs if a and b) / len(pairs) < 0.07


def test_two_of_the_same_margin_differ_with_more_seeds_only() -> None:
    # t = 2.24 with 2 and 5.0 with 10 seeds; the critical values are 4.30 and 2.10
    assert not differ(Summary(1.0, 0.1, 2), Summary(1.224, 0.1, 2))
    assert differ(Summary(1.0, 0.1, 10), Summary(1.224, 0.1, 10))


def test_noise_of_one_seed_is_unknown_unless_the_model_is_certain() -> None:
    drawn, exact = Summary(1.0, 0.1, 3), Summary(9.0, None, 1, certain=True)
    assert not differ(drawn, Summary(9.0, None, 1))
    assert not differ(Summary(1.0, None, 1), Summary(9.0, None, 1))
    assert not differ(Summary(1.0, None, 1), exact)
    assert differ(drawn, exact)
    assert differ(Summary(1.0, None, 1, certain=True), exact)
    assert not differ(exact, exact)


@given(FINITE, st.floats(0, 1e6), FINITE, st.floats(0, 1e6))
def test_difference_does_not_depend_on_the_order(a: float, s: float, b: float, t: float) -> None:
    one, other = Summary(a, s, 3), Summary(b, t, 3)
    assert p_value(one, other) == p_value(other, one)


def test_best_is_nobody_inside_the_noise() -> None:
    assert best([Summary(1.0, 0.2, 3), Summary(1.1, 0.2, 3)], "lower", ["a", "b"]) == set()


def test_best_must_beat_every_rival() -> None:
    rows = [Summary(1.0, 0.1, 3), Summary(2.0, 0.1, 3), Summary(1.05, 0.1, 3)]
    assert best(rows[:2], "lower", ["a", "b"]) == {0}
    assert best(rows, "lower", ["a", "b", "c"]) == set()


def test_best_is_shared_within_a_family_only() -> None:
    rows = [Summary(1.0, 0.1, 3), Summary(1.0, 0.1, 3), Summary(2.0, 0.1, 3)]
    assert best(rows, "lower", ["a", "a", "b"]) == {0, 1}
    assert best(rows, "lower", ["a", "b", "c"]) == set()


def test_best_needs_a_rival() -> None:
    assert best([Summary(1.0, 0.1, 3)], "lower", ["a"]) == set()
    assert best([Summary(1.0, 0.1, 3), Summary(1.0, 0.1, 3)], "lower", ["a", "a"]) == set()


def test_means_printed_alike_have_no_best() -> None:
    rows = [Summary(0.2412, 0.0001, 3), Summary(0.2434, 0.0001, 3)]
    assert best(rows, "lower", ["a", "b"]) == {0}
    assert best(rows, "lower", ["a", "b"], most_decimals=2) == set()


def test_best_of_a_throughput_is_the_highest_and_missing_rows_do_not_count() -> None:
    rows = [Summary(5.0, 0.1, 3), None, Summary(7.0, 0.1, 3)]
    assert best(rows, "higher", ["a", "b", "c"]) == {2}
    assert best(rows, "", ["a", "b", "c"]) == set()


@pytest.mark.parametrize(
    "mean, std, text",
    [
        (1.89234, 0.00561, "1.8923 ± 0.0056"),
        (188.2, 5.15, "188.2 ± 5.2"),
        (4497.4, 56.67, "4,497 ± 57"),
        (12345.6, 1234.5, "12,346 ± 1,234"),
        (0.1707, 0.0303, "0.171 ± 0.030"),
        (2.5, 0.0, "2.500 ± 0"),
        (2.5, 1e-9, "2.50000 ± <0.00001"),
        (0.0, 0.012, "0.000 ± 0.012"),
        (1.23456, None, "1.235"),
        (372353.0, None, "372,353"),
    ],
)
def test_digits_end_at_the_second_of_the_spread(mean: float, std: float | None, text: str) -> None:
    assert format_summary(Summary(mean, std, 3)) == text


def test_costs_have_no_more_digits_than_their_clock() -> None:
    assert format_summary(Summary(0.2361, 0.0721, 3), most_decimals=2) == "0.24 ± 0.07"
    assert format_summary(Summary(0.00003, None, 1), most_decimals=2) == "<0.01"


def test_a_certain_value_shows_no_spread() -> None:
    assert format_summary(Summary(2.5, 0.0, 3, certain=True)) == "2.500"


def test_missing_is_an_en_dash() -> None:
    assert format_summary(None) == "–"
    assert format_ratio(None) == "–"
    assert format_ratio(0.0003) == "<0.001"


@pytest.mark.parametrize(
    "ratio, text", [(0.0634, "0.063"), (0.874, "0.87"), (1, "1.00"), (12.34, "12.3"), (1234, "1,234")]
)
def test_ratio_keeps_about_three_digits(ratio: float, text: str) -> None:
    assert format_ratio(ratio) == text


@given(st.floats(1e-9, 1e12))
def test_printed_digits_are_right(value: float) -> None:
    assert float(format_digits(value, 4).replace(",", "")) == pytest.approx(value, rel=6e-4)
