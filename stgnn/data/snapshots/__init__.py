"""Signals as PyTorch Geometric Temporal has them: sequences of snapshots, one PyTorch Geometric object each.

from stgnn.data.snapshots import StaticGraphTemporalSignal, temporal_signal_split

Class names and constructors are those of `torch_geometric_temporal.signal`; `stored_signal` reads a store's windows.
"""

from stgnn.data.snapshots.dynamic_graph import (
    DynamicGraphStaticSignal,
    DynamicGraphStaticSignalBatch,
    DynamicGraphTemporalSignal,
    DynamicGraphTemporalSignalBatch,
)
from stgnn.data.snapshots.hetero_graph import (
    DynamicHeteroGraphStaticSignal,
    DynamicHeteroGraphStaticSignalBatch,
    DynamicHeteroGraphTemporalSignal,
    DynamicHeteroGraphTemporalSignalBatch,
    StaticHeteroGraphTemporalSignal,
    StaticHeteroGraphTemporalSignalBatch,
)
from stgnn.data.snapshots.split import temporal_signal_split
from stgnn.data.snapshots.static_graph import StaticGraphTemporalSignal, StaticGraphTemporalSignalBatch
from stgnn.data.snapshots.stored import Entries, stored_signal

__all__ = [
    "DynamicGraphStaticSignal",
    "DynamicGraphStaticSignalBatch",
    "DynamicGraphTemporalSignal",
    "DynamicGraphTemporalSignalBatch",
    "DynamicHeteroGraphStaticSignal",
    "DynamicHeteroGraphStaticSignalBatch",
    "DynamicHeteroGraphTemporalSignal",
    "DynamicHeteroGraphTemporalSignalBatch",
    "Entries",
    "StaticGraphTemporalSignal",
    "StaticGraphTemporalSignalBatch",
    "StaticHeteroGraphTemporalSignal",
    "StaticHeteroGraphTemporalSignalBatch",
    "stored_signal",
    "temporal_signal_split",
]
