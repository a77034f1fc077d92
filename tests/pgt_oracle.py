"""PyTorch Geometric Temporal (PGT) as a peer for tests and benchmarks.

Its package imports a name from torch_sparse that no layer uses; a stand-in module provides it.
"""

import sys
import types
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def has_pgt() -> bool:
    """Whether PGT and what it really needs are installed."""
    return find_spec("torch_geometric_temporal") is not None and find_spec("torch_geometric") is not None


def load_pgt(module: str = "recurrent") -> ModuleType:
    """PGT's `nn.<module>`."""
    if "torch_sparse" not in sys.modules and find_spec("torch_sparse") is None:
        stand_in = types.ModuleType("torch_sparse")
        stand_in.SparseTensor = import_module("torch_geometric.typing").SparseTensor  # type: ignore[attr-defined]
        sys.modules["torch_sparse"] = stand_in
    return import_module(f"torch_geometric_temporal.nn.{module}")
