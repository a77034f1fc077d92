"""Datasets whose snapshots are some past entries of one feature and the next one: the base and its declarations.

Axes: T entries, N graph nodes, L lags, B windows of a batch, E edges.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from stgnn.data.loaders.base import DatasetLoader, Normalise
from stgnn.data.loaders.batches import index_batches, scale_of
from stgnn.data.node_scaler import fit_node_scaler
from stgnn.data.scaler import Scaler
from stgnn.data.share import Share
from stgnn.data.snapshots.graph import GraphSignal
from stgnn.data.snapshots.stored import Entries, stored_signal
from stgnn.errors import InputError


class LaggedLoader(DatasetLoader):
    """Snapshot t: x [N, L] are the entries t .. t + L - 1 of each graph node, y [N] is entry t + L.

    Values are standardised for each graph node by itself. One that is constant becomes 0 (PGT: NaN, or 0).
    """

    lags: ClassVar[int]
    published_standardised: ClassVar[bool] = (
        False  # over the whole series: "all" leaves the values as they are
    )

    def scaler(self, normalise: Normalise = "train", train_ratio: float = 0.7) -> Scaler | None:
        """Return what the values are standardised by (its `unscale` undoes it); None if they stay as published."""
        entries = self.statistics_over(normalise, train_ratio)
        if normalise == "all" and self.published_standardised:
            return None
        return fit_node_scaler(self.store, entries)

    def get_dataset(
        self, lags: int | None = None, *, normalise: Normalise = "train", train_ratio: float = 0.7
    ) -> GraphSignal:
        """Return the snapshots, read from the store as they are asked for; `lags` None means PGT's default."""
        entries = Entries(self.store, scaler=self.scaler(normalise, train_ratio))
        return stored_signal(entries, self.lags if lags is None else lags)


class IndexedLaggedLoader(LaggedLoader):
    """The same, with index-batches too. `index` has no effect: one store serves both ways."""

    batch_size: ClassVar[int]
    returns_scale: ClassVar[bool]

    def __init__(
        self, index: bool = False, *, folder: str | Path = "data", mirror: str | Path | None = None
    ) -> None:
        super().__init__(folder=folder, mirror=mirror)
        self.index = index

    def get_index_dataset(
        self,
        lags: int | None = None,
        batch_size: int | None = None,
        shuffle: bool = False,
        allGPU: int = -1,
        ratio: Sequence[float] = (0.7, 0.1, 0.2),
        dask_batching: bool = False,
        *,
        normalise: Normalise = "train",
    ) -> tuple[Any, ...]:
        """Return train, validation and test batches, edges [2, E], weights [E] and, where PGT does, means and stds [N].

        A batch is (x, y), both [B, L, N, 1]: `lags` past entries and as many future ones. `allGPU`, a CUDA device's
        number, puts the signal there. Statistics are those of the first `ratio[0]` of the entries. Only training
        batches are shuffled (PGT shuffles all). `dask_batching` must stay False: PGT's own fails.
        """
        entries = Entries(self.store, scaler=self.scaler(normalise, ratio[0]))
        lags = self.lags if lags is None else lags
        size = self.batch_size if batch_size is None else batch_size
        batches = index_batches(entries, lags, size, shuffle, allGPU, ratio, Share(), dask_batching)
        graph = torch.from_numpy(self.store.edge_index), torch.from_numpy(self.store.edge_weight)
        return *batches, *graph, *(scale_of(entries.scaler) if self.returns_scale and entries.scaler else ())


class ChickenpoxDatasetLoader(IndexedLaggedLoader):
    """Chickenpox Hungary: weekly cases in 20 counties, 2005 to 2015, 521 weeks, 102 unweighted edges.

    The published file is standardised over the whole series; normalise "train" standardises it again by training
    weeks, which is what standardising the raw counts by them gives, "all" leaves it as it is.
    Rozemberczki et al. 2021, https://arxiv.org/abs/2102.08100.
    """

    dataset = "chickenpox-hungary"
    lags, batch_size, returns_scale = 4, 4, False
    published_standardised = True


class PedalMeDatasetLoader(LaggedLoader):
    """Pedal Me: weekly bicycle deliveries in 15 localities of London, 35 weeks, 225 weighted edges.

    The published file is standardised over the whole series, as Chickenpox Hungary's.
    """

    dataset = "pedalme-london"
    lags = 4
    published_standardised = True


class WikiMathsDatasetLoader(LaggedLoader):
    """Wikipedia's vital mathematics articles: daily visits of 1068 pages, 731 days, 27,079 weighted links."""

    dataset = "wikipedia-math"
    lags = 8


class WindmillOutputLoader(IndexedLaggedLoader):
    """Hourly output of windmills, 17,472 hours, every pair weighted by the strength of its relation.

    `raw_data_dir` is PGT's name for `folder`, which it replaces where it is given.
    """

    lags, batch_size, returns_scale = 8, 64, True

    def __init__(
        self,
        raw_data_dir: str | Path | None = None,
        index: bool = False,
        *,
        folder: str | Path = "data",
        mirror: str | Path | None = None,
    ) -> None:
        super().__init__(index, folder=folder if raw_data_dir is None else raw_data_dir, mirror=mirror)


class WindmillOutputLargeDatasetLoader(WindmillOutputLoader):
    """Hourly output of 319 windmills."""

    dataset = "windmill-large"


class WindmillOutputMediumDatasetLoader(WindmillOutputLoader):
    """Hourly output of 26 windmills. Nobody serves the file any more: give a `mirror` that has it."""

    dataset = "windmill-medium"


class WindmillOutputSmallDatasetLoader(WindmillOutputLoader):
    """Hourly output of 11 windmills. Nobody serves the file any more: give a `mirror` that has it."""

    dataset = "windmill-small"


class MontevideoBusDatasetLoader(LaggedLoader):
    """Montevideo: hourly passengers boarding at 675 bus stops in October 2020, 744 hours, 690 links.

    Weights are road distances in metres, not strengths.
    """

    dataset = "montevideo-bus"
    lags = 4

    def get_dataset(
        self,
        lags: int | None = None,
        target_var: str = "y",
        feature_vars: Sequence[str] = ("y",),
        *,
        normalise: Normalise = "train",
        train_ratio: float = 0.7,
    ) -> GraphSignal:
        """Return the snapshots; the file's one variable is "y", and any other name is an `InputError`."""
        if target_var != "y" or list(feature_vars) != ["y"]:
            problem = (
                f"target_var {target_var!r} and feature_vars {list(feature_vars)}, but the file has 'y' alone"
            )
            raise InputError("montevideo-bus", problem, "leave them out")
        return super().get_dataset(lags, normalise=normalise, train_ratio=train_ratio)


class EnglandCovidDatasetLoader(LaggedLoader):
    """Covid-19 in England: daily cases in 129 regions, 61 days of 2020, on each day's mobility between them.

    Weights are raw counts of people. Panagopoulos et al. 2021, https://arxiv.org/abs/2009.08388.
    """

    dataset = "england-covid"
    lags = 8

    def get_dataset(
        self,
        lags: int | None = None,
        *,
        normalise: Normalise = "train",
        train_ratio: float = 0.7,
        graph: str = "oldest",
    ) -> GraphSignal:
        """Return the snapshots, with the graph of the `oldest` lag's day as in PGT, or of the `newest` one's."""
        entries = Entries(self.store, scaler=self.scaler(normalise, train_ratio))
        return stored_signal(entries, self.lags if lags is None else lags, graph=graph)
