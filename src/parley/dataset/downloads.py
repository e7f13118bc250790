"""Download a large file from the first location, a web mirror or a local path, that provides it."""

import logging
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from parley.core.checksums import check_checksum, other_digest, parsed_checksum
from parley.core.errors import ParleyError
from parley.core.files import expand_home, is_web_url
from parley.core.progress import BYTE, Progress, in_words
from parley.dataset.partial_downloads import PartialDownload, unfinished
from parley.dataset.web_rules import UnavailableError

# `web_client` and urllib3 are imported in the functions that use them, so that parsing the Snakefile is quick.
if TYPE_CHECKING:
    from urllib3 import Retry

    from parley.dataset.web_client import Response

logger = logging.getLogger(__name__)
MOST_BYTES = 200_000_000_000
RETRIES = 3
BACKOFF_S = 1.0
"""Wait before the second retry, doubled for each further one; the first is immediate."""
LONGEST_WAIT_S = 120
"""If a server asks for a longer wait (Retry-After), the next location is tried."""
_PROGRESS_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", re.ASCII)
_GZIPPED_NAMES = (".gz", ".tgz")
_FAILED_HOSTS: set[str] = set()
"""Hosts from which this process did not get a file despite retries; for further files, they are tried last."""


class _Wanted(NamedTuple):
    """Properties of the file to download, and how to ask for it; see `download`."""

    path: Path
    checksum: tuple[str, str] | None
    size: int | None
    most_bytes: int
    allow_private_hosts: bool
    timeout_s: float

    def refusal(self, total_bytes: int | None) -> str:
        """Return why a file of a size is not wanted; an empty string if it may be, or if the size is unknown."""
        if total_bytes is None:
            return ""
        if self.size is not None and total_bytes != self.size:
            return f"it has {total_bytes} bytes, not {self.size}"
        return f"it has more than {self.most_bytes} bytes" if total_bytes > self.most_bytes else ""

    def refusal_of(self, path: Path) -> str:
        """Return why a complete file is not wanted; an empty string if it is."""
        refusal = self.refusal(path.stat().st_size)
        if not refusal and self.checksum and (found := other_digest(path, self.checksum)):
            refusal = f"its {self.checksum[0]} is {found}, not {self.checksum[1]}"
        return refusal


class _OtherRangeError(UnavailableError):
    """Raised if a response is neither the rest of the file nor, if it has changed, the whole file."""


def download(
    locations: Sequence[str],
    destination: str | Path,
    checksum: str | None = None,
    *,
    size: int | None = None,
    most_bytes: int = MOST_BYTES,
    allow_private_hosts: bool = False,
    timeout_s: float = 60.0,
) -> str:
    """Download a file from the first location that provides it. `destination` is never an incomplete file.

    The bytes of an unfinished download stay in a hidden file next to the destination, even if the process is killed.
    The next call continues there if the server confirms that the file is the same, or if a checksum will tell.

    Parameters
    ----------
    locations
        http or https URLs and local paths, in the order in which to try them. A URL from which bytes have been kept is
        tried first; a host from which this process did not get an earlier file despite retries is tried last.
    destination
        Path of the file to write.
    checksum
        Expected checksum: `md5:`, `sha1:` or `sha256:`, then all hexadecimal digits or the first ones and
        `*`. A location whose file has another checksum counts as unavailable. None accepts any file. MD5 only detects
        damage: others can make a file with a given MD5.
    size
        Expected size in bytes; None accepts any up to `most_bytes`.
    most_bytes
        Largest size in bytes.
    allow_private_hosts
        Whether servers at loopback, private and other addresses that are not public may be asked.
    timeout_s
        Timeout, in seconds, for connecting to a server and between two pieces of data. On average over this time, at
        least `connection_watchdog.LEAST_BYTES_PER_S` must arrive.

    Returns
    -------
    The location that the file was read from; `destination`, if another process has just made it.

    Raises
    ------
    ParleyError
        If no location provides the file. The error states the reason for each location.
    """
    final = Path(destination)
    wanted = _Wanted(final, parsed_checksum(checksum), size, most_bytes, allow_private_hosts, timeout_s)
    before = _stamp(final)
    with unfinished(final, bool(checksum)) as partial:
        if _stamp(final) not in (None, before):
            check_checksum(final, checksum)
            return str(final)
        location = _first_available(locations, partial, wanted)
        partial.path.replace(final)
    logger.info("%s was fetched from %s", final, location)
    return location


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes if a file is replaced; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _first_available(locations: Sequence[str], partial: PartialDownload, wanted: _Wanted) -> str:
    """Get the file from the first location that provides it, and return the location."""
    reasons = []
    for location in sorted(locations, key=lambda one: (not partial.is_from(one), _host(one) in _FAILED_HOSTS)):
        try:
            if is_web_url(location):
                _fetch(location, partial, wanted)
            else:
                _copy(location, partial, wanted)
        except UnavailableError as reason:
            logger.warning("%s: %s", location, reason)
            reasons.append(f"{location} ({reason})")
            if reason.transient:
                _FAILED_HOSTS.add(_host(location))
        else:
            return location
    tried = "; ".join(reasons) or "no location is configured"
    kept = f" {partial.size} bytes are kept; run again to continue from there." if partial.is_useful else ""
    fix = "Add a mirror or a local path."
    if wanted.checksum and f"not {wanted.checksum[1]}" in tried:
        fix = f"If the file is the right one, correct the checksum in the config; otherwise, {fix[0].lower()}{fix[1:]}"
    raise ParleyError(f"No location gave the file for {wanted.path}: {tried}. {fix}{kept}")


