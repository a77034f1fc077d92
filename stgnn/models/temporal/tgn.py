r"""Temporal graph networks: memory, messages and embeddings put together by settings.

A batch passes in six steps, so that the parts of the memory learn (Rossi et al., "Temporal graph networks for deep
learning on dynamic graphs", 2020, figure 2): the memory is updated with the messages of *earlier* batches,
embeddings are computed from it, scores from those, and the loss reaches all that was used. Last, the batch leaves
its own messages.

Axes: B events, Q candidates of each, D all destinations, N graph nodes, U of them in a neighbourhood, P places (see
`stgnn.nn.temporal.neighbourhood`), X rows that hold them, R queries, C embedding channels.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor, nn

from stgnn.data.events.batches import EventBatch, EventView
from stgnn.errors import InputError
from stgnn.models.base import PositiveInt, require_choices, require_positive
from stgnn.models.temporal.agreement import Agreement
from stgnn.models.temporal.base import EventModel, State, StreamShape
from stgnn.models.temporal.memory import Consumed, Memory, MemoryState
from stgnn.models.temporal.ranking import rank_by_blocks, rank_over_times
from stgnn.nn.temporal.attention import AttentionLayer
from stgnn.nn.temporal.decoders import LinkDecoder
from stgnn.nn.temporal.graph_embedding import GraphEmbedding, known
from stgnn.nn.temporal.graph_sum import SumLayer
from stgnn.nn.temporal.meetings import Meetings
from stgnn.nn.temporal.neighbourhood import Neighbourhood, Places, neighbourhood
from stgnn.nn.temporal.time_encoding import TimeEncoding
from stgnn.nn.temporal.time_projection import TimeProjection


@dataclass(frozen=True)
class _Rows:
    """The lowest layer's rows `[X, D]`, with gradients, and which of them each graph node of U is."""

    row_XD: Tensor
    updated_X: Tensor | None  # int64; None without a memory
    row_U: Tensor


