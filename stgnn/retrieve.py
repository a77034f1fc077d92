"""Raw files into their place: from a mirror, from the public address, or written by a generator.

`retrieve` decides where a file may come from and says in one line why it could not be had;
`stgnn.download` moves the bytes, `stgnn.rawcheck` judges them.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stgnn.catalog import Dataset, RawFile
from stgnn.download import Patience, TransferError, download
from stgnn.errors import InputError
from stgnn.files import locked, sha256_of
from stgnn.partfile import Part, part_of
from stgnn.rawcheck import content_problem, is_right

log = logging.getLogger(__name__)

_CHUNK = 1 << 20  # bytes
_PATIENCE = Patience()


def retrieve(
    dataset: Dataset,
    file_name: str,
    folder: str | Path,
    mirror: str | Path | None = None,
    patience: Patience = _PATIENCE,
) -> Path:
    """Bring one raw file of `dataset` to `folder/file_name` and return that path.

    A file that is there and right is left alone, unless it is a copy of a `path:` that changed since.
    `mirror`, a folder (searched at any depth) or a base address (`<mirror>/<dataset>/<file>`,
    `<mirror>/<file>`), comes before the file's public address. The file appears whole or not at all; a
    killed transfer goes on where it stopped.

    Raises `InputError` naming the file, every address tried with what was wrong, and what to do.
    """
    raw = dataset.file(file_name)
    target = Path(folder) / raw.name
    try:
        with locked(target.with_name(f".{target.name}.lock"), "retrieves this file"):
            _bring(dataset, raw, target, mirror, patience)
    except OSError as error:
        problem = f"cannot be retrieved ({error.strerror or error})"
        raise InputError(target, problem, "check the space and the rights in its folder") from None
    return target


def _bring(
    dataset: Dataset, raw: RawFile, target: Path, mirror: str | Path | None, patience: Patience
) -> None:
    """Make sure that `target` is right, whatever it takes."""
    if is_right(target, raw) and not _is_outdated(target, raw):
        return
    if target.exists():
        log.warning(
            "%s is not, or no longer, the file that the catalogue declares: retrieving it again", target
        )
    if dataset.synthetic is not None:
        _generate(dataset.name, dataset.synthetic, target)
    else:
        _fetch(dataset, raw, target, mirror, patience)


def _fetch(
    dataset: Dataset, raw: RawFile, target: Path, mirror: str | Path | None, patience: Patience
) -> None:
    """Fill `target` from the first source that has the right file."""
    sources, problems = _sources(dataset, raw, mirror)
    if not sources:
        raise _not_found(dataset, raw, problems)
    with part_of(target) as part:
        for source in sources:
            try:
                sha256 = (
                    _copy(source, raw, part)
                    if isinstance(source, Path)
                    else download(source, raw, part, patience)
                )
            except TransferError as failure:
                problems.append(str(failure))
                if source is not sources[-1]:
                    log.info("%s: %s; trying the next place", raw.name, failure)
            else:
                part.rename(target)
                log.info("%s: from %s, sha256 %s", target, source, sha256)
                return
        raise _not_found(dataset, raw, problems)


def _sources(dataset: Dataset, raw: RawFile, mirror: str | Path | None) -> tuple[list[Path | str], list[str]]:
    """Return where the file may come from, best first, and which places are out of the question already."""
    sources: list[Path | str] = []
    problems = []
    if mirror is not None:
        sources += _mirrored(dataset, raw, str(mirror))
        if not sources:
            problems.append(f"{mirror} holds no file of that name")
    if raw.url is None:
        problems.append("no public address is known")
    else:
        sources.append(raw.own or raw.url)
    return sources, problems


def _is_outdated(target: Path, raw: RawFile) -> bool:
    own = raw.own
    return own is not None and own.exists() and own.stat().st_mtime_ns > target.stat().st_mtime_ns


def _mirrored(dataset: Dataset, raw: RawFile, mirror: str) -> list[Path | str]:
    """Return where in the mirror the file may be."""
    if mirror.startswith(("http://", "https://")):
        base, name = mirror.rstrip("/"), quote(raw.name)
        return [f"{base}/{dataset.name}/{name}", f"{base}/{name}"]
    folder = Path(mirror).expanduser()
    if not folder.is_dir():
        raise InputError(mirror, "no such mirror", "give a folder or an http(s) address")
    found = list(_search(folder, raw.name))
    # Without a checksum nothing but its folder tells one dataset's adj_mx.pkl from another's.
    if raw.sha256 is None and len(found) > 1:
        found = [path for path in found if path.parent.name == dataset.name] or found
        if len({sha256_of(path) for path in found}) > 1:
            places = ", ".join(str(path) for path in found)
            raise InputError(
                mirror, f"holds different files of that name: {places}", "keep one, or add its sha256"
            )
    return list(found)


def _search(folder: Path, name: str) -> Iterator[Path]:
    """Yield the files called `name` at any depth, links followed, each folder visited once."""
    seen = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        if name in files:
            yield Path(root) / name


def _copy(source: Path, raw: RawFile, part: Part) -> str:
    """Fill `part` with the bytes of a local file and return their SHA-256; a copy outlives its mirror."""
    try:
        file = source.open("rb")
    except OSError as error:
        raise TransferError(source, f"cannot be read ({error.strerror})") from None
    with file:
        size = os.fstat(file.fileno()).st_size
        if raw.size not in (None, size):
            raise TransferError(source, f"has {size} bytes, expected {raw.size}")
        part.restart()
        sha256 = part.fill(iter(lambda: file.read(_CHUNK), b""), raw.name, size)
    if problem := content_problem(part.path, raw, sha256):
        raise TransferError(source, problem)
    return sha256


def _generate(name: str, settings: Mapping[str, Any], target: Path) -> None:
    """Write the one of the dataset's synthetic files that is asked for: another rule may hold the others."""
    from stgnn.synthetic import write_synthetic  # here, so that a download needs neither numpy nor h5py

    workshop = target.with_name(f".{target.name}.synthetic")
    shutil.rmtree(workshop, ignore_errors=True)  # of a process that was killed
    workshop.mkdir(parents=True)
    try:
        write_synthetic(settings, workshop, [target.name])
        (workshop / target.name).replace(target)
    except InputError as error:
        raise InputError(name, error.problem, error.todo) from None
    finally:
        shutil.rmtree(workshop)


def _not_found(dataset: Dataset, raw: RawFile, problems: list[str]) -> InputError:
    checksum = f" (sha256 {raw.sha256})" if raw.sha256 else ""
    note = f" ({dataset.note})" if dataset.note and raw.url is None else ""
    todo = f"put {raw.name}{checksum} into a folder and give that folder as mirror{note}"
    if raw.own is not None:
        todo = "correct its `path:` in the catalogue, or mend the file"
    return InputError(f"{dataset.name}/{raw.name}", ", ".join(problems), todo)
