"""The catalogue: which datasets there are, where their raw files come from and what the values mean.

Declarations only, read from YAML and checked; `stgnn.retrieve` brings the files, `stgnn.raw` reads them.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from stgnn.errors import InputError
from stgnn.settings import check, read_yaml, require_known

CATALOGUE = Path(__file__).resolve().parents[1] / "config" / "datasets.yaml"

# Which roles of files each reader needs, as alternatives; readers not named here read one `values` file.
_NETWORK: list[set[str]] = [{"values", role} for role in ("adjacency", "distances", "locations")]
_ROLES: dict[str, list[set[str]]] = {
    "traffic-hdf5": _NETWORK,
    "table": _NETWORK,
    "npy-pair": [{"archive"}, {"values", "adjacency"}],
    "jodie-csv": [{"events"}],
    "snap-text": [{"events"}],
    "ml-pair": [{"events", "edge_features"}],
    "tgb-zip": [{"archive"}],
    "event-json-lines": [{"events"}],
}
EVENT_READERS = frozenset(("jodie-csv", "snap-text", "ml-pair", "tgb-zip", "event-json-lines"))

_DATED = {"traffic-hdf5", "table"}  # readers of files that carry dates


@dataclass(frozen=True)
class RawFile:
    """One raw file of a dataset, at `data/raw/<dataset>/<name>` once retrieved."""

    name: str
    url: str | None  # https://..., file:///... for a file of the user's own, None where nobody serves it
    sha256: str | None
    size: int | None  # bytes
    role: str  # values | adjacency | sensors | distances | locations | events | edge_features | ... | archive

    @property
    def own(self) -> Path | None:
        """The file on this machine that the catalogue's `path:` names; None where it has an address."""
        address = urlsplit(self.url or "")
        return Path(url2pathname(address.path)) if address.scheme == "file" else None


@dataclass(frozen=True)
class Dataset:
    """One entry of the catalogue; config/datasets.yaml explains each field."""

    name: str
    title: str
    kind: str
    reader: str
    files: tuple[RawFile, ...]
    options: Mapping[str, Any]
    synthetic: Mapping[str, Any] | None
    frequency: str | None
    start: str | None
    units: str  # of a signal's values; "" where the dataset is events
    null_value: float | None
    task: Mapping[str, Any]
    licence: str | None
    citation: str | None
    homepage: str | None
    note: str | None

    @property
    def may_have_dates(self) -> bool:
        """Can its entries have dates? From `start`, or in the raw files, which nobody has looked at yet."""
        return self.start is not None or self.reader in _DATED

    def file(self, name: str) -> RawFile:
        """Return the raw file of that name; `InputError` gives the nearest one."""
        require_known(name, [raw.name for raw in self.files], self.name, "files")
        return next(raw for raw in self.files if raw.name == name)


def load_catalog(paths: str | Path | Iterable[str | Path] = CATALOGUE) -> dict[str, Dataset]:
    """Return the datasets of one or several catalogue files, by name.

    A later file adds datasets to those of the earlier ones. `InputError` names the file, the key and,
    for a name that is not known, the nearest one that is.
    """
    catalog: dict[str, Dataset] = {}
    for path in [paths] if isinstance(paths, (str, Path)) else paths:
        added = _read(Path(path))
        for name in added.keys() & catalog.keys():
            raise InputError(
                path, f"{name}: an earlier catalogue file has this dataset", "choose another name"
            )
        catalog |= added
    return catalog


def find_dataset(catalog: Mapping[str, Dataset], name: str) -> Dataset:
    """Return the dataset of that name; `InputError` gives the nearest one."""
    require_known(name, catalog, "catalogue", "dataset")
    return catalog[name]


def require_whole(split: Iterable[float], where: str | Path, key: str) -> None:
    """Raise `InputError` unless the shares of a split add up to 1."""
    shares = list(split)
    if not abs(sum(shares) - 1) <= 1e-9:  # so that NaN fails too
        raise InputError(where, f"{key}: {shares} adds up to {sum(shares):g}", "make it 1")


