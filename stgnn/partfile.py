"""The half-written file beside a target: resumable, renamed into place when it is right.

What fills it, and what is right, is the business of `stgnn.download` and `stgnn.retrieve`.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path

from tqdm import tqdm


class Part:
    """`.NAME.part`, and beside it a note of the address whose bytes it holds."""

    def __init__(self, path: Path, file: BufferedRandom) -> None:
        self.path, self._file = path, file
        self._origin = path.with_name(path.name + ".json")

    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self._file.fileno()).st_size

    def origin(self) -> tuple[str, str | None]:
        """Return the address of the bytes and the validator (ETag or date) it gave; ("", None) if unknown."""
        try:
            origin = json.loads(self._origin.read_text(encoding="utf-8"))
            return origin["address"], origin["validator"]
        except (OSError, ValueError, KeyError, TypeError):
            return "", None

    def restart(self, address: str = "", validator: str | None = None) -> None:
        """Empty the file and note where its next bytes come from."""
        self._file.truncate(0)
        origin = json.dumps({"address": address, "validator": validator})
        self._origin.write_text(origin, encoding="utf-8")  # torn by a kill it reads as unknown

    def fill(self, chunks: Iterable[bytes], label: str, total: int | None) -> str:
        """Append the chunks, with a progress bar of `total` bytes; return the SHA-256 of the whole."""
        self._file.seek(0)
        digest = hashlib.file_digest(self._file, "sha256")
        with tqdm(
            desc=label, total=total, initial=self.size(), unit="B", unit_scale=True, disable=None
        ) as progress:  # disable=None: no bar in a log
            for chunk in chunks:
                self._file.write(chunk)  # opened to append: always at the end
                self._file.flush()  # what has arrived outlives a kill
                digest.update(chunk)
                progress.update(len(chunk))
        return digest.hexdigest()

    def rename(self, target: Path) -> None:
        """Put the file in `target`'s place."""
        os.fsync(self._file.fileno())
        self.path.replace(target)
        self._origin.unlink(missing_ok=True)

    def discard(self) -> None:
        """Leave nothing behind."""
        self.path.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)


@contextmanager
def part_of(target: Path) -> Iterator[Part]:
    """Yield `target`'s part file, with what an interrupted process left in it.

    It is gone after an error; only a kill or Ctrl-C leaves it for the next attempt. The caller holds a
    lock (`stgnn.files.locked`), so that no other process writes it.
    """
    path = target.with_name(f".{target.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        part = Part(path, file)
        try:
            yield part
        except Exception:
            part.discard()
            raise
