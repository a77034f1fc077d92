"""Forecast steps as times: what step 3 of a 5-minute series is called."""

import re

# Of pandas' frequency names; its own parser takes "MS" (month start) for milliseconds.
MINUTES = {"s": 1 / 60, "min": 1.0, "h": 60.0, "D": 24 * 60.0, "W": 7 * 24 * 60.0}
MOST_MINUTES = 90  # the field says 60 min, not 1 h


def step_label(step: int, frequency: str | None) -> str:
    """Return "15 min", "3 h", "14 d", or "step 3" where the frequency is unknown or has no fixed length."""
    minutes = step_minutes(frequency)
    if minutes is None:
        return f"step {step}"
    total = minutes * step
    if total < 60 or (minutes < 60 and total <= MOST_MINUTES):
        return f"{total:g} min"
    if total < 24 * 60 or (minutes < 24 * 60 and total <= 48 * 60):
        return f"{total / 60:g} h"
    return f"{total / (24 * 60):g} d"


def step_minutes(frequency: str | None) -> float | None:
    """Return the minutes between two entries ("5min", "1h", "7D"); None where that is not fixed."""
    found = re.fullmatch(r"(\d*)([A-Za-z]+)", frequency or "")
    if not found or found[2] not in MINUTES:  # a month has no fixed length
        return None
    return int(found[1] or 1) * MINUTES[found[2]]


def step_unit(frequency: str | None) -> tuple[float, str]:
    """Return the length of one step and its unit, for an axis: (5, "min"), (1, "h"), (7, "d"), or (1, "")."""
    minutes = step_minutes(frequency)
    if minutes is None:
        return 1.0, ""
    for length, unit in ((24 * 60, "d"), (60, "h")):
        if minutes >= length:
            return minutes / length, unit
    return minutes, "min"
