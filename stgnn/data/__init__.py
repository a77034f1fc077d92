"""Index-batching: windows of a mapped store, gathered batch by batch.

store = open_store("data/stores/metr-la-29.zarr")
windows = split_windows(store.shape[0], input_len=12, horizon=12)
scaler = fit_scaler(store, windows.train, windows.input_len)
loader = WindowLoader(IndexPlacement(store, windows), windows.train, batch_size=64, shuffle=True)
model_input = ModelInput(store, scaler, calendar=["time_of_day"])
for batch in loader:
    x, y = model_input(batch), batch.y_BHNF
"""

from stgnn.data.edges import EntryEdges, WindowEdges
from stgnn.data.features import ModelInput
from stgnn.data.loader import WindowLoader
from stgnn.data.placements import (
    PLACEMENTS,
    DevicePlacement,
    IndexPlacement,
    MaterialisedPlacement,
    WindowBatch,
)
from stgnn.data.scaler import Scaler, fit_scaler
from stgnn.data.windows import Windows, split_windows
from stgnn.store import open_store

__all__ = [
    "PLACEMENTS",
    "DevicePlacement",
    "EntryEdges",
    "IndexPlacement",
    "MaterialisedPlacement",
    "ModelInput",
    "Scaler",
    "WindowBatch",
    "WindowEdges",
    "WindowLoader",
    "Windows",
    "fit_scaler",
    "open_store",
    "split_windows",
]
