"""What all tasks on event streams have in common."""

from typing import Any

from torch import nn

from stgnn.training.stream_setup import StreamSetup
from stgnn.training.task import Task


class StreamTask(Task):
    """A task whose batches are events in time order; `model` is what is trained of the run's model or built on it."""

    def __init__(self, setup: StreamSetup, model: nn.Module, built_on: str = "") -> None:
        """`built_on` is what else than the store decides the result: a digest of other runs' weights, say."""
        super().__init__(setup.settings, setup.training, setup.world, model, setup.store.digest + built_on)
        self.setup = setup

    @property
    def facts(self) -> dict[str, Any]:
        """What is predicted, and how many events are a batch, which decides what the scores mean."""
        return {"predict": self.settings["task"]["predict"], "batch_size": self.setup.protocol.batch_size}

    @property
    def sizes(self) -> dict[str, float]:
        """MB of the stream."""
        return {"events_mb": self.setup.megabytes}

    @property
    def samples(self) -> str:
        """Throughput is counted in events."""
        return "events"
