"""What a model sees of a batch: scaled signal features, then the calendar channels a task asks for.

Axes: B windows, L input entries, N graph nodes, F features, K calendar features, C = F + chosen K.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from stgnn.data.placements import WindowBatch
from stgnn.data.scaler import Scaler
from stgnn.errors import InputError
from stgnn.store.calendar import CALENDAR_FEATURES
from stgnn.store.signal_store import SignalStore

_CHANNEL_SPAN = {"time_of_day": 1.0, "day_of_week": 7.0}  # brings every channel into [0, 1)


class ModelInput:
    """Turns a batch into a model's input `x_BLNC`, on the device where the batch is.

    Its constants are made once, so that a batch that is born on an accelerator costs no copy to it.
    """

    def __init__(
        self,
        store: SignalStore,
        scaler: Scaler,
        calendar: Sequence[str] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        if calendar and store.calendar is None:
            raise InputError(
                "task.calendar", f"{list(calendar)} asked for, but {store.path.stem} has no dates", "use []"
            )
        self.scaler = scaler.to(device, scaler.mean_F.dtype)
        self.num_channels = store.shape[2] + len(calendar)
        columns = [CALENDAR_FEATURES.index(name) for name in calendar]
        self._columns = torch.tensor(columns, dtype=torch.int64, device=device)
        self._span = torch.tensor([_CHANNEL_SPAN[name] for name in calendar], device=device)

    def __call__(self, batch: WindowBatch) -> Tensor:
        """Scale the past of `batch` and append its calendar: [B, L, N, C] in the scaler's dtype.

        NaN, where a dataset marks missing values so, becomes the mean.
        """
        scaled = torch.nan_to_num(self.scaler.scale(batch.x_BLNF.to(self.scaler.mean_F.dtype)), nan=0.0)
        if batch.x_calendar_BLK is None or not len(self._columns):
            return scaled
        chosen = batch.x_calendar_BLK.index_select(2, self._columns) / self._span
        tiled = chosen.to(scaled.dtype)[:, :, None, :].expand(-1, -1, scaled.shape[2], -1)
        return torch.cat([scaled, tiled], dim=-1)
