"""Calendar features of a time axis: stored once per entry, never tiled over graph nodes.

Axes: T entries; the last axis is (time of day in [0, 1), day of week 0 = Monday .. 6).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CALENDAR_FEATURES = ("time_of_day", "day_of_week")
DAY_NS = 86_400_000_000_000


def calendar_of(time_T: NDArray[Any]) -> NDArray[np.float32] | None:
    """Return [T, 2] float32 calendar features, or None when the axis carries no dates."""
    if time_T.dtype.kind != "M":
        return None
    ns = time_T.astype("datetime64[ns]").astype(np.int64)
    time_of_day = (ns % DAY_NS) / DAY_NS
    day_of_week = (ns // DAY_NS + 3) % 7  # 1970-01-01 was a Thursday
    return np.stack([time_of_day, day_of_week], axis=1).astype(np.float32)
