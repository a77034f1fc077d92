"""One graph in the stead of those that change with time, for models that want one.

Axes: E edges.
"""

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.store.signal_store import SignalStore

BLOCK_EDGES = 1 << 20  # summed at a time: memory grows with the distinct edges, not with the entries


def mean_graph(store: SignalStore, entries: range) -> Graph:
    """Return the mean of the graphs of `entries`: each edge's weights, 0 where it is absent, over their number.

    An edge that an entry has several times counts there with its sum, as in `Graph`. Summed in float64. Give the
    entries of training alone: later ones would tell a model of the future.
    """
    if store.edge_ptr is None:
        raise InputError(store.path, "has one graph for all entries", "use its edge_index")
    nodes, (begin, end) = store.shape[1], store.edge_ptr[[entries.start, entries.stop]].tolist()
    place_E, weight_E = np.zeros(0, np.int64), np.zeros(0)
    while begin < end:
        # As many more as there are distinct ones, so that what has been summed is sorted again a few times only.
        block = slice(begin, min(begin + max(BLOCK_EDGES, len(place_E)), end))
        source, target = store.edge_index[:, block]
        place_E, weight_E = _summed(
            np.append(place_E, source * nodes + target), np.append(weight_E, store.edge_weight[block])
        )
        begin = block.stop
    return Graph.from_numpy(np.stack(np.divmod(place_E, nodes)), weight_E / len(entries), nodes)


def _summed(
    place: NDArray[np.int64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Each place once, in order, with the sum of its weights."""
    distinct, inverse = np.unique(place, return_inverse=True)
    return distinct, np.bincount(inverse, weight).astype(np.float64, copy=False)
