"""Hooks lead to the public internet only, however an address is written."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.hooks.addresses import AddressBook, AddressRefused, is_public, networks_of

PUBLIC = ("8.8.8.8", "93.184.215.14", "172.15.0.1", "172.32.0.1", "192.167.1.1", "2606:4700:4700::1111", "2a00:1450::1")
INNER = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "127.0.0.1", "127.8.8.8", "100.64.0.1", "100.100.100.200", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.168.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
)
INNER_6 = (
    "::",
    "::1",
    "fe80::1",
    "fe80::1%lo",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "64:ff9b:1::1",
)


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_taken(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", [*INNER, *INNER_6])
def test_an_address_of_an_own_network_is_refused(text: str) -> None:
    assert not is_public(ip_address(text))


def carriers(inner: IPv4Address) -> list[IPv6Address]:
    """Every IPv6 address that means an IPv4 one."""
    number = int(inner)
    return [
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address(number),
        IPv6Address((0x2002 << 112) | (number << 80)),
        IPv6Address((0x0064FF9B << 96) | number),
        IPv6Address((0x20010000 << 96) | (number << 64) | (number ^ 0xFFFFFFFF)),
    ]


@pytest.mark.parametrize("text", INNER)
def test_an_inner_address_is_refused_inside_one_of_ipv6(text: str) -> None:
    assert [str(each) for each in carriers(IPv4Address(text)) if is_public(each)] == []


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_fares_the_same_when_mapped(inner: IPv4Address) -> None:
    mapped, _, sixtofour, nat64, _ = carriers(inner)
    assert is_public(mapped) == is_public(inner)
    assert is_public(nat64) == is_public(inner)
    assert not (is_public(sixtofour) and not is_public(inner))


@given(st.ip_addresses())
def test_nothing_that_the_standard_library_calls_inner_is_public(address: IPv4Address | IPv6Address) -> None:
    """Ours refuses more, never less; a mapped address is judged by what it means."""
    meant = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
    nat64 = isinstance(address, IPv6Address) and int(address) >> 32 == 0x0064FF9B << 64
    if is_public(address) and not nat64:
        assert meant.is_global
        assert not meant.is_multicast


@given(st.ip_addresses())
def test_a_listed_network_is_let_through_and_no_other(address: IPv4Address | IPv6Address) -> None:
    book = AddressBook(networks_of("10.0.0.0/8, fd00::/8"))
    meant = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
    listed = str(meant).startswith("10.") if meant.version == 4 else int(meant) >> 120 == 0xFD
    assert book.permits(address) == (listed or is_public(address))


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "::1", "::ffff:127.0.0.1"]
)
async def test_a_name_is_judged_by_where_it_leads(host: str, anyio_backend: str) -> None:
    """Whatever spelling the system's resolver understands, the address behind it is what counts."""
    with pytest.raises(AddressRefused, match=r"leads to|does not resolve"):
        await AddressBook().resolve(host, 80)


async def test_a_permitted_network_resolves(anyio_backend: str) -> None:
    assert await AddressBook(networks_of("127.0.0.0/8")).resolve("127.0.0.1", 80) == ["127.0.0.1"]


pytestmark = pytest.mark.anyio
