"""What a decoded JSON document holds, checked: members, lists of numbers, edges, node names.

Decoding is `stgnn.raw.json_text`'s; which members a file has is its reader's.

Axes: N graph nodes, E edges.
"""

from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import shown, spelled

_JSON_NAME = {list: "an array", dict: "an object", int: "a whole number", str: "text", float: "a number"}


def member(path: Path, document: dict[str, Any], key: str, kind: type, where: str = "") -> Any:
    """Return `document[key]`, checked to be there and of JSON type `kind` (list, dict, int, ...)."""
    full = f"{where}.{key}" if where else key
    if key not in document:
        keys = ", ".join(list(document)[:8])
        raise InputError(
            path, f"key {full!r} is missing (found: {keys})", "check that this is the right file"
        )
    value = document[key]
    if type(value) is not kind:
        raise InputError(path, f"key {full!r}: found {shown(value)}, expected {_JSON_NAME[kind]}")
    return value


def numbers(path: Path, key: str, row: Any, nan_is_missing: bool = False) -> NDArray[np.float64]:
    """Return a JSON array of numbers; text, booleans and (unless `nan_is_missing`) nulls in it are an `InputError`."""
    if type(row) is not list:
        raise InputError(path, f"{key}: found {shown(row)}, expected a list of numbers")
    allowed = {int, float, NoneType} if nan_is_missing else {int, float}
    if not set(map(type, row)) <= allowed:
        position = next(i for i, item in enumerate(row) if type(item) not in allowed)
        raise InputError(path, f"{key}[{position}]: found {shown(row[position])}, expected a number")
    try:
        return np.array(row, dtype=np.float64)
    except OverflowError as error:
        raise InputError(path, f"{key}: a number too large for a float") from error


def edge_pairs(path: Path, key: str, pairs: Any) -> NDArray[np.int64]:
    """Return a JSON array of [source, target] pairs of whole numbers as `[2, E]`."""
    if type(pairs) is not list:
        raise InputError(path, f"{key}: found {shown(pairs)}, expected a list of [source, target] pairs")
    for edge, pair in enumerate(pairs):
        if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not int or type(pair[1]) is not int:
            raise InputError(
                path, f"{key}[{edge}]: found {shown(pair)}, expected a [source, target] pair of integers"
            )
    try:
        return np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy()
    except OverflowError as error:
        raise InputError(path, f"{key}: an edge end too large to be a graph node") from error


def entry_count(path: Path, document: dict[str, Any]) -> int:
    """Return `time_periods`, checked against the numbered members `"0"`, `"1"`, ... of the document."""
    count: int = member(path, document, "time_periods", int)
    numbered = sum(key.isdigit() for key in document)
    if count < 1 or (numbered and numbered != count):
        raise InputError(path, f"key 'time_periods' says {count}, but the file holds {numbered} entries")
    return count


def stacked(path: Path, name: str, rows: list[tuple[str, Any]], nan_is_missing: bool) -> NDArray[np.float32]:
    """Return equally long lists of numbers, given as (key, list), as a float32 matrix, one row a list."""
    if not rows:
        raise InputError(path, f"{name}: no series at all", "retrieve the file again")
    arrays = [numbers(path, f"{key}.{name}", row, nan_is_missing) for key, row in rows]
    for (key, _), array in zip(rows, arrays, strict=True):
        if len(array) != len(arrays[0]):
            raise InputError(
                path, f"{key}.{name}: {len(array)} numbers, but {len(arrays[0])} in {rows[0][0]}.{name}"
            )
    with np.errstate(over="ignore"):
        return np.array(arrays).reshape(len(arrays), -1).astype(np.float32)


def node_names(path: Path, document: dict[str, Any], num_nodes: int) -> tuple[str, ...]:
    """Return the names in `node_ids` (name -> index) in the order of their indices; numbers where it is absent."""
    if "node_ids" not in document:
        return tuple(map(str, range(num_nodes)))
    index = member(path, document, "node_ids", dict)
    if any(type(value) is not int for value in index.values()) or sorted(index.values()) != list(
        range(num_nodes)
    ):
        raise InputError(
            path, f"key 'node_ids': expected each index 0..{num_nodes - 1} once, found {shown(index)}"
        )
    return spelled(path, "node_ids", sorted(index, key=index.__getitem__))
