"""The memory of graph nodes: messages wait in it, are consumed by the updater, and the updated rows are written back.

Rossi et al., "Temporal graph networks for deep learning on dynamic graphs", 2020, sections 3.1 and 3.2. Consumed
`eager`, the messages of a batch are applied once, at the start of the next one. Consumed `lazy`, as in their code,
a message is applied wherever its graph node is looked at, but written back only when that node has another event.
With the same weights both give the same numbers; eager does it with fewer rows.

Axes: N graph nodes, W of them with a message to be consumed, U of them asked for, B events, M = 2 B ends of events,
D memory channels, S channels that are kept of a message, I raw message channels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stgnn.data.events.batches import EventBatch, EventView
from stgnn.models.temporal.base import State, StreamShape
from stgnn.nn.temporal.message_functions import PerceptronMessage
from stgnn.nn.temporal.messages import PENDING, Mail, collect
from stgnn.nn.temporal.neighbourhood import Places
from stgnn.nn.temporal.rows import Rows
from stgnn.nn.temporal.time_encoding import TimeEncoding
from stgnn.nn.temporal.updaters import UPDATERS

EmbedPartners = Callable[[Places], Tensor]
"""Embeddings of the graph nodes at the other ends, at their events, from the memory of then."""


@dataclass(frozen=True)
class MemoryState(State):
    """What all graph nodes remember, and the messages that they have not yet consumed."""

    memory: Rows  # [N, D]
    updated: Rows  # [N] int64: the time of the last message consumed
    pending: Rows  # [N, 5] int64: the last event whose message waits; columns as in messages.PENDING
    kept: Rows  # [N, S]: what a message cannot look up later
    waiting_W: Tensor  # graph nodes whose messages the next batch consumes, where it consumes all of them


@dataclass(frozen=True)
class Consumed:
    """Memory after its messages, with gradients; not written back yet."""

    node_W: Tensor  # each once, ascending
    memory_WD: Tensor
    updated_W: Tensor


class Memory(nn.Module):
    """Message function, aggregator and updater over a `MemoryState`.

    Args:
        shape: the stream's sizes.
        channels: D.
        time_channels: of the encoding of time that `read` and `write` are given.
        partner_channels: of what a message holds of the other end, where that is embedded; None: its memory.
        updater: `gru` or `rnn`.
        message: `identity` or `mlp`.
        aggregator: `last` or `mean`.
        consume: `eager` or `lazy`.
    """

    def __init__(
        self,
        shape: StreamShape,
        channels: int,
        time_channels: int,
        partner_channels: int | None,
        *,
        updater: str,
        message: str,
        aggregator: str,
        consume: str,
    ) -> None:
        super().__init__()
        self.shape, self.channels = shape, channels
        self.mean, self.eager = aggregator == "mean", consume == "eager"
        self.embeds_partner = partner_channels is not None
        told = shape.num_edge_features + time_channels
        raw = channels + (channels if partner_channels is None else partner_channels) + told
        self.kept_channels = channels + told if self.mean else 0 if self.eager else channels
        self.message = nn.Identity() if message == "identity" else PerceptronMessage(raw, channels)
        self.updater = UPDATERS[updater](raw if message == "identity" else channels, channels)

    def initial_state(self) -> MemoryState:
        """Zero memory and no messages."""
        like = next(self.updater.parameters())
        nodes, device = self.shape.num_nodes, like.device
        return MemoryState(
            memory=Rows(like.new_zeros(nodes, self.channels)),
            updated=Rows(torch.full((nodes,), self.shape.first_time, device=device)),
            pending=Rows(torch.zeros(nodes, len(PENDING), dtype=torch.int64, device=device)),
            kept=Rows(like.new_zeros(nodes, self.kept_channels)),
            waiting_W=torch.zeros(0, dtype=torch.int64, device=device),
        )

    def read(
        self,
        state: MemoryState,
        node_U: Tensor,
        view: EventView,
        time: TimeEncoding,
        embed_partners: EmbedPartners,
    ) -> Consumed:
        """Consume the messages of at least those of `node_U` (ascending) that have any."""
        node_W = state.waiting_W if self.eager else self._with_messages(state, node_U)
        event_W, partner_W, time_W, cut_W, count_W = state.pending.take(node_W).unbind(1)
        own_WD = state.memory.take(node_W)
        if self.mean:
            rest = [state.kept.take(node_W) / count_W[:, None]]
        else:
            span_W = time_W - state.updated.take(node_W)
            feature_WF = view.edge_feature(event_W)
            features = [] if feature_WF is None else [feature_WF.to(own_WD.dtype)]
            if self.embeds_partner:
                partner = embed_partners(Places(partner_W, time_W, cut_W))
            else:
                partner = state.memory.take(partner_W) if self.eager else state.kept.take(node_W)
            rest = [partner, *features, time(span_W)]
        message_WI = self.message(torch.cat([own_WD, *rest], dim=1))
        return Consumed(node_W, self.updater(message_WI, own_WD), time_W)

    def write(
        self,
        state: MemoryState,
        consumed: Consumed,
        batch: EventBatch,
        cut_B: Tensor,
        time: TimeEncoding,
    ) -> MemoryState:
        """Write consumed messages back, those of the batch's graph nodes at least, and leave the batch's own."""
        mail = collect(batch.src_B, batch.dst_B)
        node_W, memory_WD, updated_W = consumed.node_W, consumed.memory_WD, consumed.updated_W
        if not self.eager:  # others keep their message
            written = torch.isin(node_W, mail.node_U)
            node_W, memory_WD, updated_W = node_W[written], memory_WD[written], updated_W[written]
        memory = state.memory.replace(node_W, memory_WD)
        updated = state.updated.replace(node_W, updated_W)
        kept = state.kept
        if self.kept_channels:
            kept = kept.replace(mail.node_U, self._kept(mail, memory, updated, batch, time))
        pending_U5 = mail.pending(batch.event_B, batch.t_B, cut_B)
        waiting = mail.node_U if self.eager else state.waiting_W
        return MemoryState(memory, updated, state.pending.replace(mail.node_U, pending_U5), kept, waiting)

    @torch.no_grad()
    def _kept(self, mail: Mail, memory: Rows, updated: Rows, batch: EventBatch, time: TimeEncoding) -> Tensor:
        if not self.mean:
            return memory.take(mail.partner_M.index_select(0, mail.last_U))
        partner_MD = memory.take(mail.partner_M)
        span_M = batch.t_B.repeat_interleave(2) - updated.take(mail.node_U).index_select(0, mail.row_M)
        features = []
        if batch.feature_BF is not None:
            features = [batch.feature_BF.to(partner_MD.dtype).repeat_interleave(2, dim=0)]
        return mail.sums(torch.cat([partner_MD, *features, time(span_M)], dim=1))

    def _with_messages(self, state: MemoryState, node_U: Tensor) -> Tensor:
        count_U = state.pending.take(node_U)[:, PENDING.index("count")]
        return node_U[count_U > 0]
