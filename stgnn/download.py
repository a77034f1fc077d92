"""One web address to one part file: resume, retries, and the checks that an answer allows.

Which addresses are tried, in which order, and what an error tells the user is `stgnn.retrieve`'s business.
"""

import itertools
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests

from stgnn.catalog import RawFile
from stgnn.partfile import Part
from stgnn.rawcheck import content_problem, web_page

log = logging.getLogger(__name__)

_CHUNK = 1 << 16  # bytes: the most that a kill costs
_TIMEOUT = (15.0, 60.0)  # seconds to connect, and between two arrivals of bytes
_LONGEST_WAIT = 600.0  # seconds that a server's Retry-After may ask for


class TransferError(Exception):
    """A source cannot supply the file, and trying it again would not help."""

    def __init__(self, source: str | Path, problem: str) -> None:
        super().__init__(f"{source} {problem}")


class _Interrupted(Exception):
    """A failure that may pass; `wait` seconds are what the server asks for."""

    def __init__(self, problem: str, wait: float = 0.0) -> None:
        self.wait = wait
        super().__init__(problem)


@dataclass(frozen=True)
class Patience:
    """After which waits, in seconds, a failing transfer is tried again, and how to wait."""

    delays: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    sleep: Callable[[float], None] = time.sleep


def download(address: str, raw: RawFile, part: Part, patience: Patience) -> str:
    """Fill `part` with `raw`'s bytes from the web address and return their SHA-256.

    Goes on where an interrupted process stopped. Lost connections, time-outs, 429 and 5xx are tried again
    after `patience.delays`, counted anew whenever more bytes have arrived. `TransferError` when the address
    has no such file, or another one.
    """
    delays, furthest, again = iter(patience.delays), 0, False
    while True:
        offset, validator = _resumable(part, address, raw)
        try:
            digest = _transfer(address, raw, part, offset, validator)
        except _Interrupted as interruption:
            if part.size() > furthest:
                delays, furthest = iter(patience.delays), part.size()
            _wait(address, interruption, next(delays, None), patience)
            continue
        problem = content_problem(part.path, raw, digest)
        if problem is None:
            return digest
        if offset == 0 or again:
            raise TransferError(address, problem)
        again = True  # the first bytes may have been those of another version: once more, from the beginning
        part.restart()


def _resumable(part: Part, address: str, raw: RawFile) -> tuple[int, str | None]:
    """Return how many bytes `address` need not send again, and the validator to prove the file unchanged."""
    origin, validator = part.origin()
    # Without a validator only the checksum can tell that both halves are of one version.
    known = origin == address and (validator or raw.sha256)
    return (part.size(), validator) if known else (0, None)


def _wait(address: str, interruption: _Interrupted, delay: float | None, patience: Patience) -> None:
    if delay is None:
        tries = len(patience.delays) + 1
        raise TransferError(address, f"{interruption} (tried {tries} times)") from None
    if interruption.wait > _LONGEST_WAIT:
        raise TransferError(address, f"{interruption} and asks to wait {interruption.wait:.0f} s") from None
    wait = max(delay, interruption.wait)
    log.warning("%s %s; trying again in %g s", address, interruption, wait)
    patience.sleep(wait)


def _transfer(address: str, raw: RawFile, part: Part, offset: int, validator: str | None) -> str:
    """Append to `part` what it lacks; return the SHA-256 of the whole."""
    with _ask(address, offset, validator) as answer:
        _refuse(address, answer)
        if answer.status_code == 200:  # also from a server that knows no ranges, or has another version now
            return _receive(address, answer, raw, part, 0)
        if offset and answer.status_code == 206 and _continues(answer, offset, validator):
            return _receive(address, answer, raw, part, offset)
        if offset and _is_complete(answer, offset):
            return part.fill([], raw.name, offset)
    if offset and answer.status_code in (206, 416):
        return _transfer(address, raw, part, 0, None)
    raise TransferError(address, f"answers {answer.status_code} {answer.reason or ''}".rstrip())


