import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.dataset.web_rules import is_public, names_private_host


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.0.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
        *("169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        # IPv6 addresses that encode an IPv4 address: mapped, 6to4, and through a translating gateway.
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:0a00:0001::1"),
        *("64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::10.0.0.1"),
        # A local gateway may put the IPv4 address anywhere in this one.
        "64:ff9b:1:7f00:0:100:808:808",
        *("::127.0.0.1", "::10.0.0.1", "fec0::1"),
        "168.63.129.16",  # Azure's, for its own machines only.
    ],
)
def test_addresses_of_no_public_host(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_addresses_of_public_hosts(address):
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_as_public_as_the_address(address):
    assert is_public(f"::ffff:{address}") == is_public(str(address))
    assert is_public(str(ipaddress.IPv6Address((0x64FF9B << 96) | int(address)))) == is_public(str(address))


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://localhost/a", True),
        ("http://LOCALHOST:80/a", True),
        ("http://a.localhost./a", True),
        ("http://[::1]:8080/a", True),
        ("https://192.168.1.1/a", True),
        # Each of these is a spelling of 127.0.0.1.
        ("http://127.1/a", True),
        ("http://2130706433/a", True),
        ("http://0x7f.0.0.1:80/a", True),
        ("http://0177.0.0.1/a", True),
        ("http://127.0.0.1./a", True),
        ("http://%31%32%37.0.0.1/a", True),
        ("http://example.org/a", False),
        ("http://10.example.org/a", False),
        ("http://8.8.8.8/a", False),
        ("http://localhost.example.org/", False),
    ],
)
def test_hosts_that_need_no_resolver(url, private):
    assert names_private_host(url) is private
