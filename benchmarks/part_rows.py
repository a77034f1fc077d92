"""Parts of layers in `layers`, by themselves: PGT has them as classes of their own.

Axes: N graph nodes, T entries, F features, D dimensions of an embedding.
"""

import torch
from attention_rows import nodes, row
from layer_rows import EMBEDDING, ENTRIES, HIDDEN, TAPS, Row, Setup

from stgnn.nn.attention.astgcn import SpatialAttention, TemporalAttention
from stgnn.nn.attention.graph_learning import GraphConstructor
from stgnn.nn.attention.mtgnn_layer import DilatedInception, LayerNormalization
from stgnn.nn.recurrent.agcrn import AVWGCN
from stgnn.nn.recurrent.dcrnn import DConv


def every(setup: Setup) -> torch.Tensor:
    return torch.arange(nodes(setup), device=setup.device)


PART_ROWS: dict[str, Row] = {
    "DConv": row(
        DConv,
        lambda s: (HIDDEN, HIDDEN, TAPS, {}),
        lambda s: (s.x(nodes(s), HIDDEN)[0], s.graph),
        lambda s: (s.x(nodes(s), HIDDEN)[0], s.index, s.weight),
        module="recurrent.dcrnn",
    ),
    "AVWGCN": row(
        AVWGCN,
        lambda s: (HIDDEN, HIDDEN, TAPS, EMBEDDING, {}),
        lambda s: (s.x(nodes(s), HIDDEN), s.x(nodes(s), EMBEDDING)[0]),
        module="recurrent.agcrn",
    ),
    "SpatialAttention": row(
        SpatialAttention,
        lambda s: (HIDDEN, nodes(s), ENTRIES, {}),
        lambda s: (s.x(nodes(s), HIDDEN, ENTRIES),),
        module="attention.astgcn",
    ),
    "TemporalAttention": row(
        TemporalAttention,
        lambda s: (HIDDEN, nodes(s), ENTRIES, {}),
        lambda s: (s.x(nodes(s), HIDDEN, ENTRIES),),
        module="attention.astgcn",
    ),
    "GraphConstructor": row(
        GraphConstructor,
        lambda s: (nodes(s), 20, 40, 3.0, {}),
        lambda s: (every(s),),
        module="attention.mtgnn",
    ),
    "DilatedInception": row(
        DilatedInception,
        lambda s: (32, 32, [2, 3, 6, 7], 1, {}),
        lambda s: (s.x(32, nodes(s), ENTRIES),),
        module="attention.mtgnn",
    ),
    "LayerNormalization": row(
        LayerNormalization,
        lambda s: ((32, nodes(s), ENTRIES), {}),
        lambda s: (s.x(32, nodes(s), ENTRIES), every(s)),
        module="attention.mtgnn",
    ),
}
