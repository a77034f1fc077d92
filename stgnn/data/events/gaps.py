"""How long graph nodes wait between two of their events: what a clock is scaled by.

Axes: E events, N graph nodes, H half-edges.
"""

import math

import numpy as np
from numpy.typing import NDArray

from stgnn.store.temporal_csr import BLOCK, TemporalCSR


def time_between_events(graph: TemporalCSR, t: NDArray[np.int64], unit: float = 1.0) -> tuple[float, float]:
    """Mean and standard deviation, in seconds, of the time from a node's event to its next one.

    Give the graph of training events, so that nothing is known of later ones. Of a stream in which no node has two
    events, or all waits are equal, the deviation is 1.

    Args:
        graph: half-edges by node, in time order.
        t: times of all events [E], in units of `unit` seconds.
        unit: seconds of one unit of time.
    """
    count, total, squares = 0, 0.0, 0.0
    for first in range(0, len(graph.key), BLOCK):
        # One more than a block: the wait between its last half-edge and the next belongs to it.
        node_H, event_H = np.divmod(graph.key[first : first + BLOCK + 1], len(t) + 1)
        same = node_H[1:] == node_H[:-1]
        wait = (t[event_H[1:]] - t[event_H[:-1]])[same].astype(np.float64) * unit
        count, total, squares = count + len(wait), total + wait.sum(), squares + np.square(wait).sum()
    if not count:
        return 0.0, 1.0
    mean = total / count
    return float(mean), math.sqrt(max(squares / count - mean**2, 0.0)) or 1.0
