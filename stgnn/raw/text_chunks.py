"""Large text files, a few megabytes of whole lines at a time: plain, gzipped, or a member of a zip archive."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stgnn.errors import InputError
from stgnn.raw.archive import opened

CHUNK = 1 << 20  # bytes read at a time
LONGEST = 16 << 20  # bytes of a line; one that is longer is no line of a table
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class TextFile:
    """A text file to be read in one direction, any number of times."""

    path: Path
    member: str | None = None  # of the zip archive `path`

    def place(self, line: int) -> str:
        """Return how an error names a line."""
        return f"line {line}" if self.member is None else f"{self.member}, line {line}"

    def decoded(self, line: int, text: bytes) -> str:
        """Return the text of line `line`; `InputError` unless it is UTF-8."""
        try:
            return text.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                self.path, f"{self.place(line)}: not UTF-8 text", "save the file as UTF-8"
            ) from error

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number of the first line, bytes of whole lines), each chunk of about `CHUNK` bytes.

        Every line ends with a line break, the file's last one too where the file has none there. Raises `InputError`
        for compressed data that are damaged, a byte that no text has, and line breaks that are none.
        """
        line = 1
        try:
            with _text(self.path, self.member) as stream:
                while chunk := stream.read(CHUNK):
                    chunk += stream.readline(LONGEST)
                    self._check(line, chunk)
                    if not chunk.endswith(b"\n"):
                        chunk += b"\n"
                    yield line, chunk.removeprefix(_BYTE_ORDER_MARK) if line == 1 else chunk
                    line += chunk.count(b"\n")
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            problem = f"{self.place(line)}: the gzip data are damaged or cut short from here on ({error})"
            raise InputError(self.path, problem, "retrieve the file again") from error

    def _check(self, first: int, chunk: bytes) -> None:
        if b"\0" in chunk:
            line = first + chunk.count(b"\n", 0, chunk.index(b"\0"))
            raise InputError(
                self.path, f"{self.place(line)}: a byte 0, so not UTF-8 text", "save the file as UTF-8"
            )
        if first == 1 and b"\n" not in chunk and b"\r" in chunk.rstrip(b"\r"):
            problem = f"{self.place(1)}: lines end with a carriage return alone, as on old Macs"
            raise InputError(self.path, problem, "save the file with line feeds between its lines")
        if len(chunk) > LONGEST and not chunk.endswith(b"\n"):
            line = first + chunk.count(b"\n")
            raise InputError(self.path, f"{self.place(line)}: over {LONGEST >> 20} MB without a line break")


@contextmanager
def _text(path: Path, member: str | None) -> Iterator[io.BufferedIOBase]:
    with opened(path, member) as stream:
        if member is not None or _head(path) != _GZIP:
            yield stream
            return
        with gzip.GzipFile(fileobj=stream) as text:
            yield text


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_GZIP))
