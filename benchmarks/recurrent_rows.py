"""The recurrent layers of `layers`. Where PGT's layer takes no batch, its side loops over samples, as its users do.

Axes: B samples, T entries, N graph nodes, F features, P periods.
"""

from collections.abc import Callable
from typing import Any

import torch
from layer_rows import BATCH, EMBEDDING, ENTRIES, FEATURES, HIDDEN, RELATIONS, TAPS, Row, Setup, of_pgt
from torch import Tensor, nn

from stgnn.graph.graph import Graph
from stgnn.nn.hetero.heterogclstm import HeteroGCLSTM
from stgnn.nn.recurrent.a3tgcn import A3TGCN, A3TGCN2
from stgnn.nn.recurrent.agcrn import AGCRN
from stgnn.nn.recurrent.dcrnn import DCRNN, BatchedDCRNN
from stgnn.nn.recurrent.dygrae import DyGrEncoder
from stgnn.nn.recurrent.evolvegcn import EvolveGCNH, EvolveGCNO
from stgnn.nn.recurrent.gclstm import GCLSTM
from stgnn.nn.recurrent.gconv_gru import GConvGRU
from stgnn.nn.recurrent.gconv_lstm import GConvLSTM
from stgnn.nn.recurrent.lrgcn import LRGCN
from stgnn.nn.recurrent.mpnn_lstm import MPNNLSTM
from stgnn.nn.recurrent.tgcn import TGCN, TGCN2


def stepped(layer: nn.Module, x_TNF: Tensor, *graph: Tensor) -> Tensor:
    """States of PGT's cell over a sequence; what it returns is carried on."""
    states, carried = [], ()
    for x in x_TNF:
        result = layer(x, *graph, *carried)
        carried = result if isinstance(result, tuple) else (result,)
        states.append(carried[0])
    return torch.stack(states)


def cell(layer: Callable[..., nn.Module], name: str, *arguments: Any) -> Row:
    """A recurrent cell with PGT's arguments on a graph that PGT steps through sample by sample."""

    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        theirs = of_pgt(name, *arguments)
        graph = setup.index, setup.weight
        return theirs, lambda: torch.stack([stepped(theirs, x, *graph) for x in setup.x_BTNF])

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        mine: Any = layer(*arguments)
        return mine, lambda: mine.unroll(setup.x_BTNF, setup.graph)[0]

    return Row(pgt, ours)


def tgcn2() -> Row:
    arguments = FEATURES, HIDDEN, BATCH

    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        theirs = of_pgt("TGCN2", *arguments)
        x_TBNF = setup.x_BTNF.transpose(0, 1)
        return theirs, lambda: stepped(theirs, x_TBNF, setup.index, setup.weight)

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        mine = TGCN2(*arguments)
        return mine, lambda: mine.unroll(setup.x_BTNF, setup.graph)[0]

    return Row(pgt, ours, batched=True)


def batched_dcrnn() -> Row:
    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        theirs = of_pgt("BatchedDCRNN", FEATURES, HIDDEN, TAPS)
        return theirs, lambda: theirs(setup.x_BTNF, setup.index, setup.weight)

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        mine = BatchedDCRNN(FEATURES, HIDDEN, TAPS)
        return mine, lambda: mine(setup.x_BTNF, setup.graph)

    return Row(pgt, ours, batched=True)


def a3tgcn(batched: bool) -> Row:
    """PGT's layer draws its attention on a GPU where there is one: `training_step` moves it."""

    def inputs(setup: Setup) -> Tensor:
        return setup.x(setup.graph.num_nodes, FEATURES, ENTRIES)

    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        x_BNFP, graph = inputs(setup), (setup.index, setup.weight)
        if batched:
            whole = of_pgt("A3TGCN2", FEATURES, HIDDEN, ENTRIES, BATCH)
            return whole, lambda: whole(x_BNFP, *graph)
        single = of_pgt("A3TGCN", FEATURES, HIDDEN, ENTRIES)
        return single, lambda: torch.stack([single(x, *graph) for x in x_BNFP])

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        x_BNFP = inputs(setup)
        mine = A3TGCN2(FEATURES, HIDDEN, ENTRIES, BATCH) if batched else A3TGCN(FEATURES, HIDDEN, ENTRIES)
        return mine, lambda: mine(x_BNFP, setup.graph)

    return Row(pgt, ours, batched)


