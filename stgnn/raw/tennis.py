"""How PyTorch Geometric Temporal encodes the accounts of its Twitter tennis graphs.

Axes: N graph nodes, F features.
"""

import numpy as np
from numpy.typing import NDArray

LOG_DEGREES, TENTHS = 5, 11  # classes of the degree's logarithm and of the transitivity
ENCODED = (
    *(f"log_degree_{number}" for number in range(LOG_DEGREES)),
    *(f"transitivity_{number}" for number in range(TENTHS)),
)


def encode(degree_N: NDArray[np.float32], transitivity_N: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return [..., N, 16]: one-hot classes of ceil(ln(degree + 1)), at most 4, and of the transitivity's tenths."""
    log_degree_N = np.minimum(np.ceil(np.log(degree_N.astype(np.float64) + 1.0)), LOG_DEGREES - 1)
    # In float32: 10 * 0.7 is 7 there, but 6.99999988 where 0.7 as float32 is widened first.
    tenths_N = np.floor(transitivity_N * np.float32(10))
    classes = np.eye(LOG_DEGREES)[log_degree_N.astype(int)], np.eye(TENTHS)[tenths_N.astype(int)]
    return np.concatenate(classes, axis=-1)


def log_mentions(mentions_N: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ln(1 + mentions)."""
    return np.log(1.0 + mentions_N.astype(np.float64))
