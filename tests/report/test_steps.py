"""Forecast steps as times."""

import pytest

from stgnn.report.steps import step_label, step_unit


@pytest.mark.parametrize(
    "step, frequency, label",
    [
        (3, "5min", "15 min"),
        (12, "5min", "60 min"),
        (24, "5min", "2 h"),
        (6, "15min", "90 min"),
        (1, "1h", "1 h"),
        (24, "h", "24 h"),
        (72, "1h", "3 d"),
        (1, "7D", "7 d"),
        (3, None, "step 3"),
        (3, "MS", "step 3"),  # months differ in length
    ],
)
def test_step_is_named_by_its_time_where_that_is_fixed(step: int, frequency: str | None, label: str) -> None:
    assert step_label(step, frequency) == label


def test_axis_unit_follows_the_frequency() -> None:
    assert step_unit("5min") == (5, "min")
    assert step_unit("2h") == (2, "h")
    assert step_unit("7D") == (7, "d")
    assert step_unit(None) == (1, "")
