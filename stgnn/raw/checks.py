"""What every reader asks of its raw files: that they are there, and that what they hold makes sense.

Each failure is one `InputError` naming file, key and position. Nothing here knows a file format.

Axes: R rows of a block, T entries, N graph nodes, F features, E edges.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError

if TYPE_CHECKING:
    from stgnn.catalog import Dataset


def find_file(dataset: Dataset, folder: Path, role: str) -> Path | None:
    """Return the path of the dataset's file with `role`, or None where the catalogue declares none.

    Raises `InputError` when the file is declared twice, not there, or empty.
    """
    names = [file.name for file in dataset.files if file.role == role]
    if not names:
        return None
    if len(names) > 1:
        raise InputError(f"dataset {dataset.name}", f"{len(names)} files have the role {role!r}", "keep one")
    path = Path(folder) / names[0]
    if not path.is_file():
        raise InputError(path, "no such file", f"run `stgnn retrieve {dataset.name}` first")
    if path.stat().st_size == 0:
        raise InputError(path, "the file is empty", "remove it and retrieve it again")
    return path


def the_file(dataset: Dataset, folder: Path, role: str) -> Path:
    """Return the path of the dataset's file with `role`; `InputError` where the catalogue declares none."""
    path = find_file(dataset, folder, role)
    if path is None:
        raise InputError(
            f"dataset {dataset.name}",
            f"no file has the role {role!r}, which reader {dataset.reader!r} needs",
            "add it to the dataset's `files:` in the catalogue",
        )
    return path


def spelled(path: Path, key: str, ids: Sequence[Any]) -> tuple[str, ...]:
    """Return graph node ids as text, checked to be whole numbers or text and each there once."""
    names = tuple(_spell(path, f"{key}[{position}]", value) for position, value in enumerate(ids))
    first: dict[str, int] = {}
    for position, name in enumerate(names):
        if not name:
            raise InputError(path, f"{key}[{position}]: an empty id", "name every graph node")
        if first.setdefault(name, position) != position:
            raise InputError(
                path,
                f"{key}: id {name!r} at positions {first[name]} and {position}",
                "keep each graph node once",
            )
    return names


def _spell(path: Path, where: str, value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(path, f"{where}: id {value!r} is not UTF-8 text") from error
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if isinstance(value, str) or whole:
        return _text(path, where, str(value))
    raise InputError(path, f"{where}: found {shown(value)}, expected an id (text or a whole number)")


def _text(path: Path, where: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character, which JSON can spell
        raise InputError(path, f"{where}: id {value!r} is not text") from None
    return value


def check_edges(path: Path, key: str, edge_index: NDArray[np.int64], num_nodes: int) -> None:
    """Raise `InputError` unless both ends of every edge `[2, E]` are graph nodes."""
    outside = np.flatnonzero(((edge_index < 0) | (edge_index >= num_nodes)).any(axis=0))
    if outside.size:
        edge = int(outside[0])
        source, target = edge_index[:, edge]
        raise InputError(
            path,
            f"{key}: edge {edge} is ({source}, {target}), but there are {num_nodes} graph nodes",
            f"expected both ends in 0..{num_nodes - 1}",
        )


def check_weights(path: Path, key: str, edge_weight: NDArray[Any], num_edges: int) -> None:
    """Raise `InputError` unless there is one finite, non-negative weight an edge."""
    if edge_weight.shape != (num_edges,):
        raise InputError(path, f"{key}: {len(edge_weight)} weights for {num_edges} edges", "give one an edge")
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(~np.isfinite(edge_weight.astype(np.float32)) | (edge_weight < 0))
    if wrong.size:
        edge = int(wrong[0])
        raise InputError(
            path, f"{key}: edge {edge} has weight {edge_weight[edge]}", "expected a finite weight >= 0"
        )


def check_increasing(path: Path, key: str, time_T: NDArray[Any]) -> None:
    """Raise `InputError` unless each entry's time is after the one before it."""
    if np.issubdtype(time_T.dtype, np.datetime64):
        missing = np.flatnonzero(np.isnat(time_T))
        if missing.size:
            raise InputError(path, f"{key}: row {missing[0]} has no time", "give every row a time")
    wrong = np.flatnonzero(time_T[1:] <= time_T[:-1])
    if wrong.size:
        row = int(wrong[0]) + 1
        found = "repeats" if time_T[row] == time_T[row - 1] else "is before"
        raise InputError(
            path,
            f"{key}: row {row} ({time_T[row]}) {found} row {row - 1} ({time_T[row - 1]})",
            "sort the rows by time and keep each time once",
        )


def check_values(
    path: Path,
    key: str,
    x_RNF: NDArray[np.float32],
    first: int,
    node: Sequence[str],
    null_value: float | None,
) -> None:
    """Raise `InputError` where a block whose first row is entry `first` holds inf, or NaN that marks nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        # One pass without a temporary: a sum is finite unless an item is not (or it overflowed).
        if np.isfinite(x_RNF.sum()):
            return
    wrong = np.isinf(x_RNF) if nan_marks_missing(null_value) else ~np.isfinite(x_RNF)
    if not wrong.any():
        return
    row, column = np.argwhere(wrong)[0][:2]
    found = x_RNF[tuple(np.argwhere(wrong)[0])]
    todo = (
        "remove it"
        if np.isinf(found)
        else "if NaN marks missing values, say `null_value: .nan` in the catalogue"
    )
    raise InputError(path, f"{key}: entry {first + row}, node {node[column]!r} is {found}", todo)


def nan_marks_missing(null_value: float | None) -> bool:
    """Whether the catalogue's null value is NaN, so that NaN is a missing value and not a mistake."""
    return null_value is not None and bool(np.isnan(null_value))


def shown(value: Any) -> str:
    """Return a value's spelling for an error message, cut short: files may hold huge numbers and nested lists."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 40, 40
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 3