def _ask(address: str, offset: int, validator: str | None) -> requests.Response:
    """Return the answer to a request for the bytes from `offset` on; its body is still to be read."""
    headers = {"User-Agent": "stgnn", "Accept-Encoding": "identity"}  # lengths and ranges of the file itself
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if validator:
            headers["If-Range"] = validator
    try:
        return requests.get(address, headers=headers, stream=True, timeout=_TIMEOUT)
    except (requests.ConnectionError, requests.Timeout) as error:
        cause = _cause(error)
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            raise TransferError(
                address, f"has a certificate that REQUESTS_CA_BUNDLE does not vouch for ({cause})"
            ) from None
        raise _Interrupted(f"cannot be reached ({cause})") from None
    except requests.RequestException as error:
        raise TransferError(address, f"cannot be asked ({_cause(error)})") from None


def _refuse(address: str, answer: requests.Response) -> None:
    """Raise when the answer came over an address that is not safe, or when the server is busy."""
    hops = [hop.url for hop in (*answer.history, answer)]
    if address.startswith("https:") and not all(hop.startswith("https:") for hop in hops):
        raise TransferError(address, "leads to an address without encryption")
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        raise _Interrupted(
            f"answers {answer.status_code} {answer.reason or ''}".rstrip(), _retry_after(answer)
        )


def _receive(address: str, answer: requests.Response, raw: RawFile, part: Part, offset: int) -> str:
    """Append the answer's body at `offset` of `part`; return the SHA-256 of the whole."""
    total = _total(answer, offset)
    chunks = _body(answer, part, total)
    head = next(chunks, b"")
    # A checksum, where there is one, judges better than what the server calls the file.
    kind = "" if raw.sha256 else answer.headers.get("Content-Type", "")
    if offset == 0 and (page := web_page(head, kind)):
        raise TransferError(address, page)
    if total is not None and raw.size not in (None, total):
        raise TransferError(address, f"announces {total} bytes, expected {raw.size}")
    if offset == 0:
        part.restart(address, _validator(answer))
    digest = part.fill(itertools.chain([head], chunks), raw.name, total)
    if total is not None and part.size() < total:
        raise _Interrupted(_broken_off(part, total))
    return digest


def _body(answer: requests.Response, part: Part, total: int | None) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(_CHUNK)
    except requests.RequestException:
        raise _Interrupted(_broken_off(part, total)) from None


def _broken_off(part: Part, total: int | None) -> str:
    return f"breaks off after {part.size()} of {'unknown' if total is None else total} bytes"


def _total(answer: requests.Response, offset: int) -> int | None:
    """Return the whole file's size as the answer's header has it, None where it does not say."""
    length = answer.headers.get("Content-Length", "")
    encoded = answer.headers.get("Content-Encoding", "identity") != "identity"
    return offset + int(length) if length.isdigit() and not encoded else None


def _validator(answer: requests.Response) -> str | None:
    """Return what identifies this version of the file: a strong ETag, else the date of its last change."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified")


def _continues(answer: requests.Response, offset: int, validator: str | None) -> bool:
    """Whether a partial answer begins at `offset`, of the version that `validator` names."""
    begins = answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
    return begins and (validator is None or _validator(answer) in (None, validator))


def _is_complete(answer: requests.Response, offset: int) -> bool:
    """Whether the server says that `offset` is the file's end: killed between last byte and renaming."""
    total = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
    return answer.status_code == 416 and total is not None and int(total[1]) == offset


def _retry_after(answer: requests.Response) -> float:
    """Return the seconds that the Retry-After header asks for, given as a number or as a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a network error, in one line."""
    seen = [error]
    while inner := _inner(seen[-1]):
        if inner in seen:
            break
        seen.append(inner)
    return " ".join((getattr(seen[-1], "strerror", None) or str(seen[-1]) or type(seen[-1]).__name__).split())


def _inner(error: BaseException) -> BaseException | None:
    reasons = (getattr(error, "reason", None), error.__cause__, *error.args, error.__context__)
    return next((reason for reason in reasons if isinstance(reason, BaseException)), None)
