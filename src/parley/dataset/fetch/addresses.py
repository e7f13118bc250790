"""Checks that an address is public, so that an untrusted URL list cannot make this machine contact private hosts."""

import functools
import ipaddress
import socket
from urllib.parse import unquote, urlsplit

# IPv6 networks whose last 32 bits are an IPv4 address: a gateway translates it (RFC 6052), or it is another
# spelling of that address (RFC 4291, 2.5.5.1).
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
# Not public, although `ipaddress` says so: local translation gateways (RFC 8215), site-local addresses
# (RFC 3879), and the address at which Azure serves credentials to its machines.
_NOT_PUBLIC = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("fec0::/10"),
    ipaddress.IPv4Network("168.63.129.16/32"),
)
_VERSION_4 = (1 << 32) - 1


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
        ip = _version_4_within(ip) or ip
    if any(ip.version == network.version and ip in network for network in _NOT_PUBLIC):
        return False
    return ip.is_global and not ip.is_multicast


def names_private_host(url: str) -> bool:
    """Return True if a URL's host is an address that is not public; no name is resolved.

    All spellings that programs accept are recognised: `127.1`, `2130706433` and `0x7f.0.0.1` are 127.0.0.1.
    """
    host = unquote(urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not is_public(host if ":" in host else socket.inet_ntoa(socket.inet_aton(host)))
    except (ValueError, OSError):  # A host name: only the resolver knows its address.
        return False


def _version_4_within(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if any(ip in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(ip) & _VERSION_4)
    return ip.ipv4_mapped or ip.sixtofour
