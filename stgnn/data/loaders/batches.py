"""Index-batches as PyTorch Geometric Temporal's (PGT's) `get_index_dataset` returns them: scaled pairs (x, y).

Axes: B windows, L input entries (and as many targets), N graph nodes, F features.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from stgnn.data.loader import WindowLoader
from stgnn.data.placements import DevicePlacement, IndexPlacement, WindowBatch
from stgnn.data.scaler import Scaler
from stgnn.data.share import Share
from stgnn.data.snapshots.stored import Entries
from stgnn.data.windows import split_windows
from stgnn.errors import InputError
from stgnn.store.calendar import CALENDAR_FEATURES


class IndexBatches:
    """The batches of one split: x and y [B, L, N, F] float32, gathered from the mapped store.

    Every pass over a shuffled split has its own order; `set_epoch` chooses the next one, so that a resumed training
    goes on with the order that it left. Several ranks get equally many training batches, since each must take part in
    every step; of the other splits each rank gets whole batches, some one more than others, and nothing comes twice.
    """

    def __init__(self, loader: WindowLoader, entries: Entries, is_training: bool) -> None:
        self._loader, self._is_training, self._epoch = loader, is_training, 0
        self._columns = [CALENDAR_FEATURES.index(name) for name in entries.calendar]
        device = loader.placement.order_device
        self.scaler = entries.scaler and entries.scaler.to(device, entries.scaler.mean_F.dtype)

    def __len__(self) -> int:
        return len(self._loader) if self._is_training else len(self._loader.evaluation_ranges())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch, self._epoch = self._epoch, self._epoch + 1
        batches = self._loader.epoch(epoch) if self._is_training else self._loader.in_time_order()
        return (self._pair(batch) for batch in batches)

    @property
    def sampler(self) -> "IndexBatches":
        """Itself, so that `loader.sampler.set_epoch(epoch)`, written for PGT's loaders, works."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass have the order of this epoch."""
        self._epoch = epoch

    def _pair(self, batch: WindowBatch) -> tuple[Tensor, Tensor]:
        x = self._scaled(batch.x_BLNF, batch.x_calendar_BLK)
        return x, self._scaled(batch.y_BHNF, batch.y_calendar_BHK)

    def _scaled(self, values_BLNF: Tensor, calendar_BLK: Tensor | None) -> Tensor:
        if calendar_BLK is not None and self._columns:
            chosen = calendar_BLK[..., self._columns][:, :, None]
            tiled = chosen.expand(-1, -1, values_BLNF.shape[2], -1)
            values_BLNF = torch.cat([values_BLNF, tiled], dim=-1)
        if self.scaler is None:
            return values_BLNF.clone()  # out of the buffer that the next batch uses again
        return self.scaler.scale(values_BLNF).float()


def index_batches(
    entries: Entries,
    lags: int,
    batch_size: int,
    shuffle: bool,
    allGPU: int,
    ratio: Sequence[float],
    share: Share,
    dask_batching: bool,
) -> tuple[IndexBatches, IndexBatches, IndexBatches]:
    """Return the batches of the training, validation and test windows of `lags` + `lags` entries."""
    if dask_batching:
        todo = "leave it False; a study has it as `batching: dask-ddp`"
        raise InputError("dask_batching", "is not for dataset loaders", todo)
    if batch_size < 1:
        raise InputError("batch_size", f"is {batch_size}", "give at least 1")
    windows = split_windows(entries.store.shape[0], lags, lags, ratio)
    on_host = allGPU == -1
    placement = (
        IndexPlacement(entries.store, windows)
        if on_host
        else DevicePlacement(entries.store, windows, torch.device("cuda", allGPU))
    )
    size = batch_size * share.size
    train, validation, test = (
        WindowLoader(placement, starts, size, shuffle=shuffle, share=share)
        for starts in (windows.train, windows.validation, windows.test)
    )
    return (
        IndexBatches(train, entries, True),
        IndexBatches(validation, entries, False),
        IndexBatches(test, entries, False),
    )


def share_of(world_size: int, ddp_rank: int) -> Share:
    """Return which part of each batch is this rank's; -1 means that there is one process."""
    if ddp_rank == -1:
        return Share()
    if not 0 <= ddp_rank < world_size:
        raise InputError("ddp_rank", f"is {ddp_rank} of world_size {world_size}", "give both, or neither")
    return Share(ddp_rank, world_size)


def scale_of(scaler: Scaler) -> tuple[Tensor, Tensor]:
    """Return means and stds as PGT does: float32, without axes of length 1."""
    return scaler.mean_F.squeeze().float(), scaler.std_F.squeeze().float()
