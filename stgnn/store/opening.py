"""What every opening of a store does first: no unfinished one, and every damage said in one line."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stgnn.errors import InputError
from stgnn.store.manifest import check_sizes, read_manifest


@contextmanager
def opening(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the manifest of the finished store at `path`; what the block raises becomes an `InputError`."""
    manifest = read_manifest(path)
    check_sizes(path, manifest)
    try:
        with warnings.catch_warnings():
            # Snakemake marks folder outputs with a file of its own.
            warnings.filterwarnings("ignore", message=r".*\.snakemake_timestamp")
            yield manifest
    except InputError:
        raise
    except Exception as error:  # zarr, its codecs and JSON raise many kinds for damaged bytes
        todo = "ingest the dataset again"
        raise InputError(path, f"damaged ({type(error).__name__}: {_first_line(error)})", todo) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
