"""Scores of a run's test events as a Zarr store, on request.

Axes: S test events, Q negatives of each kind.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from stgnn.files import replacing_folder
from stgnn.store.event_store import EventStore
from stgnn.training.link_metrics import LinkScores


def write_link_predictions(path: Path, store: EventStore, scores: LinkScores) -> None:
    """Write `logit` [S], `rank` [S] where ranked, and each kind's `negative_<kind>` [S, Q], whole or not at all.

    `event` is the index in the store, whose last S events these are; `xarray.open_zarr` reads the result.
    """
    columns = scores.columns()
    first = store.num_events - len(columns["logit"])
    arrays = {name: (("event", "negative")[: values.ndim], values) for name, values in columns.items()}
    event = np.arange(first, store.num_events)
    with replacing_folder(path) as partial:
        xr.Dataset(arrays, {"event": ("event", event)}).to_zarr(
            partial, mode="w", zarr_format=3, consolidated=False
        )
