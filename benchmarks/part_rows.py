"""Parts of layers in `layers`, by themselves: PGT has them as classes of their own.

Axes: N graph nodes, T entries, F features, D dimensions of an embedding.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from attention_rows import Inputs, nodes
from layer_rows import EMBEDDING, ENTRIES, HIDDEN, TAPS, Row, Setup
from torch import nn

from stgnn.nn.attention.astgcn import SpatialAttention, TemporalAttention
from stgnn.nn.attention.graph_learning import GraphConstructor
from stgnn.nn.attention.mtgnn_layer import DilatedInception, LayerNormalization
from stgnn.nn.recurrent.agcrn import AVWGCN
from stgnn.nn.recurrent.dcrnn import DConv
from tests.pgt_oracle import load_pgt

PGT = "torch_geometric_temporal.nn."


def part(
    layer: Callable[..., nn.Module],
    module: str,
    arguments: Inputs,
    inputs: Inputs,
    pgt_inputs: Inputs | None = None,
) -> Row:
    """A class of both libraries, PGT's in `module`."""

    def side(make: Callable[..., nn.Module], setup: Setup, given: Inputs) -> Any:
        made, values = make(*arguments(setup)), given(setup)
        return made, lambda: made(*values)

    def pgt(setup: Setup) -> Any:
        load_pgt()
        return side(getattr(import_module(PGT + module), layer.__name__), setup, pgt_inputs or inputs)

    return Row(pgt, lambda setup: side(layer, setup, inputs), batched=True)


def every(setup: Setup) -> torch.Tensor:
    return torch.arange(nodes(setup), device=setup.device)


PART_ROWS: dict[str, Row] = {
    "DConv": part(
        DConv,
        "recurrent.dcrnn",
        lambda s: (HIDDEN, HIDDEN, TAPS),
        lambda s: (s.x(nodes(s), HIDDEN)[0], s.graph),
        lambda s: (s.x(nodes(s), HIDDEN)[0], s.index, s.weight),
    ),
    "AVWGCN": part(
        AVWGCN,
        "recurrent.agcrn",
        lambda s: (HIDDEN, HIDDEN, TAPS, EMBEDDING),
        lambda s: (s.x(nodes(s), HIDDEN), s.x(nodes(s), EMBEDDING)[0]),
    ),
    "SpatialAttention": part(
        SpatialAttention,
        "attention.astgcn",
        lambda s: (HIDDEN, nodes(s), ENTRIES),
        lambda s: (s.x(nodes(s), HIDDEN, ENTRIES),),
    ),
    "TemporalAttention": part(
        TemporalAttention,
        "attention.astgcn",
        lambda s: (HIDDEN, nodes(s), ENTRIES),
        lambda s: (s.x(nodes(s), HIDDEN, ENTRIES),),
    ),
    "GraphConstructor": part(
        GraphConstructor, "attention.mtgnn", lambda s: (nodes(s), 20, 40, 3.0), lambda s: (every(s),)
    ),
    "DilatedInception": part(
        DilatedInception,
        "attention.mtgnn",
        lambda s: (32, 32, [2, 3, 6, 7], 1),
        lambda s: (s.x(32, nodes(s), ENTRIES),),
    ),
    "LayerNormalization": part(
        LayerNormalization,
        "attention.mtgnn",
        lambda s: ((32, nodes(s), ENTRIES),),
        lambda s: (s.x(32, nodes(s), ENTRIES), every(s)),
    ),
}