def _host(location: str) -> str:
    return location.split("/")[2] if is_web_url(location) else ""


def _copy(location: str, partial: PartialDownload, wanted: _Wanted) -> None:
    try:
        path = expand_home(location)
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UnavailableError("it is not a regular file")
        total = path.stat().st_size
        # The whole file is read first only if bytes of another location would be lost.
        if refusal := wanted.refusal_of(path) if partial.size else wanted.refusal(total):
            raise UnavailableError(refusal)
    except (OSError, ValueError, RuntimeError) as error:  # A null character, or no home folder.
        raise UnavailableError(getattr(error, "strerror", None) or str(error)) from error
    partial.begin("", "", total)
    _append(_chunks_of(path), total, partial, wanted)
    _verify(partial, wanted, continued=False)


def _chunks_of(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise UnavailableError(error.strerror or str(error)) from error


def _fetch(url: str, partial: PartialDownload, wanted: _Wanted) -> None:
    """Request a file until it is complete; after `RETRIES` failures without progress, raise `UnavailableError`."""
    from urllib3 import Retry
    from urllib3.exceptions import MaxRetryError

    retry = unused = Retry(RETRIES, backoff_factor=BACKOFF_S)
    most, is_whole = partial.size, False
    while True:
        try:
            _request(url, partial, wanted, is_whole)
        except UnavailableError as reason:
            is_whole = isinstance(reason, _OtherRangeError)
            if not reason.transient:
                raise
            if partial.size >= most + _PROGRESS_BYTES:
                retry, most = unused, partial.size
            try:
                retry = retry.increment("GET", url)
            except MaxRetryError:
                raise reason from None
            pause_s = _pause_s(reason, retry)
            logger.warning("%s: %s; next attempt in %s", url, reason, in_words(pause_s))
            time.sleep(pause_s)
        else:
            return


def _pause_s(reason: UnavailableError, retry: "Retry") -> float:
    """Return how long to wait before a retry; raise an error if the server asks for too long a wait."""
    from urllib3.exceptions import InvalidHeader

    try:
        asked_s = retry.parse_retry_after(reason.retry_after) if reason.retry_after else 0.0
    except (InvalidHeader, ValueError, OverflowError):
        asked_s = 0.0
    if asked_s > LONGEST_WAIT_S:
        raise type(reason)(f"{reason}; it asks to wait {in_words(asked_s)}") from reason
    return max(asked_s, retry.get_backoff_time())


def _request(url: str, partial: PartialDownload, wanted: _Wanted, is_whole: bool) -> None:
    """Request the missing part of a file or, if `is_whole`, all of it; add it, and check the file."""
    from parley.dataset.web_client import opened

    have = partial.size if not is_whole and (wanted.checksum or partial.is_from(url)) else 0
    if not have or have != partial.source.get("bytes"):  # Otherwise the last process was killed while checking.
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and partial.is_from(url):
            headers["If-Range"] = partial.source["validator"]
        with opened(url, headers, wanted.allow_private_hosts, wanted.timeout_s) as response:
            start, total = _extent(response, have, partial, url)
            if refusal := wanted.refusal(total) or _refused_body(response, total, url, wanted):
                if start:  # Otherwise, the response is another file, perhaps a page that asks for a login.
                    partial.discard(url)
                raise UnavailableError(refusal)
            if start:
                partial.continue_from(url)
            else:
                partial.begin(url, _validator(response), total)
            _append(response.chunks, total, partial, wanted)
        expected = wanted.size if total is None else total
        if expected is not None and partial.size < expected:
            raise UnavailableError(f"it ended after {partial.size} of {expected} bytes", transient=True)
    _verify(partial, wanted, continued=bool(have))


def _extent(response: "Response", have: int, partial: PartialDownload, url: str) -> tuple[int, int | None]:
    """Return where in the file a response's body begins, and the file's size, which may be unknown.

    If the response neither continues nor restarts the file, discard the bytes from this URL and raise an error.
    """
    if response.status == 200:
        return 0, response.length_bytes
    known = partial.source.get("bytes")
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    is_same = not partial.is_from(url) or _validator(response) in ("", partial.source["validator"])
    if response.status == 206 and have and found and int(found[1]) == have and is_same:
        total = known if found[2] == "*" else int(found[2])
        if known in (None, total):
            return have, total
    partial.discard(url)
    why = "without the requested range" if have else "although the whole file was requested"
    raise _OtherRangeError(f"HTTP status {response.status}, {why}", transient=bool(have))


def _validator(response: "Response") -> str:
    """Return the header by which a server can tell whether a file is still the same; an empty string if none can."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _refused_body(response: "Response", total: int | None, url: str, wanted: _Wanted) -> str:
    """Return why a response's body is refused; an empty string if it is stored as sent."""
    # A page that asks for a login must not replace bytes of the file. If its size is sent, `refusal` has compared it.
    if total is None and wanted.size is not None and response.headers.get("Content-Type", "").startswith("text/html"):
        return "its server sends a web page; check the address, and whether it needs a login"
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    # Many servers describe a `.tgz` as a tar with the encoding gzip; the body is then the file as published.
    is_gzipped_file = encoding in ("gzip", "x-gzip") and urlsplit(url).path.lower().endswith(_GZIPPED_NAMES)
    if encoding in ("", "identity") or wanted.checksum or is_gzipped_file:
        return ""
    shown = "gzip" if encoding in ("gzip", "x-gzip") else "an encoding"
    return f"its server applies {shown} unasked; to store it so, give the checksum of the encoded file"


def _append(chunks: Iterable[bytes], total: int | None, partial: PartialDownload, wanted: _Wanted) -> None:
    size = partial.size
    if total is not None and total - size > (free := shutil.disk_usage(partial.path.parent).free):
        raise UnavailableError(f"{total - size:,} more bytes are needed, but the disk has only {free:,} free")
    most = min(one for one in (total, wanted.size, wanted.most_bytes) if one is not None)
    with Progress(f"downloading {wanted.path.name}", total, BYTE) as progress:
        if size:
            progress.resume_from(size)
        for chunk in chunks:
            size += len(chunk)
            if size > most:
                partial.discard()
                raise UnavailableError(f"it has more than {most} bytes")
            partial.append(chunk)
            progress.advance(len(chunk))


def _verify(partial: PartialDownload, wanted: _Wanted, continued: bool) -> None:
    """Check the size and checksum of a complete file. If it was continued, it may be downloaded again."""
    if refusal := wanted.refusal_of(partial.path):
        partial.discard()
        raise UnavailableError(refusal, transient=continued)
