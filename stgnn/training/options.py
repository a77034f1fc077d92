"""The settings that every kind of training shares, and the device it runs on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from stgnn.errors import InputError


@dataclass(frozen=True)
class Training:
    """The `training:` section of a resolved run; config/config.yaml documents each key."""

    epochs: int
    batch_size: int
    batch_scope: str
    optimiser: str
    learning_rate: float
    learning_rate_scaling: str
    warmup_epochs: float
    epsilon: float
    weight_decay: float
    milestones: tuple[int, ...]
    gamma: float
    clip_norm: float | None
    patience: int | None
    loss: str
    precision: str
    shuffle: bool
    max_steps_per_epoch: int | None
    evaluate: tuple[str, ...]
    save_predictions: bool

    @classmethod
    def from_settings(cls, section: Mapping[str, Any]) -> "Training":
        """Read the section; raises `InputError` for a key that is missing or unknown."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in section.items()
        }
        missing, unknown = (
            cls.__annotations__.keys() - values.keys(),
            values.keys() - cls.__annotations__.keys(),
        )
        if missing or unknown:
            raise InputError("training", f"missing {sorted(missing)}, unknown {sorted(unknown)}")
        return cls(**values)

    @property
    def dtype(self) -> torch.dtype:
        """Of weights, states and errors: float32 too where products are bfloat16."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def global_batch(self, workers: int) -> int:
        """Samples of one step over all workers."""
        return self.batch_size * workers if self.batch_scope == "worker" else self.batch_size


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU; of several workers each takes the card of its `local_rank`."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and local_rank is not None:
        name = f"cuda:{local_rank}"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("device", f"{name} asked for, but torch sees no CUDA device", "use auto or cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            "device",
            f"{name} asked for, but torch sees {torch.cuda.device_count()} CUDA device(s)",
            "use fewer workers a compute node",
        )
    return device