class TGN(Agreement, EventModel):
    """The temporal graph network that its settings say; TGAT, JODIE and DyRep are some of them.

    Rossi, Chamberlain, Frasca, Eynard, Monti, Bronstein, "Temporal graph networks for deep learning on dynamic
    graphs", ICML 2020 workshop on graph representation learning, arXiv:2006.10637. Graph nodes start from their
    memory plus their features (mapped to as many channels where they have another number).

    Args:
        updater: of the memory: `gru`, `rnn`, or `none` for a network without memory.
        memory_channels: of the memory, or of what stands in its place.
        time_channels: of the encoding of time.
        message: `identity`, or `mlp` from the raw message to memory_channels.
        aggregator: of the messages that a graph node has from a batch: `last` or `mean`.
        partner: what a message tells of the other end of its event: its `memory`, or as in DyRep its attention
            `embedding` at that time, from the parts below. The latter is consumed eagerly and the last counts.
        consume: messages all at the next batch (`eager`), or when their graph node is looked at (`lazy`).
        embedding: `identity` or `time` (JODIE) of the memory; `attention` or `sum` over earlier events, by the rest.
        embedding_channels: of each layer.
        layers: how many events away an embedding looks.
        neighbours: earlier events that a place looks at.
        sampling: which: the most `recent`, or drawn `uniform` with replacement.
        hop_time: neighbours of neighbours are seen as of the `query`, or as of the `edge` that leads there.
        heads: of the attention.
        dropout: share of attention weights that training leaves out.
    """

    def __init__(
        self,
        shape: StreamShape,
        *,
        updater: Literal["gru", "rnn", "none"],
        memory_channels: PositiveInt,
        time_channels: PositiveInt,
        message: Literal["identity", "mlp"],
        aggregator: Literal["last", "mean"],
        partner: Literal["memory", "embedding"],
        consume: Literal["eager", "lazy"],
        embedding: Literal["identity", "time", "attention", "sum"],
        embedding_channels: PositiveInt,
        layers: PositiveInt,
        neighbours: PositiveInt,
        sampling: Literal["recent", "uniform"],
        hop_time: Literal["query", "edge"],
        heads: PositiveInt,
        dropout: float,
    ) -> None:
        super().__init__(shape)
        require_positive(memory_channels=memory_channels, time_channels=time_channels, heads=heads)
        require_positive(embedding_channels=embedding_channels, layers=layers, neighbours=neighbours)
        require_choices(
            TGN.__init__, updater=updater, message=message, aggregator=aggregator, partner=partner, consume=consume,
            embedding=embedding, sampling=sampling, hop_time=hop_time,
        )  # fmt: skip
        wrong = self.contradiction(
            updater, aggregator, partner, consume, embedding, memory_channels, time_channels, embedding_channels,
            layers, heads, dropout,
        )  # fmt: skip
        if wrong is not None:
            raise InputError(*wrong)
        self.channels = memory_channels
        self.time = TimeEncoding(time_channels, shape.unit)
        stack = partial(
            GraphEmbedding, channels=memory_channels, out_channels=embedding_channels, layers=layers,
            neighbours=neighbours, sampling=sampling, hop_time=hop_time,
        )  # fmt: skip
        sizes = (time_channels, shape.num_edge_features, embedding_channels)
        attend = partial(_attention_layer, sizes=sizes, heads=heads, dropout=dropout)
        self.features: nn.Linear | None = None
        if shape.num_node_features not in (0, memory_channels):
            self.features = nn.Linear(shape.num_node_features, memory_channels, bias=False)
        self.partner = stack(attend) if partner == "embedding" else None
        self.memory: Memory | None = None
        if updater != "none":
            self.memory = Memory(
                shape, memory_channels, time_channels, embedding_channels if self.partner else None,
                updater=updater, message=message, aggregator=aggregator, consume=consume,
            )  # fmt: skip
        self.embedding: nn.Module = nn.Identity()
        self.num_channels = memory_channels
        if embedding == "time":
            self.embedding = TimeProjection(memory_channels, shape.time_mean, shape.time_std)
        elif embedding != "identity":
            self.embedding = stack(attend if embedding == "attention" else partial(_sum_layer, sizes=sizes))
            self.num_channels = embedding_channels
        self.decoder = LinkDecoder(self.num_channels)

    def initial_state(self) -> State:
        """No memory of anything."""
        return State() if self.memory is None else self.memory.initial_state()

    def step(
        self, state: State, batch: EventBatch, candidate_BQ: Tensor, view: EventView
    ) -> tuple[Tensor, State]:
        """Logits `[B, Q]` of the batch's sources with their candidates, and the state after the batch."""
        events, candidates = candidate_BQ.shape
        node_P = torch.cat([batch.src_B, candidate_BQ.flatten()])
        time_P = torch.cat([batch.t_B, batch.t_B.repeat_interleave(candidates)])
        around = self._lay_out(Places(node_P, time_P, view.cuts(batch, time_P)), view)
        ends_U = torch.unique(torch.cat([around.node_U, batch.src_B, batch.dst_B]))
        consumed = self._consume(state, ends_U, view)
        z_PC = self._embed(state, consumed, around, time_P, view)
        source_BC, candidate_PC = z_PC.split([events, events * candidates])
        logits_BQ = self.decoder(source_BC, candidate_PC.view(events, candidates, -1))
        return logits_BQ, self._after(state, consumed, batch, view)

    @torch.no_grad()
    def rank(self, state: State, batch: EventBatch, candidate_D: Tensor, view: EventView) -> Tensor:
        """Logits `[B, D]` of the batch's sources with the same candidates.

        Events at the same time share the candidates' embeddings, and all events where embeddings know no time. Consumed
        lazily, the messages of all graph nodes are applied first.
        """
        every_N = torch.arange(self.shape.num_nodes, device=candidate_D.device)
        consumed = self._consume(state, every_N, view)

        def embed(node_P: Tensor, time_P: Tensor) -> Tensor:
            around = self._lay_out(Places(node_P, time_P, view.cuts(batch, time_P)), view)
            return self._embed(state, consumed, around, time_P, view)

        source_BC = embed(batch.src_B, batch.t_B)
        if isinstance(self.embedding, GraphEmbedding) and self.embedding.is_recent_attention:
            time_T, row_B = torch.unique(batch.t_B, return_inverse=True)
            over = self.embedding.over_times(time_T - time_T[0], self.time)
            around = partial(self._surroundings, state, consumed, view, time_T[0])
            cut_T = view.cuts(batch, time_T)
            return rank_over_times(
                self.decoder, source_BC, row_B, candidate_D, cut_T, view.neighbours, around, over
            )
        timeless = isinstance(self.embedding, nn.Identity)
        time_B = torch.zeros_like(batch.t_B) if timeless else batch.t_B
        return rank_by_blocks(self.decoder, source_BC, time_B, candidate_D, embed)

    def _surroundings(
        self,
        state: State,
        consumed: Consumed | None,
        view: EventView,
        moment: Tensor,
        node_G: Tensor,
        cut_G: Tensor,
    ) -> tuple[Tensor, Meetings, Tensor]:
        """What one layer of attention is given, and the times of the events after a moment `[G, K]`."""
        embedding = cast("GraphEmbedding", self.embedding)
        near = view.neighbours.recent(node_G, cut_G, embedding.neighbours)
        near_GK = torch.where(near.valid_RK, near.node_RK, node_G[:, None])
        node_U, row = torch.unique(torch.cat([node_G, near_GK.flatten()]), return_inverse=True)
        rows = self._rows(state, consumed, node_U, view)
        row_G, row_GK = rows.row_U[row].split([len(node_G), near_GK.numel()])
        met = known(rows.row_XD, row_GK.view_as(near_GK), near.event_RK, near.valid_RK, view)
        return rows.row_XD.index_select(0, row_G), met, (near.time_RK - moment) * near.valid_RK

    def advance(self, state: State, batch: EventBatch, view: EventView) -> State:
        """The state after the batch."""
        ends_U = torch.unique(torch.cat([batch.src_B, batch.dst_B]))
        return self._after(state, self._consume(state, ends_U, view), batch, view)

    def embed(self, state: State, node_R: Tensor, time_R: Tensor, cut_R: Tensor, view: EventView) -> Tensor:
        """Embeddings `[R, C]`, all messages of earlier batches consumed."""
        around = self._lay_out(Places(node_R, time_R, cut_R), view)
        return self._embed(state, self._consume(state, around.node_U, view), around, time_R, view)

    def _lay_out(self, places: Places, view: EventView) -> Neighbourhood:
        if isinstance(self.embedding, GraphEmbedding):
            return self.embedding.lay_out(places, view)
        return neighbourhood(places, 0, partial(view.neighbours.recent, k=1))

    def _consume(self, state: State, node_U: Tensor, view: EventView) -> Consumed | None:
        if self.memory is None:
            return None
        known = cast("MemoryState", state)
        return self.memory.read(known, node_U, view, self.time, partial(self._embed_partners, known, view))

    def _embed_partners(self, state: MemoryState, view: EventView, places: Places) -> Tensor:
        """Embeddings from the memory as it was at the events of the waiting messages, which it still is."""
        partner = cast("GraphEmbedding", self.partner)
        around = partner.lay_out(places, view)
        rows = self._rows(state, None, around.node_U, view)
        embedded: Tensor = partner(rows.row_XD, rows.row_U, around, view, self.time)
        return embedded

    def _embed(
        self, state: State, consumed: Consumed | None, around: Neighbourhood, time_P: Tensor, view: EventView
    ) -> Tensor:
        rows = self._rows(state, consumed, around.node_U, view)
        if isinstance(self.embedding, GraphEmbedding):
            embedded: Tensor = self.embedding(rows.row_XD, rows.row_U, around, view, self.time)
            return embedded
        row_P = rows.row_U[around.row_P]
        memory_PD = rows.row_XD.index_select(0, row_P)
        if rows.updated_X is None or not isinstance(self.embedding, TimeProjection):
            return memory_PD
        since_P = self.time.seconds(time_P - rows.updated_X[row_P])
        projected: Tensor = self.embedding(memory_PD, since_P)
        return projected

    def _rows(self, state: State, consumed: Consumed | None, node_U: Tensor, view: EventView) -> _Rows:
        """Memory where there is one, with what was consumed behind what is stored, plus the graph nodes' features."""
        row_U = torch.arange(len(node_U), device=node_U.device)
        if not isinstance(state, MemoryState):
            zero = self.time.frequency_M.new_zeros(len(node_U), self.channels)
            return _Rows(self._with_features(zero, node_U, view), None, row_U)
        row_XD, updated_X, node_X = state.memory.take(node_U), state.updated.take(node_U), node_U
        if consumed is not None and len(consumed.node_W):
            place_U = torch.searchsorted(consumed.node_W, node_U).clamp_(max=len(consumed.node_W) - 1)
            fresh_U = consumed.node_W[place_U] == node_U
            row_U = torch.where(fresh_U, len(node_U) + place_U, row_U)
            row_XD = torch.cat([row_XD, consumed.memory_WD])
            updated_X = torch.cat([updated_X, consumed.updated_W])
            node_X = torch.cat([node_U, consumed.node_W])
        return _Rows(self._with_features(row_XD, node_X, view), updated_X, row_U)

    def _with_features(self, row_XD: Tensor, node_X: Tensor, view: EventView) -> Tensor:
        if view.node_feature is None:
            return row_XD
        feature_XV = view.node_feature.index_select(0, node_X).to(row_XD.dtype)
        return row_XD + (feature_XV if self.features is None else self.features(feature_XV))

    def _after(self, state: State, consumed: Consumed | None, batch: EventBatch, view: EventView) -> State:
        if self.memory is None or consumed is None:
            return state
        cut_B = view.cuts(batch, batch.t_B)
        return self.memory.write(cast("MemoryState", state), consumed, batch, cut_B, self.time)


def _attention_layer(channels: int, *, sizes: tuple[int, int, int], heads: int, dropout: float) -> nn.Module:
    return AttentionLayer(channels, *sizes, heads=heads, dropout=dropout)


def _sum_layer(channels: int, *, sizes: tuple[int, int, int]) -> nn.Module:
    return SumLayer(channels, *sizes)
