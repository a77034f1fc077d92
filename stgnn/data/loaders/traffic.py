"""Traffic datasets: speeds and the time of day, some entries to predict as many; the base and its declarations.

Axes: T entries, N graph nodes, F = 2 features (speed, time of day), L input entries, H target entries, E edges.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from stgnn.data.loaders.base import DatasetLoader, Normalise
from stgnn.data.loaders.batches import index_batches, scale_of, share_of
from stgnn.data.scaler import Scaler, fit_scaler
from stgnn.data.snapshots.graph import GraphSignal
from stgnn.data.snapshots.stored import Entries, stored_signal
from stgnn.errors import InputError

CLOCK = "time_of_day"


class TrafficLoader(DatasetLoader):
    """Speeds and the time of day (made from the entries' dates), both standardised over all graph nodes together.

    `raw_data_dir` is PyTorch Geometric Temporal's (PGT's) name for `folder`, which it replaces where it is given.
    `index` has no effect: one store serves both ways. Missing speeds, marked 0, count as 0 in the statistics as in PGT.
    """

    targets: ClassVar[tuple[str, ...] | None] = None  # features of y; None: all

    def __init__(
        self,
        raw_data_dir: str | Path | None = None,
        index: bool = False,
        *,
        folder: str | Path = "data",
        mirror: str | Path | None = None,
    ) -> None:
        super().__init__(folder=folder if raw_data_dir is None else raw_data_dir, mirror=mirror)
        self.index = index

    def scaler(self, normalise: Normalise = "train", train_ratio: float = 0.7) -> Scaler:
        """Return what speed and time of day are standardised by; its `unscale` undoes it."""
        entries = self.statistics_over(normalise, train_ratio)
        if self.store.calendar is None:
            raise InputError(self.store.path, "has no dates", "ingest the dataset again")
        clock = self.store.calendar[entries.start : entries.stop, 0].astype(np.float64)
        speed = fit_scaler(self.store, entries, input_len=1)  # each entry once
        mean_F = torch.cat([speed.mean_F, torch.tensor([clock.mean()])])
        return Scaler(mean_F, torch.cat([speed.std_F, torch.tensor([clock.std() or 1.0])])).to(
            "cpu", torch.float32
        )

    def get_dataset(
        self,
        num_timesteps_in: int = 12,
        num_timesteps_out: int = 12,
        *,
        normalise: Normalise = "train",
        train_ratio: float = 0.7,
    ) -> GraphSignal:
        """Return the snapshots, read from the store as they are asked for: x [N, F, L], y [N, F, H], METR-LA [N, H]."""
        entries = self._entries(normalise, train_ratio)
        return stored_signal(entries, num_timesteps_in, num_timesteps_out, self.targets)

    def get_index_dataset(
        self,
        lags: int = 12,
        batch_size: int = 64,
        shuffle: bool = False,
        allGPU: int = -1,
        ratio: Sequence[float] = (0.7, 0.1, 0.2),
        world_size: int = -1,
        ddp_rank: int = -1,
        dask_batching: bool = False,
        *,
        normalise: Normalise = "train",
    ) -> tuple[Any, ...]:
        """Return train, validation and test batches, edges [2, E], weights [E], means [F] and stds [F].

        A batch is (x, y), both [B, lags, N, F]: `lags` past entries and as many future ones. `allGPU`, a CUDA device's
        number, puts the signal there. Statistics are those of the first `ratio[0]` of the entries. Only training
        batches are shuffled (PGT shuffles all). With `world_size` and `ddp_rank` each rank has its part of every
        training batch of `world_size * batch_size` windows, and its share of the validation and test batches.
        `dask_batching` must stay False: PGT's own fails.
        """
        entries = self._entries(normalise, ratio[0])
        share = share_of(world_size, ddp_rank)
        batches = index_batches(entries, lags, batch_size, shuffle, allGPU, ratio, share, dask_batching)
        graph = torch.from_numpy(self.store.edge_index), torch.from_numpy(self.store.edge_weight)
        assert entries.scaler is not None
        return *batches, *graph, *scale_of(entries.scaler)

    def _entries(self, normalise: Normalise, train_ratio: float) -> Entries:
        return Entries(self.store, (CLOCK,), self.scaler(normalise, train_ratio))


class METRLADatasetLoader(TrafficLoader):
    """METR-LA: speeds at 207 loop detectors in Los Angeles every 5 minutes, March to June 2012, 34,272 entries.

    The target is the speed alone: y [N, H]. Li et al. 2018, https://arxiv.org/abs/1707.01926.
    """

    dataset = "metr-la"
    targets = ("speed",)


class PemsBayDatasetLoader(TrafficLoader):
    """PEMS-BAY: speeds at 325 loop detectors in the Bay Area every 5 minutes, 2017, 52,105 entries.

    Targets are speed and time of day: y [N, F, H]. Li et al. 2018, https://arxiv.org/abs/1707.01926.
    """

    dataset = "pems-bay"


class PemsAllLADatasetLoader(TrafficLoader):
    """PeMS-All-LA: speeds at 2716 loop detectors in Los Angeles every 5 minutes for a year, 2.3 GB.

    `get_dataset`, which PGT does not have here, reads the snapshots from the store one by one.
    Mallick et al. 2020, https://arxiv.org/abs/1909.11197.
    """

    dataset = "pems-all-la"


class PemsDatasetLoader(TrafficLoader):
    """PeMS: speeds at 11,160 loop detectors in California every 5 minutes for a year, 9.4 GB.

    `get_dataset`, which PGT does not have here, reads the snapshots from the store one by one.
    Mallick et al. 2020, https://arxiv.org/abs/1909.11197.
    """

    dataset = "pems"
