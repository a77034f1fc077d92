"""Mean and spread over seeds, what counts as a difference, and how many digits are worth printing."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stgnn.report.metrics import Direction

MISSING = "–"
DIGITS_WITHOUT_SPREAD = 4
LEVEL = 0.05  # of significance: equal models are told apart this often
MOST_DIGITS = 6  # a spread far below a value's sixth digit says nothing about the forecast


@dataclass(frozen=True)
class Summary:
    """A metric over the seeds of one row: mean, sample standard deviation (None with one seed), n."""

    mean: float
    std: float | None
    n: int
    certain: bool = False  # no chance in it: one run stands for all seeds

    @property
    def noise(self) -> float | None:
        """The spread to expect between seeds, None where it is unknown."""
        return 0.0 if self.certain else self.std


def summarise(values: Iterable[float], certain: bool = False) -> Summary | None:
    """Return the summary of the finite values, None when there is none.

    `certain` says that the values have no chance in them; it is not believed where they differ.
    """
    finite = [float(value) for value in values if math.isfinite(value)]
    if not finite:
        return None
    std = statistics.stdev(finite) if len(finite) > 1 else None
    return Summary(math.fsum(finite) / len(finite), std, len(finite), certain and not std)


def p_value(a: Summary, b: Summary) -> float | None:
    """Return Welch's two-sided p: how often equal models would differ in their means by as much or more.

    A value without chance is exact, which makes it a one-sample t-test against that value. None where
    the noise of either is unknown.
    """
    if a.noise is None or b.noise is None:
        return None
    squares = [(each.noise or 0.0) ** 2 / each.n for each in (a, b)]  # of the means' standard errors
    total, gap = math.fsum(squares), abs(a.mean - b.mean)
    if not total:
        return float(gap == 0)
    shares = [
        (square / total) ** 2 / (each.n - 1) for each, square in zip((a, b), squares, strict=True) if square
    ]
    return student_p(gap / math.sqrt(total), 1 / math.fsum(shares))


def student_p(t: float, freedom: float) -> float:
    """Return the chance that Student's t with so many degrees of freedom (>= 1) lies beyond +-`t`.

    With t = sqrt(freedom) * tan(angle), its density is that of cos(angle) ** (freedom - 1), which
    Simpson's rule integrates: the error is below 1e-4, and far smaller where it matters, near `LEVEL`.
    """
    steps = 1000
    width = math.atan(t / math.sqrt(freedom)) / steps
    heights = [math.pow(math.cos(width * step), freedom - 1) for step in range(steps + 1)]
    inside = width / 3 * (heights[0] + 4 * sum(heights[1::2]) + 2 * sum(heights[2:-1:2]) + heights[-1])
    log_whole = math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2)
    return max(0.0, 1 - inside / (math.sqrt(math.pi) / 2 * math.exp(log_whole)))


def differ(a: Summary, b: Summary) -> bool:
    """Do the means differ at the 5 % level? Where the noise of either is unknown the answer is no."""
    p = p_value(a, b)
    return p is not None and p < LEVEL


def best(
    summaries: Sequence[Summary | None], better: Direction, families: Sequence[str], most_decimals: int = 9
) -> set[int]:
    """Return the positions of the best of `summaries`; empty unless it differs from all its rivals.

    Members of one family (a model trained through several batchings) that do not differ from the first
    share its place; whoever is left is a rival. Means that are printed alike do not differ.
    """
    present = {position: each for position, each in enumerate(summaries) if each is not None}
    if not better or not present:
        return set()
    choose = min if better == "lower" else max
    winner = choose(present, key=lambda position: present[position].mean)
    printed = {position: _printed_mean(each, most_decimals) for position, each in present.items()}
    beaten = {
        position
        for position, each in present.items()
        if printed[position] != printed[winner] and differ(present[winner], each)
    }
    sharing = {position for position in present if families[position] == families[winner]} - beaten
    return sharing if beaten and beaten | sharing == set(present) else set()


def _printed_mean(summary: Summary, most_decimals: int) -> str:
    return format_summary(summary, most_decimals).partition(" ±")[0]


def format_summary(summary: Summary | None, most_decimals: int = 9) -> str:
    """Return `mean ± std`, both cut at the spread's second digit; the mean alone with one seed."""
    if summary is None:
        return MISSING
    if not summary.std:
        mean = _cut(summary.mean, min(most_decimals, _decimals(summary.mean, DIGITS_WITHOUT_SPREAD)))
        return mean if summary.std is None or summary.certain else f"{mean} ± 0"
    wanted = 1 - math.floor(math.log10(summary.std))
    decimals = min(wanted, most_decimals, _decimals(summary.mean, MOST_DIGITS))
    return f"{_cut(summary.mean, decimals)} ± {_cut(summary.std, decimals)}"


def format_digits(value: float, digits: int) -> str:
    """Return `value` with so many significant digits, never in exponent form."""
    return _cut(value, _decimals(value, digits))


def format_ratio(ratio: float | None) -> str:
    """Return a ratio with two decimals, more below a tenth and fewer from ten on."""
    if ratio is None:
        return MISSING
    decimals = 3 if ratio < 0.1 else 2 if ratio < 10 else 1 if ratio < 100 else 0
    return _cut(ratio, decimals)


def _decimals(value: float, digits: int) -> int:
    return digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)


def _cut(value: float, decimals: int) -> str:
    """`value` with so many decimals; one that would vanish is said to be smaller than the last."""
    decimals = max(0, decimals)
    smallest = 10.0**-decimals
    return f"<{smallest:.{decimals}f}" if 0 < value < smallest / 2 else f"{value:,.{decimals}f}"
