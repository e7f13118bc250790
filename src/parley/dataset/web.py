"""The HTTP client of every stage: pooled connections, proxies from the environment, a User-Agent naming Parley."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from parley import __version__

# Imported where they are used, so that parsing the Snakefile does not load HTTP libraries.
if TYPE_CHECKING:
    import urllib3

HOSTS_KEPT = 256


def user_agent(contact: str = "") -> str:
    """Return the User-Agent: the program, its version and, if given, a contact."""
    return f"parley/{__version__} (research; {contact})" if contact else f"parley/{__version__} (research)"


class HttpClient:
    """Connection pools that are kept open between requests, safe to share between threads.

    The environment's proxies (`http_proxy`, `https_proxy`, `no_proxy`) and its `SSL_CERT_FILE` are
    used as other programs use them. Does not retry or follow redirects.

    Parameters
    ----------
    connections
        Maximal number of connections kept open per host.
    contact
        A contact, for the User-Agent.
    """

    def __init__(self, connections: int = 4, contact: str = "") -> None:
        from urllib.request import getproxies

        import certifi

        # Images and archives are compressed already; a content encoding would hide their true size.
        self._headers = {"User-Agent": user_agent(contact), "Accept-Encoding": "identity"}
        self._options: dict[str, Any] = {
            "num_pools": HOSTS_KEPT,
            "maxsize": connections,
            "headers": self._headers,
            "ca_certs": os.environ.get("SSL_CERT_FILE") or certifi.where(),
        }
        self._proxies = {scheme: proxy for scheme, proxy in getproxies().items() if scheme in ("http", "https")}
        self._direct = self._manager(None)
        self._proxied = {proxy: self._manager(proxy) for proxy in self._proxies.values()}

    def get(self, url: str, timeout: urllib3.Timeout) -> urllib3.BaseHTTPResponse:
        """Request a URL and return once the response's headers have arrived; the body is not read yet."""
        return self._manager_for(url).request(
            "GET", url, preload_content=False, redirect=False, retries=False, timeout=timeout
        )

    def _manager(self, proxy: str | None) -> urllib3.PoolManager:
        import urllib3

        if proxy is None:
            return urllib3.PoolManager(**self._options)
        return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", **self._options)

    def _manager_for(self, url: str) -> urllib3.PoolManager:
        proxy = proxy_for(url, self._proxies)
        return self._proxied[proxy] if proxy else self._direct


def proxy_for(url: str, proxies: Mapping[str, str]) -> str:
    """Return the proxy for requests to a URL; empty for none.

    Parameters
    ----------
    url
        An http or https URL.
    proxies
        Proxies by scheme, as `urllib.request.getproxies` gives them; `no_proxy` is respected.
    """
    if not proxies:
        return ""
    from urllib.request import proxy_bypass

    parts = urlsplit(url)
    return "" if proxy_bypass(parts.hostname or "") else proxies.get(parts.scheme, "")


def redirect_target(url: str, response: urllib3.BaseHTTPResponse) -> str | None:
    """Return the absolute address that a response redirects to, or None if it does not redirect.

    The address is untrusted: the caller checks that it is http or https, and limits the number of redirects.
    """
    location = response.headers.get("Location")
    if response.status not in (301, 302, 303, 307, 308) or not location:
        return None
    return urljoin(url, location)
