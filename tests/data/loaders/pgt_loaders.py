"""The dataset loaders of PyTorch Geometric Temporal (PGT), served from a folder in the place of the network."""

import io
import shutil
import urllib.request
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.pgt_oracle import load_pgt

RAW_FOLDER = {"WindmillOutputLargeDatasetLoader", "METRLADatasetLoader", "PemsBayDatasetLoader"}
PEMS = {"PemsAllLADatasetLoader", "PemsDatasetLoader"}


def from_folder(mirror: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that makes PGT's loader of a name from the raw files of a folder."""
    load_pgt()
    monkeypatch.setattr(
        urllib.request,
        "urlopen",
        lambda url, context=None: io.BytesIO((mirror / url.rsplit("/", 1)[1]).read_bytes()),
    )

    def make(name: str, **options: Any) -> Any:
        if name in RAW_FOLDER | PEMS:
            folder = scratch / "pgt"
            if not folder.exists():
                shutil.copytree(mirror, folder)
            options["raw_data_dir"] = str(folder)
        return getattr(import_module("torch_geometric_temporal.dataset"), name)(**options)

    return make


def assert_same(ours: Any, theirs: Any, atol: float = 1e-6) -> None:
    """Same number of snapshots, same edges, and features and targets of the same shape, type and values."""
    assert len(ours) == theirs.snapshot_count
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine.edge_index, other.edge_index)
        for key in ("x", "y", "edge_attr"):
            torch.testing.assert_close(mine[key], other[key], rtol=1e-5, atol=atol)
