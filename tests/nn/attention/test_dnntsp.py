"""Facts about DNNTSP, against a reference written from the paper; PyTorch Geometric Temporal attends over items."""

import math

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.nn.attention import DNNTSP
from stgnn.nn.attention.dnntsp import MaskedSelfAttention, WeightedGCNBlock
from tests.nn.attention.parity import assert_same, close, draw, needs_pgt, pgt
from tests.nn.dense import directed_edges, gcn_matrix
from tests.nn.parity import plain_edges

ITEMS = directed_edges().num_nodes


def signal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def model(heads: int = 2) -> DNNTSP:
    network = DNNTSP(ITEMS, 6, heads).double().eval()
    draw(network)
    return network


def reference(network: DNNTSP, x: Tensor, matrices: list[Tensor], present: Tensor | None) -> Tensor:
    """One sample `[T, I, D]`, item by item."""
    sets, gcn = [], network.stacked_gcn
    for h, matrix in zip(x, matrices, strict=True):
        for conv, norm in zip(gcn.gcns, gcn.bns, strict=True):
            h = norm(matrix @ conv.lin(h) + conv.bias).relu()  # type: ignore[union-attr,operator]
        sets.append(h)
    attention, rows = network.masked_self_attention, []
    for item in range(ITEMS):
        own = torch.stack([h[item] for h in sets])
        heads = []
        projections = (attention.Wq(own), attention.Wk(own), attention.Wv(own))
        for q, k, v in zip(*(part.split(6, dim=1) for part in projections), strict=True):
            scores = (q @ k.t() / math.sqrt(6)).masked_fill(
                torch.ones(len(own), len(own)).triu(1).bool(), -math.inf
            )
            heads.append(scores.softmax(1) @ v)
        z = torch.stack(heads).mean(0)
        weights = network.aggregate_nodes_temporal_feature.Wq(z)
        z = (weights * z).sum(0)
        gate = network.global_gated_updater.alpha[item]
        gate = gate if present is None else gate * present[item]
        rows.append((1 - gate) * network.item_embedding.weight[item] + gate * z)
    return torch.stack(rows)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("heads", [1, 3])
def test_a_network_is_that_of_the_paper(heads: int, each: bool) -> None:
    network, x = model(heads), signal(2, 4, ITEMS, 6).requires_grad_()
    edges = [directed_edges(seed=seed if each else 0) for seed in range(4)]
    present = torch.rand(2, ITEMS, generator=torch.Generator().manual_seed(5)) < 0.5
    found = network(x, [one.graph for one in edges] if each else edges[0].graph, present=present)
    matrices = [gcn_matrix(one.adjacency) for one in edges]
    expected = torch.stack(
        [reference(network, *pair) for pair in zip(x, [matrices] * 2, present, strict=True)]
    )
    close(found, expected, 1e-11)
    wanted = [x, *network.parameters()]
    truths = torch.autograd.grad(expected.square().sum(), wanted)
    for gradient, truth in zip(torch.autograd.grad(found.square().sum(), wanted), truths, strict=True):
        close(gradient, truth, 1e-9)


def test_samples_stacked_in_rows_are_samples_of_one_set() -> None:
    network, edges = model(), directed_edges(2 * ITEMS)
    x = signal(2 * ITEMS, 6)
    found = network(x, edges.index, edges.weight)
    assert found.shape == (2, ITEMS, 6)
    within = (edges.index[0] < ITEMS) == (edges.index[1] < ITEMS)  # two graphs that do not touch
    index, weight = edges.index[:, within], edges.weight[within]
    both = network(x, index, weight)
    first = index[0] < ITEMS
    alone = network(x[None, None, :ITEMS], index[:, first], weight[first])
    close(both[:1], alone, 1e-12)


def test_absent_items_keep_their_embedding() -> None:
    network = model()
    absent = torch.zeros(1, ITEMS, dtype=torch.bool)
    found = network(signal(1, 3, ITEMS, 6), directed_edges().graph, present=absent)
    assert torch.equal(found[0], network.item_embedding.weight)


def test_attention_knows_no_later_sets_and_heads_may_stand_side_by_side() -> None:
    layer = MaskedSelfAttention(6, 8, 2, "concat").double()
    x = signal(5, 4, 6)
    changed = x.clone()
    changed[:, 3] += 1
    assert layer(x).shape == (5, 4, 8)
    close(layer(changed)[:, :3], layer(x)[:, :3], 1e-14)
    with pytest.raises(InputError, match="use 'mean' or 'concat'"):
        MaskedSelfAttention(6, 8, 2, "max")  # type: ignore[arg-type]


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=rf"give \[samples, sets, {ITEMS}, 6\]"):
        model()(signal(2, 4, ITEMS + 1, 6), directed_edges().graph)


@needs_pgt
@pytest.mark.parametrize("lead", [(), (3,)])
def test_the_convolutions_of_sets_on_one_graph_are_pgts(lead: tuple[int, ...]) -> None:
    ours, theirs = WeightedGCNBlock(4, [5, 6], 3), pgt("dnntsp").WeightedGCNBlock(4, [5, 6], 3)
    edges = plain_edges()

    def run(layer: torch.nn.Module, x: Tensor) -> Tensor:
        return layer(x, edges.index, edges.weight)  # type: ignore[no-any-return]

    assert_same(ours, theirs, run, run, signal(*lead, edges.num_nodes, 4))