class WithEmbedding(nn.Module):
    """A layer and the node embeddings that its caller owns."""

    def __init__(self, layer: nn.Module, num_nodes: int) -> None:
        super().__init__()
        self.layer, self.embedding = layer, nn.Parameter(torch.randn(num_nodes, EMBEDDING))


def agcrn() -> Row:
    arguments = FEATURES, HIDDEN, 2, EMBEDDING

    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        nodes = setup.graph.num_nodes
        theirs = WithEmbedding(of_pgt("AGCRN", nodes, *arguments), nodes)
        x_TBNF = setup.x_BTNF.transpose(0, 1)
        return theirs, lambda: stepped(theirs.layer, x_TBNF, theirs.embedding)

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        nodes = setup.graph.num_nodes
        layer = AGCRN(nodes, *arguments)
        mine = WithEmbedding(layer, nodes)
        return mine, lambda: layer.unroll(setup.x_BTNF, mine.embedding)[0]

    return Row(pgt, ours, batched=True)


def lrgcn() -> Row:
    arguments = FEATURES, HIDDEN, RELATIONS, 2

    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        theirs, relation = of_pgt("LRGCN", *arguments), setup.relation.to(setup.device)
        graph = setup.index, relation
        return theirs, lambda: torch.stack([stepped(theirs, x, *graph) for x in setup.x_BTNF])

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        mine, index, nodes = LRGCN(*arguments), setup.graph.edge_index, setup.graph.num_nodes
        graphs = [Graph(index[:, setup.relation == r], None, nodes) for r in range(RELATIONS)]
        return mine, lambda: mine.unroll(setup.x_BTNF, graphs)[0]

    return Row(pgt, ours)


def dygr_encoder() -> Row:
    arguments = HIDDEN, 2, "add", HIDDEN, 1

    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        theirs, graph = of_pgt("DyGrEncoder", *arguments), (setup.index, setup.weight)

        def sequence(x_TNF: Tensor) -> Tensor:
            states, carried = [], ()
            for x in x_TNF:
                state, *carried = theirs(x, *graph, *carried)
                states.append(state)
            return torch.stack(states)

        return theirs, lambda: torch.stack([sequence(x) for x in setup.x_BTNF])

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        mine = DyGrEncoder(*arguments)
        return mine, lambda: mine.unroll(setup.x_BTNF, setup.graph)[0]

    return Row(pgt, ours)


def evolve_gcn(name: str) -> Row:
    """As wide as the other layers' states: its input is as wide as its output."""

    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        nodes = () if name == "EvolveGCNO" else (setup.graph.num_nodes,)
        theirs: Any = of_pgt(name, *nodes, HIDDEN)
        x_BTNF = setup.x(ENTRIES, setup.graph.num_nodes, HIDDEN)

        def sequence(x_TNF: Tensor) -> Tensor:
            theirs.reinitialize_weight()
            return torch.stack([theirs(x, setup.index, setup.weight) for x in x_TNF])

        return theirs, lambda: torch.stack([sequence(x) for x in x_BTNF])

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        mine = EvolveGCNO(HIDDEN) if name == "EvolveGCNO" else EvolveGCNH(setup.graph.num_nodes, HIDDEN)
        x_BTNF = setup.x(ENTRIES, setup.graph.num_nodes, HIDDEN)
        return mine, lambda: mine.unroll(x_BTNF, setup.graph)[0]

    return Row(pgt, ours)


