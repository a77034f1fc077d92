"""DNNTSP: the next set of items from a sequence of sets.

Axes: B samples, T sets, I items, R graph nodes (items, or those of several samples), D channels, H heads.
"""

from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.nn.arguments import check_features
from stgnn.nn.attention.graphs import OneOrEach, Weights, WindowGraphs, entry_by_entry
from stgnn.nn.gcn import GraphConvolution


class MaskedSelfAttention(nn.Module):
    """Each item's entries attend to those before (Yu et al., KDD 2020, eq. 4-6); heads are averaged or side by side."""

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        n_heads: int,
        attention_aggregate: Literal["mean", "concat"] = "mean",
    ) -> None:
        super().__init__()
        if attention_aggregate not in ("mean", "concat"):
            raise InputError("attention_aggregate", f"is {attention_aggregate!r}", "use 'mean' or 'concat'")
        if attention_aggregate == "concat" and output_dim % n_heads:
            raise InputError("output_dim", f"is {output_dim}", f"give a multiple of {n_heads} heads")
        self.n_heads, self.aggregate = n_heads, attention_aggregate
        width = output_dim // n_heads if attention_aggregate == "concat" else output_dim
        self.Wq = nn.Linear(input_dim, n_heads * width, bias=False)
        self.Wk = nn.Linear(input_dim, n_heads * width, bias=False)
        self.Wv = nn.Linear(input_dim, n_heads * width, bias=False)

    def forward(self, input_tensor: Tensor) -> Tensor:
        """`[B, T, D] -> [B, T, output_dim]`."""
        heads = (self.n_heads, -1)
        q, k, v = (
            linear(input_tensor).unflatten(2, heads).transpose(1, 2) for linear in (self.Wq, self.Wk, self.Wv)
        )
        out_BHTd = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return out_BHTd.mean(1) if self.aggregate == "mean" else out_BHTd.transpose(1, 2).flatten(2)


class AggregateTemporalNodeFeatures(nn.Module):
    r"""An item's entries as one: :math:`\sum_t (w^\top z_t) z_t` (Yu et al., KDD 2020, eq. 7)."""

    def __init__(self, item_embed_dim: int) -> None:
        super().__init__()
        self.Wq = nn.Linear(item_embed_dim, 1, bias=False)

    def forward(self, nodes_output: Tensor) -> Tensor:
        """`[B, T, D] -> [B, D]`."""
        weight_BT1 = self.Wq(nodes_output)
        return torch.bmm(weight_BT1.transpose(1, 2), nodes_output).squeeze(1)


class GlobalGatedUpdater(nn.Module):
    r"""(1 - gamma) e + gamma z for items that occur in the sets, e for others (Yu et al., KDD 2020, eq. 8)."""

    def __init__(self, items_total: int, item_embedding: nn.Embedding) -> None:
        super().__init__()
        self.item_embedding = item_embedding
        self.alpha = nn.Parameter(torch.rand(items_total, 1))

    def forward(self, nodes_output: Tensor, present: Tensor | None = None) -> Tensor:
        """`[B, I, D]` from z `[B, I, D]`; `present` `[B, I]` says which items occur (None: all)."""
        gate = self.alpha if present is None else self.alpha * present.unsqueeze(2)
        return (1 - gate) * self.item_embedding.weight + gate * nodes_output


class WeightedGCNBlock(nn.Module):
    """Layers of relu(BatchNorm(A-hat H W + b)) with A-hat of `Graph.gcn` (Yu et al., KDD 2020, eq. 2).

    Values and parameter names are those of PyTorch Geometric Temporal.
    """

    def __init__(self, in_features: int, hidden_sizes: list[int], out_features: int) -> None:
        super().__init__()
        self.in_features = in_features
        sizes = [in_features, *hidden_sizes, out_features]
        self.gcns = nn.ModuleList(GraphConvolution(*pair) for pair in pairwise(sizes))
        self.bns = nn.ModuleList(nn.BatchNorm1d(size) for size in sizes[1:])
        self._graphs = WindowGraphs()

    def forward(
        self,
        node_features: Tensor,
        graph: OneOrEach | None = None,
        edges_weight: Weights = None,
        *,
        edge_index: OneOrEach | None = None,
    ) -> Tensor:
        """`[B, T, R, D] -> [B, T, R, D]` on one graph or one for each of T sets; B, and T too, may be left out."""
        check_features("node_features", node_features, "graph nodes, features", self.in_features)
        h = node_features.view(*[1] * (4 - node_features.dim()), *node_features.shape)
        given = edge_index if graph is None else graph
        graphs = self._graphs.graphs(given, edges_weight, h.shape[2], h.shape[1])
        operators = [each.gcn() for each in graphs]
        for conv, norm in zip(self.gcns, self.bns, strict=True):
            h = entry_by_entry(h, 1, operators, cast("GraphConvolution", conv))
            h = norm(h.flatten(0, -2)).view(h.shape).relu()
        return h.view(*node_features.shape[:-1], h.shape[-1])


class DNNTSP(nn.Module):
    """Deep neural network for temporal set prediction (Yu et al., KDD 2020), up to its items' final embeddings.

    Each set is a weighted graph of items that occur together: graph convolutions on each, attention over time within
    each item, aggregation, and a gated update of the item's embedding. PyTorch Geometric Temporal's layer of this name
    attends over items in their order instead of time, does not aggregate, and takes all items for present; what it
    calls `aggregate_nodes_temporal_feature.Wq` has one row here.
    """

    def __init__(self, items_total: int, item_embedding_dim: int, n_heads: int) -> None:
        super().__init__()
        self.items_total, self.item_embedding_dim = items_total, item_embedding_dim
        self.item_embedding = nn.Embedding(items_total, item_embedding_dim)
        width = item_embedding_dim
        self.stacked_gcn = WeightedGCNBlock(width, [width], width)
        self.masked_self_attention = MaskedSelfAttention(width, width, n_heads)
        self.aggregate_nodes_temporal_feature = AggregateTemporalNodeFeatures(width)
        self.global_gated_updater = GlobalGatedUpdater(items_total, self.item_embedding)

    def forward(
        self,
        X: Tensor,
        graph: OneOrEach | None = None,
        edge_weight: Weights = None,
        present: Tensor | None = None,
        *,
        edge_index: OneOrEach | None = None,
    ) -> Tensor:
        """`[B, I, D]` from X `[B, T, I, D]` on one graph of I items, or a list of T.

        With X `[B * I, D]`, as PyTorch Geometric Temporal has it, each sample has one set and the graph B * I nodes.
        `present` `[B, I]` says which items occur in a sample's sets (None: all). Raises `InputError` for shapes that do
        not fit.
        """
        x_BTRD = X[None, None] if X.dim() == 2 else X
        items = self.items_total
        if x_BTRD.dim() != 4 or x_BTRD.shape[2] % items or x_BTRD.shape[3] != self.item_embedding_dim:
            found = f"has shape {tuple(X.shape)}"
            raise InputError("X", found, f"give [samples, sets, {items}, {self.item_embedding_dim}]")
        h_BTRD = self.stacked_gcn(x_BTRD, edge_index if graph is None else graph, edge_weight)
        each_XTD = self.masked_self_attention(h_BTRD.transpose(1, 2).flatten(0, 1))
        z_XD = self.aggregate_nodes_temporal_feature(each_XTD)
        return cast("Tensor", self.global_gated_updater(z_XD.unflatten(0, (-1, items)), present))
