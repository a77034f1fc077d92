"""With `normalise="all"` every loader gives the snapshots and index-batches of PyTorch Geometric Temporal's (PGT's)."""

import inspect
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.data import loaders
from tests.data.loaders.pgt_loaders import PEMS, RAW_FOLDER, assert_same
from tests.pgt_oracle import has_pgt, load_pgt

pytestmark = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")

JSON = [
    ("ChickenpoxDatasetLoader", {}, {}),
    ("ChickenpoxDatasetLoader", {}, {"lags": 7}),
    ("PedalMeDatasetLoader", {}, {}),
    ("WikiMathsDatasetLoader", {}, {}),
    ("WikiMathsDatasetLoader", {}, {"lags": 3}),
    ("MontevideoBusDatasetLoader", {}, {"lags": 4, "target_var": "y", "feature_vars": ["y"]}),
    ("EnglandCovidDatasetLoader", {}, {}),
    ("EnglandCovidDatasetLoader", {}, {"lags": 2}),
]
TENNIS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "TwitterTennisDatasetLoader",
        {"event_id": event, "N": nodes, "feature_mode": mode, "target_offset": offset},
        {},
    )
    for event, nodes, mode, offset in [
        ("rg17", None, "encoded", 1),
        ("uo17", 7, "encoded", 3),
        ("rg17", None, None, 0),
        ("rg17", 4, "diagonal", 2),
        ("uo17", 50, None, 1),
    ]
]


@pytest.mark.parametrize("name, options, request_", [*JSON, *TENNIS, ("MTMDatasetLoader", {}, {"frames": 5})])
def test_snapshots_equal_pgts(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    name: str,
    options: dict[str, Any],
    request_: dict[str, Any],
) -> None:
    fixed = {} if name.startswith(("Twitter", "MTM")) else {"normalise": "all"}
    mine = ours(name, **options).get_dataset(**request_, **fixed)
    assert_same(mine, theirs(name, **options).get_dataset(**request_))


@pytest.mark.parametrize("name", sorted(RAW_FOLDER))
@pytest.mark.parametrize("lengths", [(), (5,), (6, 1)])
def test_snapshots_of_retrieved_archives_equal_pgts(
    ours: Callable[..., Any], theirs: Callable[..., Any], name: str, lengths: tuple[int, ...]
) -> None:
    lengths = lengths[:1] if name.startswith("Windmill") else lengths
    mine, other = ours(name).get_dataset(*lengths, normalise="all"), theirs(name).get_dataset(*lengths)
    assert len(mine) == other.snapshot_count
    assert_same(mine[::7], other[::7], 1e-5)  # PGT's float32 means


INDEXED = ["ChickenpoxDatasetLoader", *sorted(RAW_FOLDER), *sorted(PEMS)]


@pytest.mark.parametrize("name", INDEXED)
@pytest.mark.parametrize("request_", [{}, {"lags": 3, "batch_size": 5, "ratio": (0.6, 0.2, 0.2)}])
def test_index_batches_equal_pgts(
    ours: Callable[..., Any], theirs: Callable[..., Any], name: str, request_: dict[str, Any]
) -> None:
    if name in PEMS and find_spec("tables") is None:
        pytest.skip("pandas reads HDF5 with PyTables alone")
    mine = ours(name, index=True).get_index_dataset(**request_, normalise="all")
    other = theirs(name, index=True).get_index_dataset(**request_)
    assert len(mine) == len(other)
    for left, right in zip(mine[:3], other[:3], strict=True):
        assert len(left) == len(right)
        for batch, same in zip(left, right, strict=True):
            for part, equal in zip(batch, same, strict=True):
                assert part.dtype == torch.float32
                torch.testing.assert_close(part, equal.float(), rtol=1e-4, atol=1e-5)
    for tensor, equal in zip(mine[3:], other[3:], strict=True):
        assert isinstance(tensor, Tensor)
        torch.testing.assert_close(tensor, equal, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*loaders.__all__])
def test_arguments_have_pgts_names_and_order(name: str) -> None:
    load_pgt()
    theirs = getattr(import_module("torch_geometric_temporal.dataset"), name)
    for method in ("__init__", "get_dataset", "get_index_dataset"):
        if hasattr(theirs, method) and "no longer" not in inspect.getsource(theirs.__init__):
            known = list(inspect.signature(getattr(theirs, method)).parameters)
            given = inspect.signature(getattr(getattr(loaders, name), method)).parameters
            positional = [key for key, each in given.items() if each.kind is each.POSITIONAL_OR_KEYWORD]
            assert positional == known
