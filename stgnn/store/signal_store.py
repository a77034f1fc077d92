"""Open a signal store: its coordinates, graph and statistics in memory, its signal mapped.

Axes: T entries, N graph nodes, F features, E edges, K chunks.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stgnn.store.mapped import MappedSignal, map_signal
from stgnn.store.opening import opening
from stgnn.store.statistics import Sums


@dataclass(frozen=True)
class SignalStore:
    """A finished store of a signal. Raw units throughout: scaling belongs to a run, not to a store."""

    path: Path
    digest: str  # of the manifest: changes when any byte of the store does
    signal: MappedSignal
    time: NDArray[Any]  # [T] datetime64[ns] or int64
    node: tuple[str, ...]
    feature: tuple[str, ...]
    edge_index: NDArray[np.int64]  # [2, E]
    edge_weight: NDArray[np.float32]  # [E]
    edge_ptr: NDArray[np.int64] | None  # [T + 1] for a dynamic graph
    calendar: NDArray[np.float32] | None  # [T, 2] time of day, day of week
    label: NDArray[np.int64] | None  # [T]
    null_value: float | None
    block_rows: int
    block_sums: Sums  # arrays [K, F]
    attributes: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, N, F)."""
        return self.signal.shape

    @property
    def nbytes(self) -> int:
        """Bytes of the signal."""
        return 4 * self.shape[0] * self.shape[1] * self.shape[2]

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """A copy of the entries `[start, stop)`: [stop - start, N, F], raw units."""
        return self.signal.rows(start, stop)

    def gather(
        self, starts_B: NDArray[Any], length: int, out_BWNF: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Copy windows into `out`; see `MappedSignal.gather`."""
        return self.signal.gather(starts_B, length, out_BWNF)

    def __reduce__(self) -> tuple[Any, ...]:
        return open_store, (self.path,)  # a map of memory cannot be pickled; its file can be opened again


def open_store(path: str | Path) -> SignalStore:
    """Open the store at `path` (`<dataset>.zarr`).

    Raises `InputError` if it was never finished or its signal cannot be mapped.
    """
    path = Path(path)
    with opening(path) as manifest:
        return _read(path, manifest["digest"])


def _read(path: Path, digest: str) -> SignalStore:
    mapped = map_signal(path)
    with xr.open_zarr(path, consolidated=False, chunks=None, drop_variables=["signal"]) as dataset:
        arrays = {str(name): values.values for name, values in dataset.variables.items()}
        attributes = dict(dataset.attrs)
    null = attributes.pop("null_value", "none")
    return SignalStore(
        path=path,
        digest=digest,
        signal=mapped,
        time=arrays["time"],
        node=tuple(map(str, arrays["node"])),
        feature=tuple(map(str, arrays["feature"])),
        edge_index=arrays["edge_index"],
        edge_weight=arrays["edge_weight"],
        edge_ptr=arrays.get("edge_ptr"),
        calendar=arrays.get("calendar"),
        label=arrays.get("label"),
        # as the float32 signal holds it, so that comparing with it is exact
        null_value=None if null == "none" else float(np.float32(null)),
        block_rows=mapped.chunk_rows,
        block_sums=Sums(*(arrays[f"block_{name}"] for name in ("count", "null_count", "sum", "sumsq"))),
        attributes=attributes,
    )
