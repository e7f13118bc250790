"""Rules for requests for images and for files: the User-Agent, the proxy, which addresses are public; their error."""

import functools
import ipaddress
import os
import socket
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from parley import __version__
from parley.core.files import expand_home

# IPv6 networks whose addresses stand for the IPv4 address in their last 32 bits: gateways translate between the two
# (RFC 6052), or the IPv6 address is another notation for the IPv4 address (RFC 4291, 2.5.5.1).
_EMBEDS_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
# Addresses that are not public, although `ipaddress` classifies them as global: local translation gateways
# (RFC 8215), site-local addresses (RFC 3879), and the address from which Azure machines obtain credentials.
_NOT_PUBLIC = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("fec0::/10"),
    ipaddress.IPv4Network("168.63.129.16/32"),
)
_IPV4_BITS = (1 << 32) - 1


def certificates() -> str:
    """Return the path of the trusted certificates: `SSL_CERT_FILE` or, if it is not set, those of certifi."""
    import certifi  # Not above: this module is imported when the Snakefile is parsed.

    return str(expand_home(os.environ.get("SSL_CERT_FILE") or certifi.where()))


class UnavailableError(Exception):
    """Raised if a location does not provide the file; the message states the reason.

    Parameters
    ----------
    reason
        Completes the sentence "the location cannot be used: ...".
    transient
        Whether another attempt may succeed.
    retry_after
        The server's header `Retry-After`, if any.
    """

    def __init__(self, reason: str, transient: bool = False, retry_after: str = "") -> None:
        super().__init__(reason)
        self.transient, self.retry_after = transient, retry_after


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


@functools.lru_cache(maxsize=1024)
def is_public(address: str) -> bool:
    """Return True if an IP address is reachable over the public internet.

    Loopback, private, link-local (cloud metadata services), shared, reserved and multicast addresses are not
    public, nor is an IPv6 address that encodes such an IPv4 address.

    Parameters
    ----------
    address
        IPv4 or IPv6 address in digits; a zone (`%eth0`) is ignored.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _embedded_ipv4(ip) or ip
    if any(ip.version == network.version and ip in network for network in _NOT_PUBLIC):
        return False
    return ip.is_global and not ip.is_multicast


def names_private_host(url: str) -> bool:
    """Return True if a URL's host is `localhost` or an address that is not public. Host names are not resolved.

    All notations that `inet_aton` accepts are recognised: `127.1`, `2130706433` and `0x7f.0.0.1` mean 127.0.0.1.
    """
    host = unquote(urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not is_public(host if ":" in host else socket.inet_ntoa(socket.inet_aton(host)))
    except (ValueError, OSError):  # The host is a name, and its address is unknown before it is resolved.
        return False


def _embedded_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if any(ip in network for network in _EMBEDS_IPV4):
        return ipaddress.IPv4Address(int(ip) & _IPV4_BITS)
    return ip.ipv4_mapped or ip.sixtofour
