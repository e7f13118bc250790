"""Download a large file from the first location, a web mirror or a local path, that provides it."""

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from parley import __version__
from parley.core.errors import ParleyError
from parley.core.files import is_web_url, written_aside
from parley.core.progress import Progress

# HTTP libraries are imported in the functions that use them, so that parsing the Snakefile does not load them.
if TYPE_CHECKING:
    import urllib3

logger = logging.getLogger(__name__)
CHUNK_BYTES = 1 << 20
MOST_REDIRECTS = 5
CHECKSUMS = {"sha1": 40, "sha256": 64}


def user_agent(contact: str = "") -> str:
    """Return the User-Agent header: program name, version and, if given, a contact address."""
    return f"parley/{__version__} (research; {contact})" if contact else f"parley/{__version__} (research)"


def proxy_for(url: str, proxies: Mapping[str, str]) -> str:
    """Return the address of the proxy for requests to a URL; empty if no proxy is to be used.

    Parameters
    ----------
    url
        An http or https URL.
    proxies
        Proxy addresses by URL scheme, from `urllib.request.getproxies`; the environment's `no_proxy` is respected.
    """
    if not proxies:
        return ""
    from urllib.request import proxy_bypass

    parts = urlsplit(url)
    return "" if proxy_bypass(parts.hostname or "") else proxies.get(parts.scheme, "")


class _UnavailableError(Exception):
    """Raised if a location does not provide the file; the message states the reason."""


def download(
    locations: Sequence[str], destination: str | Path, checksum: str | None = None, timeout_s: float = 60.0
) -> str:
    """Download a file from the first location that provides it. `destination` is never an incomplete file.

    Parameters
    ----------
    locations
        http or https URLs and local paths, in the order in which to try them.
    destination
        Path of the file to write.
    checksum
        Expected checksum: `sha1:` or `sha256:`, then hexadecimal digits. A location whose file has another checksum
        counts as unavailable. None accepts any file.
    timeout_s
        Timeout, in seconds, for connecting to a server and between two chunks of the body.

    Returns
    -------
    The location that the file was read from.

    Raises
    ------
    ParleyError
        If no location provides the file. The error states the reason for each location.
    """
    expected = _parsed_checksum(checksum)
    reasons = []
    for location in locations:
        try:
            with written_aside(destination) as aside:
                _fetch(location, aside, expected, timeout_s)
        except _UnavailableError as reason:
            logger.warning("%s: %s", location, reason)
            reasons.append(f"{location} ({reason})")
        else:
            logger.info("%s was fetched from %s", destination, location)
            return location
    tried = "; ".join(reasons) or "no location is configured"
    raise ParleyError(f"No location gave the file for {destination}: {tried}. Add a mirror or a local path.")


def _parsed_checksum(checksum: str | None) -> tuple[str, str] | None:
    if not checksum:
        return None
    name, _, digits = checksum.strip().lower().partition(":")
    if len(digits) != CHECKSUMS.get(name) or not all(digit in "0123456789abcdef" for digit in digits):
        raise ParleyError(
            f"The checksum {checksum!r} must be 'sha1:' and 40 hex digits, or 'sha256:' and 64 hex digits."
        )
    return name, digits


def check_checksum(path: str | Path, checksum: str | None) -> None:
    """Raise `ParleyError` if a file does not have the given checksum; None accepts any file."""
    expected = _parsed_checksum(checksum)
    if expected is None:
        return
    with Path(path).open("rb") as stream:
        found = hashlib.file_digest(stream, expected[0]).hexdigest()
    if found != expected[1]:
        raise ParleyError(
            f"{path} has the {expected[0]} {found}, not {expected[1]}; correct the checksum, or remove the file "
            "to have it downloaded again."
        )


def _fetch(location: str, aside: Path, expected: tuple[str, str] | None, timeout_s: float) -> None:
    """Copy the file at a location; raise `_UnavailableError` if it cannot be read or has another checksum."""
    digest = hashlib.new(expected[0]) if expected else None
    opened = _opened_url(location, timeout_s) if is_web_url(location) else _opened_path(Path(location).expanduser())
    with opened as (chunks, total_bytes):
        name = f"downloading {aside.name.strip('.').rsplit('.', 2)[0]}"
        with aside.open("wb") as target, Progress(name, total_bytes, "byte") as progress:
            for chunk in chunks:
                target.write(chunk)
                progress.advance(len(chunk))
                if digest is not None:
                    digest.update(chunk)
    if expected and digest is not None and digest.hexdigest() != expected[1]:
        raise _UnavailableError(f"its {expected[0]} is {digest.hexdigest()}, not {expected[1]}")


@contextmanager
def _opened_path(path: Path) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """Open a local file, and yield a pair: an iterator over its chunks, and its size in bytes."""
    try:
        with path.open("rb") as source:
            yield iter(partial(source.read, CHUNK_BYTES), b""), path.stat().st_size
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise _UnavailableError(error.strerror) from error


@contextmanager
def _opened_url(url: str, timeout_s: float) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """Open a URL, and yield a pair: an iterator over the body's chunks, and its size in bytes (None if unknown)."""
    import urllib3

    try:
        for _ in range(MOST_REDIRECTS + 1):
            response = _request(url, timeout_s)
            location = response.get_redirect_location()
            if not location:
                break
            response.drain_conn()
            url = urljoin(url, location)
            if not is_web_url(url):
                raise _UnavailableError(f"it redirects to {url}, which is not http or https")
        else:
            raise _UnavailableError(f"more than {MOST_REDIRECTS} redirects")
        if response.status != 200:
            raise _UnavailableError(f"HTTP status {response.status}")
        length = response.headers.get("Content-Length", "")
        yield response.stream(CHUNK_BYTES), int(length) if length.isdigit() else None
    except urllib3.exceptions.HTTPError as error:
        raise _UnavailableError(str(error.args[0] if error.args else error)) from error


def _request(url: str, timeout_s: float) -> "urllib3.BaseHTTPResponse":
    """Send a GET request without retries or redirects, and leave the body unread.

    Respects the environment variables `http_proxy`, `https_proxy`, `no_proxy` and `SSL_CERT_FILE`.
    """
    from urllib.request import getproxies

    import certifi
    import urllib3

    # Archives are already compressed, and a content encoding would hide their true size.
    headers = {"User-Agent": user_agent(), "Accept-Encoding": "identity"}
    certificates = os.environ.get("SSL_CERT_FILE") or certifi.where()
    if proxy := proxy_for(url, {scheme: one for scheme, one in getproxies().items() if scheme in ("http", "https")}):
        address = proxy if "://" in proxy else f"http://{proxy}"
        client: urllib3.PoolManager = urllib3.ProxyManager(address, headers=headers, ca_certs=certificates)
    else:
        client = urllib3.PoolManager(headers=headers, ca_certs=certificates)
    timeout = urllib3.Timeout(connect=timeout_s, read=timeout_s)
    return client.request("GET", url, preload_content=False, redirect=False, retries=False, timeout=timeout)
