"""The attention layers of `layers`; PGT's all take a batch.

Axes: B samples, T entries, N graph nodes, F features.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from layer_rows import BATCH, ENTRIES, FEATURES, HIDDEN, TAPS, Row, Setup, of_pgt
from torch import Tensor, nn

from stgnn.nn.attention.astgcn import ASTGCN, ChebConvAttention
from stgnn.nn.attention.dnntsp import DNNTSP
from stgnn.nn.attention.gman import GMAN
from stgnn.nn.attention.graph_learning import MixProp
from stgnn.nn.attention.mstgcn import MSTGCN
from stgnn.nn.attention.mtgnn import MTGNN
from stgnn.nn.attention.stgcn import STConv, TemporalConv
from stgnn.nn.attention.tsagcn import AAGCN

Inputs = Callable[[Setup], tuple[Any, ...]]
STEPS_PER_DAY = 288
WIDTHS = (HIDDEN, HIDDEN)
MTGNN_SIZES: dict[str, Any] = {
    "gcn_true": True,
    "build_adj": True,
    "gcn_depth": 2,
    "kernel_set": [2, 3, 6, 7],
    "kernel_size": 7,
    "dropout": 0.3,
    "subgraph_size": 20,
    "node_dim": 40,
    "dilation_exponential": 1,
    "conv_channels": 32,
    "residual_channels": 32,
    "skip_channels": 64,
    "end_channels": 128,
    "seq_length": ENTRIES,
    "in_dim": FEATURES,
    "out_dim": ENTRIES,
    "layers": 3,
    "propalpha": 0.05,
    "tanhalpha": 3,
    "layer_norm_affline": True,
}


def row(
    layer: Callable[..., nn.Module],
    arguments: Inputs,
    inputs: Inputs,
    pgt_inputs: Inputs | None = None,
    module: str = "attention",
) -> Row:
    """A layer with the same arguments on both sides and, unless `pgt_inputs` are given, the same inputs."""

    def side(make: Callable[..., nn.Module], setup: Setup, inputs: Inputs) -> Any:
        *positional, named = arguments(setup)
        made, given = make(*positional, **named), inputs(setup)
        return made, lambda: made(*given)

    def pgt(setup: Setup) -> Any:
        return side(partial(of_pgt, layer.__name__, module=module), setup, pgt_inputs or inputs)

    def ours(setup: Setup) -> Any:
        return side(layer, setup, inputs)

    return Row(pgt, ours, batched=True)


def nodes(setup: Setup) -> int:
    return setup.graph.num_nodes


def x_BNFT(setup: Setup) -> Tensor:
    return setup.x(nodes(setup), FEATURES, ENTRIES)


def attended(setup: Setup) -> Tensor:
    return setup.x(nodes(setup), nodes(setup)).softmax(1)


def places_and_times(setup: Setup) -> tuple[Tensor, Tensor, Tensor]:
    at = torch.arange(2 * ENTRIES, device=setup.device).expand(BATCH, -1)
    return setup.x(ENTRIES, nodes(setup)), setup.x(nodes(setup), HIDDEN)[0], torch.stack([at // 12, at], 2)


def stacked_samples(setup: Setup) -> tuple[Tensor, Tensor, Tensor]:
    """A block-diagonal graph of all samples, as PGT's layer has it."""
    edges, count = setup.index.shape[1], nodes(setup)
    shift = (torch.arange(BATCH, device=setup.device) * count).repeat_interleave(edges)
    x_RD = setup.x(count, HIDDEN).flatten(0, 1)
    return x_RD, setup.index.repeat(1, BATCH) + shift, setup.weight.repeat(BATCH)


ATTENTION_ROWS: dict[str, Row] = {
    "TemporalConv": row(
        TemporalConv, lambda s: (*WIDTHS, TAPS, {}), lambda s: (s.x(ENTRIES, nodes(s), HIDDEN),)
    ),
    "STConv": row(
        STConv,
        lambda s: (nodes(s), FEATURES, *WIDTHS, TAPS, TAPS, {}),
        lambda s: (s.x_BTNF, s.graph),
        lambda s: (s.x_BTNF, s.index, s.weight),
    ),
    "ChebConvAttention": row(
        ChebConvAttention,
        lambda s: (*WIDTHS, TAPS, "sym", {}),
        lambda s: (s.x(nodes(s), HIDDEN), s.graph, attended(s)),
        lambda s: (s.x(nodes(s), HIDDEN), s.index, attended(s), s.weight),
    ),
    "ASTGCN": row(
        ASTGCN,
        lambda s: (2, FEATURES, TAPS, *WIDTHS, 1, ENTRIES, ENTRIES, nodes(s), {}),
        lambda s: (x_BNFT(s), s.graph),
        lambda s: (x_BNFT(s), s.index),
    ),
    "MSTGCN": row(
        MSTGCN,
        lambda s: (2, FEATURES, TAPS, *WIDTHS, 1, ENTRIES, ENTRIES, {}),
        lambda s: (x_BNFT(s), s.graph),
        lambda s: (x_BNFT(s), s.index),
    ),
    "GMAN": row(
        GMAN, lambda s: (1, 8, HIDDEN // 8, ENTRIES, 0.1, STEPS_PER_DAY, True, False, {}), places_and_times
    ),
    "MixProp": row(
        MixProp,
        lambda s: (32, 32, 2, 0.0, 0.05, {}),
        lambda s: (s.x(32, nodes(s), ENTRIES), attended(s)[0]),
    ),
    "MTGNN": row(
        MTGNN,
        lambda s: (MTGNN_SIZES | {"num_nodes": nodes(s)},),
        lambda s: (s.x(FEATURES, nodes(s), ENTRIES),),
    ),
    "AAGCN": row(
        AAGCN,
        lambda s: (FEATURES, HIDDEN, s.index, nodes(s), {}),
        lambda s: (s.x(FEATURES, ENTRIES, nodes(s)),),
    ),
    "DNNTSP": row(DNNTSP, lambda s: (nodes(s), HIDDEN, 4, {}), stacked_samples),
}
