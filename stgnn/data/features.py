"""What a model sees of a batch: scaled signal features, then the calendar channels a task asks for.

Axes: B windows, L input entries, N graph nodes, F features, K calendar features, C = chosen F + chosen K.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stgnn.data.placements import WindowBatch
from stgnn.data.scaler import Scaler
from stgnn.errors import InputError
from stgnn.settings import require_known
from stgnn.store.calendar import CALENDAR_FEATURES
from stgnn.store.signal_store import SignalStore

_CHANNEL_SPAN = {"time_of_day": 1.0, "day_of_week": 7.0}  # brings every channel into [0, 1)


@dataclass(frozen=True)
class ChosenFeatures:
    """Which of a store's features a model sees and which it forecasts, by their places in the store."""

    inputs: tuple[int, ...]  # those that are forecast come first
    targets: tuple[int, ...]

    @property
    def targets_are_seen(self) -> bool:
        """Does the model see the past of all that it forecasts?"""
        return set(self.targets) <= set(self.inputs)


def choose_features(
    store: SignalStore, inputs: Sequence[str] | None, target: Sequence[str] | None
) -> ChosenFeatures:
    """Find a task's `inputs` and `target` (None: all) among a store's features; `InputError` for an unknown one."""
    targets, seen = _places(store, target, "task.target"), _places(store, inputs, "task.inputs")
    first = tuple(place for place in targets if place in seen)
    return ChosenFeatures(first + tuple(place for place in seen if place not in targets), targets)


def _places(store: SignalStore, wanted: Sequence[str] | None, key: str) -> tuple[int, ...]:
    names = store.feature if wanted is None else wanted
    for name in names:
        require_known(name, store.feature, store.path, key)
    return tuple(store.feature.index(name) for name in names)


def index_of(places: Sequence[int], count: int, device: torch.device | str) -> Tensor | None:
    """Return `places` for `chosen`: None where they are all of `count` features as they stand, and none is copied."""
    if tuple(places) == tuple(range(count)):
        return None
    return torch.tensor(places, dtype=torch.int64, device=device)


def chosen(values_F: Tensor, index: Tensor | None) -> Tensor:
    """Return the features of `index`, of the last axis."""
    return values_F if index is None else values_F.index_select(-1, index)


class ModelInput:
    """Turns a batch into a model's input `x_BLNC`, on the device where the batch is.

    `scaler` knows all features of the store; `inputs` are the places of those that the model sees (None: all).
    Constants are made once, so that a batch that is born on an accelerator costs no copy to it.
    """

    def __init__(
        self,
        store: SignalStore,
        scaler: Scaler,
        calendar: Sequence[str] = (),
        device: torch.device | str = "cpu",
        inputs: Sequence[int] | None = None,
    ) -> None:
        if calendar and store.calendar is None:
            raise InputError(
                "task.calendar", f"{list(calendar)} asked for, but {store.path.stem} has no dates", "use []"
            )
        features = range(store.shape[2]) if inputs is None else inputs
        self.scaler = scaler.of(features).to(device, scaler.mean_F.dtype)
        self.num_channels = len(features) + len(calendar)
        self._features = index_of(features, store.shape[2], device)
        columns = [CALENDAR_FEATURES.index(name) for name in calendar]
        self._columns = torch.tensor(columns, dtype=torch.int64, device=device)
        self._span = torch.tensor([_CHANNEL_SPAN[name] for name in calendar], device=device)

    def __call__(self, batch: WindowBatch) -> Tensor:
        """Scale the past of `batch` and append its calendar: [B, L, N, C] in the scaler's dtype.

        NaN, where a dataset marks missing values so, becomes the mean.
        """
        x_BLNF = chosen(batch.x_BLNF, self._features)
        scaled = torch.nan_to_num(self.scaler.scale(x_BLNF.to(self.scaler.mean_F.dtype)), nan=0.0)
        if batch.x_calendar_BLK is None or not len(self._columns):
            return scaled
        dates = batch.x_calendar_BLK.index_select(2, self._columns) / self._span
        tiled = dates.to(scaled.dtype)[:, :, None, :].expand(-1, -1, scaled.shape[2], -1)
        return torch.cat([scaled, tiled], dim=-1)
