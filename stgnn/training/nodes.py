"""The task of dynamic node classification: the label of an event's source, from what it has lived through so far.

The encoder comes from a finished link-prediction run and stays as it is, as in the paper of TGN (Rossi et al. 2020,
section 5), so what it makes of each event is computed once; only a decoder is trained on it. Embeddings are of the
moment before the event, from events of either role in training: there is no link to be hidden here.

Axes: B events of a batch, E events, C embedding channels.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.files import replacing
from stgnn.nn.temporal.decoders import NodeDecoder
from stgnn.store.split import HELD_OUT, ROLES, TEST, TRAIN, VALIDATION
from stgnn.training.checkpoint import load_best_model
from stgnn.training.stream_setup import StreamSetup, each, prepare_stream
from stgnn.training.stream_task import StreamTask

DROPOUT = 0.1  # of the decoder


@dataclass(frozen=True)
class LabelBatch:
    """Events in time order: what the encoder made of their sources, and their labels."""

    embedding_BC: Tensor
    label_B: Tensor


def prepare(settings: Mapping[str, Any], store: Path, folder: Path, world: World) -> "NodeClassification":
    """The task that a resolved run declares; its encoder lies among the runs that `folder` is one of.

    Raises:
        InputError: the encoder is not trained yet, the stream has no labels or the model no embeddings.
    """
    setup = prepare_stream(settings, store, world)
    if setup.store.label is not None and not np.isin(setup.store.label, (0, 1)).all():
        raise InputError(store, "has labels other than 0 and 1", "node classification is of two classes")
    if setup.store.label is None:
        raise InputError(
            store, "its events have no labels", "choose a stream that has, such as jodie-wikipedia"
        )
    if not setup.model.num_channels:
        name = settings["model"]["name"]
        raise InputError(f"model {name}", "has no embeddings to classify", "choose one of the tgn family")
    trained = folder.absolute().parents[2] / settings["task"]["encoder"]["run"]
    weights = load_best_model(trained / "checkpoint.pt", setup.device)
    setup.model.load_state_dict(weights)
    return NodeClassification(setup, digest_of(weights))


class NodeClassification(StreamTask):
    """A decoder on embeddings that are computed once and mapped from a file in TMPDIR: C numbers an event.

    What stays in memory is 8 bytes an event, which split it has, and the logits of what is scored.
    """

    def __init__(self, setup: StreamSetup, encoder: str) -> None:
        decoder = NodeDecoder(setup.model.num_channels, DROPOUT).to(setup.device, setup.training.dtype)
        super().__init__(setup, decoder, built_on=encoder)
        self._kept: NDArray[np.float32] | None = None
        self._events = {role: np.flatnonzero(_has_role(setup, role)) for role in (TRAIN, VALIDATION, TEST)}
        if not self._labels(TRAIN).any():
            raise InputError(str(setup.store.path), "no event of the training period has label 1", "")

    @property
    def learns(self) -> bool:
        """The decoder does."""
        return True

    def fit(self) -> float:
        """Never asked for: the decoder is trained by gradients."""
        raise NotImplementedError("the decoder is trained by gradients")

    def steps_per_epoch(self) -> int:
        """Batches of the events in the training period."""
        return -(-len(self._events[TRAIN]) // self.training.batch_size)

    def batches(self, epoch: int, first: int, steps: int) -> Iterator[LabelBatch]:
        """The events of the training period in order, from batch `first` on."""
        for number, batch in enumerate(self._batches_of(TRAIN)):
            if first <= number < steps:
                yield batch

    def loss(self, batch: LabelBatch, trained: nn.Module, step: int) -> tuple[Tensor, Tensor]:
        """Mean BCE of the labels; its sum, events, and events again."""
        loss = binary_cross_entropy_with_logits(trained(batch.embedding_BC), batch.label_B)
        count = torch.full((), len(batch.label_B), dtype=torch.float64, device=self.device)
        return loss, torch.stack([loss.detach().double() * count, count, count])

    def validates(self) -> bool:
        """Whether the validation events have labels of both kinds: else there is no AUC, and the last weights count."""
        label = self._labels(VALIDATION)
        return bool(label.any() and not label.all())

    def validate(self) -> float:
        """ROC-AUC of the validation events; NaN where their labels are all alike."""
        found = self._scores(VALIDATION)["label_auc"]
        return float("nan") if found is None else found

    def evaluate(self, splits: Iterable[str]) -> dict[str, Any]:
        """ROC-AUC and AP of the labels of each split, pooled over its events; None where they are all alike."""
        return {split: self._scores(ROLES.index(split)) for split in splits}

    def write_predictions(self, folder: Path) -> None:
        """Write each test event's index, label and logit to `predictions.npz`."""
        events, label, logit = self._events[TEST], self._labels(TEST), self._logits(TEST)
        with replacing(folder / "predictions.npz") as partial, partial.open("wb") as file:
            np.savez(file, event=events, label=label, logit=logit)

    def _scores(self, role: int) -> dict[str, float | None]:
        label = self._labels(role)
        if label.all() or not label.any():
            return {"label_auc": None, "label_ap": None}
        logit = self._logits(role)
        scores = {"label_auc": roc_auc_score(label, logit), "label_ap": average_precision_score(label, logit)}
        return {name: float(value) for name, value in scores.items()}

    def _labels(self, role: int) -> NDArray[np.bool_]:
        assert self.setup.store.label is not None
        labels: NDArray[np.bool_] = self.setup.store.label[self._events[role]] > 0
        return labels

    @torch.no_grad()
    def _logits(self, role: int) -> NDArray[np.float32]:
        self.model.eval()
        parts = [self.model(batch.embedding_BC).float().cpu().numpy() for batch in self._batches_of(role)]
        return np.concatenate(parts)

    def _batches_of(self, role: int) -> Iterator[LabelBatch]:
        events, labels, size = self._events[role], self._labels(role), self.training.batch_size
        for start in range(0, len(events), size):
            rows = torch.from_numpy(self._embeddings[events[start : start + size]])
            label = torch.from_numpy(labels[start : start + size])
            dtype = self.training.dtype
            yield LabelBatch(rows.to(self.device, dtype), label.to(self.device, dtype))

    @property
    def _embeddings(self) -> NDArray[np.float32]:
        """Of every event's source just before it, [E, C], in a file of its own that ends with this process."""
        if self._kept is None:
            shape = (self.setup.store.num_events, self.setup.model.num_channels)
            with tempfile.TemporaryFile() as file:
                self._kept = np.memmap(file, dtype=np.float32, mode="w+", shape=shape)
            self._encode(self._kept)
        return self._kept

    @torch.no_grad()
    def _encode(self, out_EC: NDArray[np.float32]) -> None:
        encoder, view = self.setup.model.eval(), self.setup.view
        state = encoder.initial_state()
        for batch in each(self.setup.stream(TRAIN, HELD_OUT, VALIDATION, TEST), "encoding", self.between):
            cut_B = view.cuts(batch, batch.t_B)
            embedding_BC = encoder.embed(state, batch.src_B, batch.t_B, cut_B, view)
            out_EC[batch.event_B.cpu().numpy()] = embedding_BC.float().cpu().numpy()
            state = encoder.advance(state, batch, view).detach()


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of the encoder's weights: with others a decoder is another one, and no checkpoint of it goes on."""
    found = hashlib.sha256()
    for name, values in sorted(weights.items()):
        found.update(name.encode())
        found.update(values.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _has_role(setup: StreamSetup, role: int) -> NDArray[np.bool_]:
    roles = (TRAIN, HELD_OUT) if role == TRAIN else (role,)
    found: NDArray[np.bool_] = np.isin(setup.store.role, roles)
    return found
