"""The Zarr form of a dataset: written once by `write_store`, mapped by every run through `open_store`."""

from stgnn.store.signal_store import SignalStore, open_store
from stgnn.store.write import write_store

__all__ = ["SignalStore", "open_store", "write_store"]
