"""Loaders on the published files themselves, where they are at hand (`STGNN_SHARED`): the snapshots are PGT's.

Elsewhere `test_against_pgt` says the same of small files of their layout.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.loaders.pgt_loaders import assert_same
from tests.pgt_oracle import has_pgt

pytestmark = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")

STANDARDISED = {"normalise": "all"}
# The file, the loader, its options and request, and the sizes that PGT's documentation gives: graph nodes, features.
CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], tuple[int, int]]] = [
    ("chickenpox.json", "ChickenpoxDatasetLoader", {}, {"lags": 8} | STANDARDISED, (20, 8)),
    ("pedalme_london.json", "PedalMeDatasetLoader", {}, STANDARDISED, (15, 4)),
    ("england_covid.json", "EnglandCovidDatasetLoader", {}, STANDARDISED, (129, 8)),
    ("montevideo_bus.json", "MontevideoBusDatasetLoader", {}, STANDARDISED, (675, 4)),
    ("twitter_tennis_rg17.json", "TwitterTennisDatasetLoader", {"event_id": "rg17"}, {}, (1000, 16)),
    (
        "twitter_tennis_uo17.json",
        "TwitterTennisDatasetLoader",
        {"event_id": "uo17", "N": 200, "feature_mode": None, "target_offset": 2},
        {},
        (200, 2),
    ),
]
LARGE = ("montevideo_bus.json",)  # of these not every snapshot is compared


@pytest.fixture(scope="module")
def mirror(shared_data: Path) -> Path:
    return shared_data / "pgt"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Apart from the stores of small files, which have the same names."""
    return tmp_path_factory.mktemp("published")


def needed(mirror: Path, file: str) -> None:
    if not (mirror / file).exists():
        pytest.skip(f"{file} is not here")


@pytest.mark.parametrize("file, name, options, request_, sizes", CASES)
def test_snapshots_of_published_files_equal_pgts(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    mirror: Path,
    file: str,
    name: str,
    options: dict[str, Any],
    request_: dict[str, Any],
    sizes: tuple[int, int],
) -> None:
    needed(mirror, file)
    mine = ours(name, **options).get_dataset(**request_)
    known = {key: value for key, value in request_.items() if key != "normalise"}
    other = theirs(name, **options).get_dataset(**known)
    assert len(mine) == other.snapshot_count and mine[0].x.shape == sizes
    every = max(1, len(mine) // 40) if file in LARGE else 1
    assert_same(mine[::every], other[::every])
    assert_same(mine[-2:], other[-2:])


def test_index_batches_of_published_files_equal_pgts(
    ours: Callable[..., Any], theirs: Callable[..., Any], mirror: Path
) -> None:
    needed(mirror, "chickenpox.json")
    mine = ours("ChickenpoxDatasetLoader", index=True).get_index_dataset(lags=4, **STANDARDISED)
    other = theirs("ChickenpoxDatasetLoader", index=True).get_index_dataset(lags=4)
    for left, right in zip(mine[:3], other[:3], strict=True):
        for batch, same in zip(left, right, strict=True):
            for part, equal in zip(batch, same, strict=True):
                torch.testing.assert_close(part, equal.float(), rtol=1e-4, atol=1e-5)
