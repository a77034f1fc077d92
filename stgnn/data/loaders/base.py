"""What every dataset loader does: have its dataset's store, made from the raw files when it is first needed."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from stgnn.catalog import find_dataset, load_catalog
from stgnn.errors import InputError
from stgnn.files import locked
from stgnn.raw import read_signal
from stgnn.retrieve import retrieve
from stgnn.store import SignalStore, open_store, write_store
from stgnn.store.manifest import manifest_path

Normalise: TypeAlias = Literal["train", "all"]


class DatasetLoader:
    """A dataset of the catalogue under PyTorch Geometric Temporal's (PGT's) name for it.

    Its raw files go to `folder/raw`, its store to `folder/stores`, where the workflow has them too; what is there is
    used and never fetched or ingested again. Raw files that lie in `folder` itself, where PGT leaves them, are read
    there. `mirror`, a folder or a base URL, comes before the public address. Nothing is fetched before it is needed.

    Where PGT standardises, `normalise` says by which statistics: "train" (the default) takes them from the first
    `train_ratio` of the entries only; "all" takes them from all entries as PGT does, test part included, which
    leaks the future into the training data: use it to reproduce published numbers and for nothing else. The default
    `train_ratio` 0.7 lies within the training part of PGT's default splits; give your own split's where it is less.
    """

    dataset: ClassVar[str]  # its name in the catalogue

    def __init__(self, *, folder: str | Path = "data", mirror: str | Path | None = None) -> None:
        self.folder, self.mirror = Path(folder), mirror

    @cached_property
    def store(self) -> SignalStore:
        """The dataset's store; `InputError` if it is not there and its raw files cannot be had."""
        return fetch_store(self.dataset, self.folder, self.mirror)

    def statistics_over(self, normalise: str, train_ratio: float) -> range:
        """Return the entries from which `normalise` takes its statistics."""
        if normalise not in ("train", "all"):
            raise InputError("normalise", f"is {normalise!r}", "use 'train', or 'all' to reproduce PGT")
        if not 0 < train_ratio <= 1:
            raise InputError("train_ratio", f"is {train_ratio}", "give a share of the entries above 0")
        count = self.store.shape[0]
        return range(count if normalise == "all" else max(1, round(count * train_ratio)))


def fetch_store(name: str, folder: Path, mirror: str | Path | None = None) -> SignalStore:
    """Return the store of a dataset of the catalogue, retrieving and ingesting its raw files if there is none yet."""
    path = folder / "stores" / f"{name}.zarr"
    if not manifest_path(path).exists():
        with locked(path.with_name(f".{path.name}.fetch.lock"), "makes this store"):
            if not manifest_path(path).exists():  # another process made it meanwhile
                _make_store(name, folder, path, mirror)
    return open_store(path)


def _make_store(name: str, folder: Path, path: Path, mirror: str | Path | None) -> None:
    dataset = find_dataset(load_catalog(), name)
    raw = folder
    if not all((folder / file.name).is_file() for file in dataset.files):
        raw = folder / "raw" / name
        for file in dataset.files:
            retrieve(dataset, file.name, raw, mirror)
    write_store(read_signal(dataset, raw), path)
