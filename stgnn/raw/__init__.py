"""Raw files to `Signal` or `Events`: one reader a raw format, looked up by the name that the catalogue gives.

Readers are pure and streaming: they check what they read, name file, key and position when it is wrong, change no
value unless an option asks for it, and write nothing. Stores are `stgnn.store`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stgnn.errors import InputError
from stgnn.raw.checked import read_checked
from stgnn.raw.events import Events
from stgnn.raw.jodie import read_jodie
from stgnn.raw.json_dynamic import read_england_covid, read_twitter_tennis
from stgnn.raw.json_lines import read_json_lines
from stgnn.raw.json_static import read_montevideo, read_pgt_static, read_wikipedia_math, read_windmill
from stgnn.raw.ml_pair import read_ml_pair
from stgnn.raw.mtm import read_mtm
from stgnn.raw.npy_pair import read_npy_pair
from stgnn.raw.signal import Signal
from stgnn.raw.snap import read_snap
from stgnn.raw.table import read_table
from stgnn.raw.tgb import read_tgb
from stgnn.raw.traffic import read_traffic_hdf5

if TYPE_CHECKING:
    from stgnn.catalog import Dataset

READERS: dict[str, Callable[[Dataset, Path], Signal]] = {
    "pgt-static-json": read_pgt_static,
    "wikipedia-math-json": read_wikipedia_math,
    "windmill-json": read_windmill,
    "montevideo-json": read_montevideo,
    "england-covid-json": read_england_covid,
    "twitter-tennis-json": read_twitter_tennis,
    "mtm-json": read_mtm,
    "traffic-hdf5": read_traffic_hdf5,
    "npy-pair": read_npy_pair,
    "table": read_table,
}


EVENT_READERS: dict[str, Callable[[Dataset, Path], Events]] = {
    "jodie-csv": read_jodie,
    "snap-text": read_snap,
    "ml-pair": read_ml_pair,
    "tgb-zip": read_tgb,
    "event-json-lines": read_json_lines,
}


def read(dataset: Dataset, folder: Path) -> Signal | Events:
    """Return what the dataset's raw files in `folder` hold, by its kind, as `read_checked` does by its reader."""
    if dataset.reader in EVENT_READERS:
        return read_checked(dataset, Path(folder), EVENT_READERS[dataset.reader])
    return read_signal(dataset, folder)


def read_signal(dataset: Dataset, folder: Path) -> Signal:
    """Return the signal in the dataset's raw files, which lie in `folder`; `InputError` where they hold none."""
    if dataset.reader not in READERS:
        raise InputError(
            f"dataset {dataset.name}",
            f"no reader {dataset.reader!r}" + (" of signals" if dataset.reader in EVENT_READERS else ""),
            f"expected one of {', '.join(READERS)}",
        )
    return read_checked(dataset, Path(folder), READERS[dataset.reader])