def _read(path: Path) -> dict[str, Dataset]:
    document = read_yaml(path)
    for entry in document.values() if isinstance(document, dict) else ():
        # YAML makes a date of an unquoted 2012-03-01.
        if isinstance(entry, dict) and isinstance(entry.get("start"), datetime.date):
            entry["start"] = entry["start"].isoformat()
    check(document, "datasets.schema.json", path)
    return {name: _dataset(name, entry, path) for name, entry in document.items()}


def _dataset(name: str, entry: Mapping[str, Any], path: Path) -> Dataset:
    _check_beyond_schema(name, entry, path)
    optional = ("synthetic", "frequency", "start", "licence", "citation", "homepage", "note")
    null_value = entry.get("null_value")
    return Dataset(
        name=name,
        title=entry["title"],
        kind=entry.get("kind", "signal"),
        reader=entry["reader"],
        files=tuple(_raw_file(file, path) for file in entry["files"]),
        options=entry.get("options", {}),
        units=entry.get("units", ""),
        null_value=None if null_value is None else float(null_value),
        task=entry.get("task", {}),
        **{key: entry.get(key) for key in optional},
    )


def _raw_file(file: Mapping[str, Any], path: Path) -> RawFile:
    url = file.get("url")
    if "path" in file:
        own = Path(file["path"]).expanduser()
        url = (path.resolve().parent / own).resolve().as_uri()
    return RawFile(file["name"], url, file.get("sha256"), file.get("size"), file["role"])


def _check_beyond_schema(name: str, entry: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` for contradictions between keys, which a JSON schema cannot see."""
    names = [file["name"] for file in entry["files"]]
    roles = {file["role"] for file in entry["files"]}
    alternatives = _ROLES.get(entry["reader"], [{"values"}])
    split = entry.get("task", {}).get("split")
    clock = entry.get("options", {}).get("clock")
    for number, file in enumerate(entry["files"]):
        if "path" in file and file.get("url"):
            raise InputError(path, f"{name}.files[{number}]: has both 'url' and 'path'", "keep one")
    if len(set(names)) < len(names):
        raise InputError(path, f"{name}.files: two files have the same name", "rename one")
    _check_kind(name, entry, path)
    if not any(needed <= roles for needed in alternatives):
        wanted = " or ".join("+".join(sorted(needed, reverse=True)) for needed in alternatives)
        raise InputError(
            path,
            f"{name}.files: has the roles {sorted(roles)}",
            f"the reader '{entry['reader']}' needs {wanted}",
        )
    if entry.get("start") and not entry.get("frequency"):
        raise InputError(path, f"{name}: has 'start' but no 'frequency'", "add the time between entries")
    if split:
        require_whole(split, path, f"{name}.task.split")
    if clock:
        require_known(clock, entry["options"].get("features", []), path, f"{name}.options.clock")


def _check_kind(name: str, entry: Mapping[str, Any], path: Path) -> None:
    """Raise `InputError` where kind and reader do not fit, or a dataset of events has what only signals have."""
    reader, options = entry["reader"], entry.get("options", {})
    kind = "events" if reader in EVENT_READERS else "signal"
    if entry.get("kind", "signal") != kind:
        raise InputError(
            path, f"{name}: the reader '{reader}' does not read this kind", f"say `kind: {kind}`"
        )
    for key in ("frequency", "start", "units", "null_value") if kind == "events" else ():
        if entry.get(key) is not None:
            raise InputError(path, f"{name}: has '{key}', which events do not have", "remove it")
    if columns := options.get("columns"):
        _check_columns(columns, path, f"{name}.options.columns")
    if kind == "events" and "split" in options:
        require_whole(options["split"], path, f"{name}.options.split")


def _check_columns(columns: list[str], path: Path, key: str) -> None:
    for needed in ("src", "dst", "time"):
        if columns.count(needed) != 1:
            raise InputError(path, f"{key}: {columns.count(needed)} columns are '{needed}'", "name it once")
    for column in columns:
        if column != "-" and columns.count(column) > 1:
            raise InputError(path, f"{key}: '{column}' is listed twice", "list it once")
    if "..." in columns[:-1]:
        raise InputError(path, f"{key}: '...' stands before the end", "put it last")
