"""One way onto the web for everything Parley asks for: pooled connections, proxies, an honest name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from parley import __version__

# Imported where they are used: the Snakefile's parse need not wait for HTTP libraries.
if TYPE_CHECKING:
    import urllib3

HOSTS_KEPT = 256


def user_agent(contact: str = "") -> str:
    """Return the User-Agent: the program, its version and, when given, whom to write to."""
    return f"parley/{__version__} (research; {contact})" if contact else f"parley/{__version__} (research)"


class HttpClient:
    """Connection pools that are kept open between requests, safe to share between threads.

    The environment's proxies (`http_proxy`, `https_proxy`, `no_proxy`) and its `SSL_CERT_FILE` are
    used as other programs use them. Nothing is retried or redirected here.

    Parameters
    ----------
    connections
        Connections kept open to one host.
    contact
        Goes into the User-Agent.
    """

    def __init__(self, connections: int = 4, contact: str = "") -> None:
        from urllib.request import getproxies

        import certifi

        # Images and archives are compressed already; another layer would only hide their true size.
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
        """Ask for a URL and return once the response's headers are there; its body is not read yet."""
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
    """Return the proxy that a URL is to be asked for through; empty for none.

    Parameters
    ----------
    url
        An http or https URL.
    proxies
        Proxies by scheme, as `urllib.request.getproxies` gives them; `no_proxy` is looked up there too.
    """
    if not proxies:
        return ""
    from urllib.request import proxy_bypass

    parts = urlsplit(url)
    return "" if proxy_bypass(parts.hostname or "") else proxies.get(parts.scheme, "")


def redirect_target(url: str, response: urllib3.BaseHTTPResponse) -> str | None:
    """Return the absolute address a response sends us to, or None when it does not redirect.

    The address comes from outside: the caller checks that it is http or https, and counts the hops.
    """
    location = response.headers.get("Location")
    if response.status not in (301, 302, 303, 307, 308) or not location:
        return None
    return urljoin(url, location)
