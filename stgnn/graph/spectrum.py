"""The largest eigenvalue of a sparse matrix, by Arnoldi's method: deterministic, and without a dense matrix.

Axes: N rows, S steps.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
TOLERANCE = 1e-12  # of the residual, relative to the eigenvalue
MOST_STEPS = 512
CHECK_EVERY = 16


def largest_eigenvalue(times: Callable[[Vector], Vector], size: int) -> float:
    """The real part of the eigenvalue of largest magnitude of the N x N matrix that `times` multiplies by.

    Exact when the Krylov space is exhausted (always up to 512 rows), else to a residual of 1e-12 or what 512 steps
    give.
    """
    steps = min(size, MOST_STEPS)
    if steps == 0:
        return 0.0
    basis_SN = np.zeros((steps + 1, size))
    projected_SS = np.zeros((steps + 1, steps))
    start = np.random.default_rng(0).standard_normal(size)
    basis_SN[0] = start / np.linalg.norm(start)
    for step in range(steps):
        image = times(basis_SN[step])
        scale = np.linalg.norm(image)
        for _ in range(2):  # once is not enough for orthogonality in floating point
            share = basis_SN[: step + 1] @ image
            image = image - share @ basis_SN[: step + 1]
            projected_SS[: step + 1, step] += share
        length = np.linalg.norm(image)
        exhausted = length <= 1e-14 * scale or step + 1 == steps
        if exhausted or (step + 1) % CHECK_EVERY == 0:
            value, residual = _ritz(projected_SS[: step + 1, : step + 1], float(length))
            if exhausted or residual <= TOLERANCE * abs(value):
                break
        projected_SS[step + 1, step] = length
        basis_SN[step + 1] = image / length
    return value


def _ritz(projected_SS: Vector, length: float) -> tuple[float, float]:
    """The largest eigenvalue of the projection and the residual of its vector."""
    values, vectors = np.linalg.eig(projected_SS)
    largest = int(np.abs(values).argmax())
    return float(values[largest].real), length * float(abs(vectors[-1, largest]))
