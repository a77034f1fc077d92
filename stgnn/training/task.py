"""What the engine asks of whatever is trained: batches, a loss, scores, and the state beside the weights."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stgnn.distributed.world import World
from stgnn.tasks import PREDICTED, predicted
from stgnn.training.options import Training


class Task(ABC):
    """One run's model and data, made once before its first step.

    `between` is called after each batch that is scored, by all workers equally often, and may end it all by an
    error. A subclass says what a batch is; to the engine it is anything.
    """

    between: Callable[[], None]

    def __init__(
        self,
        settings: Mapping[str, Any],
        training: Training,
        world: World,
        model: nn.Module,
        data_digest: str,
    ) -> None:
        self.settings, self.training, self.world, self.model = settings, training, world, model
        self.predicted = PREDICTED[predicted(settings)]
        self.between = lambda: None
        self._data_digest = data_digest

    @property
    def device(self) -> torch.device:
        """Where this worker computes."""
        return self.world.device

    def identity(self, code: str) -> dict[str, str]:
        """What a checkpoint must have been made from to be this run's."""
        canonical = json.dumps(self.settings, sort_keys=True, separators=(",", ":"))
        return {
            "settings": hashlib.sha256(canonical.encode()).hexdigest(),
            "data": self._data_digest,
            "code": code,
        }

    # -- training ---------------------------------------------------------------------------------

    @property
    @abstractmethod
    def learns(self) -> bool:
        """Has the model weights to train by gradients? If not, `fit` is all of its training."""

    @abstractmethod
    def fit(self) -> float:
        """Fit a model without gradients to the training split; return its training score."""

    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Batches of the whole training split."""

    @abstractmethod
    def batches(self, epoch: int, first: int, steps: int) -> Iterator[Any]:
        """The batches of an epoch from number `first` on, of `steps` in all; at 0 the state starts afresh."""

    @abstractmethod
    def loss(self, batch: Any, trained: nn.Module, step: int) -> tuple[Tensor, Tensor]:
        """The loss of a batch by `trained` (the model as the workers share it), and what it adds to the epoch's sums.

        Those are float64 [3]: the training score's sum, what to divide it by, and samples seen.
        """

    def state(self) -> dict[str, Tensor]:
        """What the next batch depends on beside weights and random generators, for a checkpoint."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        assert not state, "a task that keeps no state has none to go on from"

    # -- scores -----------------------------------------------------------------------------------

    @abstractmethod
    def validates(self) -> bool:
        """Is there anything in the validation split?"""

    @abstractmethod
    def validate(self) -> float:
        """The score of the validation split that the best epoch is chosen by; NaN where nothing can be scored."""

    @abstractmethod
    def evaluate(self, splits: Iterable[str]) -> dict[str, Any]:
        """What metrics.json says of each split, by the weights as they are now."""

    @abstractmethod
    def write_predictions(self, folder: Path) -> None:
        """Write the test split's predictions to `predictions.zarr` in `folder`."""

    @property
    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What metrics.json says of the task beside the scores."""

    @property
    @abstractmethod
    def sizes(self) -> dict[str, float]:
        """What stats.csv says of the data's size."""

    @property
    def samples(self) -> str:
        """What the third of the sums that `loss` returns counts, for the throughput's name."""
        return "windows"
