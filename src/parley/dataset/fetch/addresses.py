"""Which network addresses are public: the only ones that a list from outside may send this machine to."""

import functools
import ipaddress
import socket
from urllib.parse import unquote, urlsplit

# Networks whose addresses carry one of version 4 in their last 32 bits, which a gateway then connects to
# (RFC 6052), or which it is another spelling of (RFC 4291, 2.5.5.1).
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
# What Python takes for public and nobody reaches from elsewhere: gateways of one's own (RFC 8215), site-local
# addresses (RFC 3879), and the address under which Azure serves its machines their secrets.
_NOT_PUBLIC = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("fec0::/10"),
    ipaddress.IPv4Network("168.63.129.16/32"),
)
_VERSION_4 = (1 << 32) - 1


@functools.lru_cache(maxsize=1024)
def is_public(address: str) -> bool:
    """Say whether an IP address is reached over the internet at large.

    Loopback, private, link-local (where clouds keep their metadata), shared, reserved and multicast
    addresses are not, nor is one of version 6 that stands for such an address of version 4.

    Parameters
    ----------
    address
        Version 4 or 6, in digits; a zone (`%eth0`) is left aside.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _version_4_within(ip) or ip
    if any(ip.version == network.version and ip in network for network in _NOT_PUBLIC):
        return False
    return ip.is_global and not ip.is_multicast


def names_private_host(url: str) -> bool:
    """Say whether a URL's host is, without asking any name server, an address that is not public.

    Every spelling counts that programs connect to: `127.1`, `2130706433` and `0x7f.0.0.1` are 127.0.0.1.
    """
    host = unquote(urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not is_public(host if ":" in host else socket.inet_ntoa(socket.inet_aton(host)))
    except (ValueError, OSError):  # A name, which only the resolver can tell about.
        return False


def _version_4_within(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if any(ip in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(ip) & _VERSION_4)
    return ip.ipv4_mapped or ip.sixtofour
