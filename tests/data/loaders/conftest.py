"""A mirror of small raw files, and a catalogue that takes them for the real ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stgnn.catalog import Dataset, load_catalog
from stgnn.data import loaders
from tests.data.loaders.pgt_loaders import from_folder
from tests.data.loaders.raw_files import write_all


def without_origin() -> dict[str, Dataset]:
    """The catalogue, its files of any size and checksum and from nowhere but a mirror."""
    return {
        name: replace(
            each, files=tuple(replace(file, sha256=None, size=None, url=None) for file in each.files)
        )
        for name, each in load_catalog().items()
    }


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small raw files of every loader's dataset."""
    folder = tmp_path_factory.mktemp("mirror")
    write_all(folder)
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stores of a session go, so that each is made once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def small_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stgnn.data.loaders.base.load_catalog", without_origin)


@pytest.fixture
def ours(mirror: Path, data: Path) -> Callable[..., Any]:
    """Make a loader by name, whose stores all tests share."""
    return lambda name, **options: getattr(loaders, name)(folder=data, mirror=mirror, **options)


@pytest.fixture
def theirs(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make PyTorch Geometric Temporal's loader by name, served from the mirror."""
    return from_folder(mirror, tmp_path, monkeypatch)
