"""The task of link prediction on an event stream: who meets whom next, told from those who do not.

Training: every event and one random destination in its place, mean BCE of both (Rossi et al. 2020, section 5); the
state of the model runs along and starts afresh each epoch. Scoring: against the negatives of the store, and by the
rank among all destinations; the state goes on through validation and test, fed by what really happened.

Axes: B events of a batch, Q candidates of an event (the first is the real one), D all destinations.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from stgnn.data.events.batches import EventBatch
from stgnn.data.events.negatives import training_negatives
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.models.temporal.base import State
from stgnn.store.split import ROLES, TEST, TRAIN, VALIDATION
from stgnn.training.link_metrics import LinkScores, ranks
from stgnn.training.link_predictions import write_link_predictions
from stgnn.training.stream_setup import StreamSetup, each, prepare_stream
from stgnn.training.stream_task import StreamTask

EVERY = "every"  # among `negatives:`, the rank among all destinations
MOST_RANKED = 100_000  # destinations: scores and masks of a batch of 200 events are then half a gigabyte


def prepare(settings: Mapping[str, Any], store: Path, folder: Path, world: World) -> "LinkPrediction":
    """The task that a resolved run on an event store declares."""
    return LinkPrediction(prepare_stream(settings, store, world))


class LinkPrediction(StreamTask):
    """Scores of real events above those of others, by a model that reads the stream in order."""

    def __init__(self, setup: StreamSetup) -> None:
        super().__init__(setup, setup.model)
        self.events = setup.model
        self._stream = setup.stream(TRAIN)
        if setup.training.save_predictions and "test" not in setup.training.evaluate:
            raise InputError(
                "training.save_predictions", "the test split is not scored", "add test to evaluate"
            )
        self._require_rankable()
        if not len(self._stream):
            raise InputError(
                str(setup.store.path), "no training events", "give training a larger share of time"
            )
        self._state: State = self.events.initial_state()
        self._epoch = 0
        self._pool_D = torch.from_numpy(setup.store.train_destination.copy()).to(self.device)
        self._destination_D = torch.from_numpy(setup.store.destination.copy()).long().to(self.device)
        self._test_scores: LinkScores | None = None

    # -- training ---------------------------------------------------------------------------------

    @property
    def learns(self) -> bool:
        """Whether the model has weights to train."""
        return self.events.learns

    def fit(self) -> float:
        """Remember the training events; there is no loss, for what happened before is looked up."""
        self._state = self.setup.state_after(
            TRAIN, view=self.setup.train_view, doing="remembering training", between=self.between
        )
        return float("nan")

    def steps_per_epoch(self) -> int:
        """Batches of the training events."""
        return len(self._stream)

    def batches(self, epoch: int, first: int, steps: int) -> Iterator[EventBatch]:
        """The training events in order, from batch `first` on."""
        self._epoch = epoch
        if first == 0:
            self._state = self.events.initial_state()
        for _, batch in zip(range(first, steps), self._stream.batches(first), strict=False):
            yield batch

    def loss(self, batch: EventBatch, trained: nn.Module, step: int) -> tuple[Tensor, Tensor]:
        """Mean BCE of the events plus that of their negatives; its sum, events, and events again."""
        negative_B = training_negatives(self.settings["seed"], self._epoch, batch.event_B, self._pool_D)
        candidate_BQ = torch.stack([batch.dst_B, negative_B], dim=1)
        logit_BQ, state = self.events.step(self._state, batch, candidate_BQ, self.setup.train_view)
        self._state = state.detach()
        truth_BQ = torch.zeros_like(logit_BQ)
        truth_BQ[:, 0] = 1.0
        loss = 2 * binary_cross_entropy_with_logits(logit_BQ, truth_BQ)
        count = torch.full((), len(batch), dtype=torch.float64, device=self.device)
        return loss, torch.stack([loss.detach().double() * count, count, count])

    def state(self) -> dict[str, Tensor]:
        """What the model remembers."""
        return self._state.tensors()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Remember it again."""
        self._state = type(self._state).from_tensors(state)

    # -- scores -----------------------------------------------------------------------------------

    def validates(self) -> bool:
        """Whether there are validation events."""
        return len(self.setup.stream(VALIDATION)) > 0

    def validate(self) -> float:
        """Pooled AP of the validation events against random negatives, from the state that training left."""
        scores, _ = self._score(self._state, VALIDATION, ("random",))
        found = scores.summary()["all"]["random"]["ap"]
        return float("nan") if found is None else float(found)

    def evaluate(self, splits: Iterable[str]) -> dict[str, Any]:
        """AP, AUC, MRR and Hits of each split, in one pass on from the state that training left, as TGN's authors do.

        Going through the training events again would give another memory than the one that was validated: weights
        move on while an epoch's memory is made.
        """
        wanted, found = tuple(splits), {}
        negatives = tuple(self.settings["task"]["negatives"])
        state = self._state
        for role in (VALIDATION, TEST):
            name = ROLES[role]
            scores, state = self._score(state, role, negatives if name in wanted else ())
            if name in wanted:
                found[name] = scores.summary()
            if role == TEST:
                self._test_scores = scores
        return {name: found[name] for name in wanted}

    @torch.no_grad()
    def _score(self, state: State, role: int, negatives: tuple[str, ...]) -> tuple[LinkScores, State]:
        """Scores of the events of a role (none where nothing is asked), and the state after them."""
        self.model.eval()
        scores = LinkScores()
        for batch in each(self.setup.stream(role), f"scoring {ROLES[role]}", self.between):
            # Before the step: the state that it starts from is not kept.
            rank_B = self._rank(state, batch) if EVERY in negatives else None
            candidate_BQ = self._candidates(batch, negatives)
            logit_BQ, state = self.events.step(state, batch, candidate_BQ, self.setup.view)
            state = state.detach()
            if negatives:
                told = self._by_kind(logit_BQ, negatives)
                fallback = self._fallback(batch, negatives)
                scores.add(logit_BQ[:, 0], told, self.setup.new_B(batch), rank_B, fallback)
        return scores, state

    def _candidates(self, batch: EventBatch, negatives: tuple[str, ...]) -> Tensor:
        """The real destination and those of each kind of negatives, [B, 1 + kinds * negatives of a kind]."""
        stored, row_B = self.setup.store.negatives, self._rows(batch)
        kinds = [torch.from_numpy(stored[kind][row_B]).long() for kind in negatives if kind != EVERY]
        return torch.cat([batch.dst_B[:, None], *(kind_BQ.to(self.device) for kind_BQ in kinds)], dim=1)

    def _fallback(self, batch: EventBatch, negatives: tuple[str, ...]) -> dict[str, NDArray[np.bool_]]:
        """Which events' negatives of a kind are random ones for want of one of the kind, [B]."""
        row_B = self._rows(batch)
        return {kind: mask[row_B] for kind, mask in self.setup.store.fallbacks.items() if kind in negatives}

    def _rows(self, batch: EventBatch) -> NDArray[np.int64]:
        """Where the events' negatives lie: those of the last events of the stream are stored."""
        first = self.setup.store.num_events - len(self.setup.store.negatives["random"])
        row_B: NDArray[np.int64] = (batch.event_B - first).cpu().numpy()
        return row_B

    def _by_kind(self, logit_BQ: Tensor, negatives: tuple[str, ...]) -> dict[str, Tensor]:
        kinds = [kind for kind in negatives if kind != EVERY]
        return dict(zip(kinds, logit_BQ[:, 1:].chunk(len(kinds), dim=1), strict=True))

    def _require_rankable(self) -> None:
        found, negatives = len(self.setup.store.destination), self.settings["task"]["negatives"]
        if EVERY in negatives and found > MOST_RANKED:
            problem = f"every: ranks among {found:,} destinations, more than {MOST_RANKED:,}, do not fit into memory"
            raise InputError("task.negatives", problem, "leave it out")

    def _rank(self, state: State, batch: EventBatch) -> Tensor:
        score_BD = self.events.rank(state, batch, self._destination_D, self.setup.view)
        return ranks(score_BD, self._destination_D, batch.src_B, batch.dst_B, batch.t_B)

    def write_predictions(self, folder: Path) -> None:
        """Write the test events' scores and ranks."""
        assert self._test_scores is not None, "evaluate comes first"
        write_link_predictions(folder / "predictions.zarr", self.setup.store, self._test_scores)