def mpnn_lstm() -> Row:
    def arguments(setup: Setup) -> tuple[int, int, int, int, float]:
        return FEATURES, HIDDEN, setup.graph.num_nodes, ENTRIES, 0.5

    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        theirs, copies, edges = of_pgt("MPNNLSTM", *arguments(setup)), BATCH * ENTRIES, setup.index.shape[1]
        shift = (torch.arange(copies) * setup.graph.num_nodes).repeat_interleave(edges).to(setup.device)
        index, weight = setup.index.repeat(1, copies) + shift, setup.weight.repeat(copies)
        return theirs, lambda: theirs(setup.x_BTNF.flatten(0, 2), index, weight)

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        mine = MPNNLSTM(*arguments(setup))
        return mine, lambda: mine(setup.x_BTNF, setup.graph)

    return Row(pgt, ours, batched=True)


def hetero_gclstm() -> Row:
    """The first half of the graph nodes and the rest are two types, with the edges inside and between them."""
    types = [("a", "to", "a"), ("a", "to", "b"), ("b", "to", "a"), ("b", "to", "b")]
    arguments = {"a": FEATURES, "b": FEATURES}, HIDDEN, (["a", "b"], types)

    def split(setup: Setup) -> tuple[dict[str, Tensor], dict[tuple[str, str, str], Tensor]]:
        half = setup.graph.num_nodes // 2
        low = setup.graph.edge_index < half
        inside, offset = {"a": low, "b": ~low}, {"a": 0, "b": half}
        edges = {}
        for source, name, target in types:
            index = setup.graph.edge_index[:, inside[source][0] & inside[target][1]]
            shifted = index - torch.tensor([[offset[source]], [offset[target]]])
            edges[source, name, target] = shifted.to(setup.device)
        return {"a": setup.x_BTNF[:, :, :half], "b": setup.x_BTNF[:, :, half:]}, edges

    def pgt(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        theirs = of_pgt("HeteroGCLSTM", *arguments, module="hetero")
        x_dict, edges = split(setup)

        def sequence(sample: int) -> Tensor:
            states, carried = [], ()
            for t in range(ENTRIES):
                carried = theirs({name: x[sample, t] for name, x in x_dict.items()}, edges, *carried)
                states.append(torch.cat([carried[0]["a"], carried[0]["b"]]))
            return torch.stack(states)

        if setup.device.type == "cpu":  # its zero states are made there: elsewhere it fails
            sequence(0)  # its layers find their sizes at the first call
        return theirs, lambda: torch.stack([sequence(sample) for sample in range(BATCH)])

    def ours(setup: Setup) -> tuple[nn.Module, Callable[[], Tensor]]:
        mine = HeteroGCLSTM(*arguments)
        x_dict, edges = split(setup)
        return mine, lambda: torch.cat(list(mine.unroll(x_dict, edges)[0].values()), -2)

    return Row(pgt, ours)


RECURRENT_ROWS: dict[str, Row] = {
    "DCRNN": cell(DCRNN, "DCRNN", FEATURES, HIDDEN, TAPS),
    "BatchedDCRNN": batched_dcrnn(),
    "GConvGRU": cell(GConvGRU, "GConvGRU", FEATURES, HIDDEN, TAPS),
    "GConvLSTM": cell(GConvLSTM, "GConvLSTM", FEATURES, HIDDEN, TAPS),
    "GCLSTM": cell(GCLSTM, "GCLSTM", FEATURES, HIDDEN, TAPS),
    "LRGCN": lrgcn(),
    "DyGrEncoder": dygr_encoder(),
    "TGCN": cell(TGCN, "TGCN", FEATURES, HIDDEN),
    "TGCN2": tgcn2(),
    "A3TGCN": a3tgcn(batched=False),
    "A3TGCN2": a3tgcn(batched=True),
    "AGCRN": agcrn(),
    "EvolveGCNO": evolve_gcn("EvolveGCNO"),
    "EvolveGCNH": evolve_gcn("EvolveGCNH"),
    "MPNNLSTM": mpnn_lstm(),
    "HeteroGCLSTM": hetero_gclstm(),
}
