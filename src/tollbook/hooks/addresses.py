"""Which addresses a hook may lead to: a stranger's URL must not make this server talk to its own network."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NEVER = tuple(
    map(
        ip_network,
        (
            # What the standard library's properties leave open, or some of its versions do.
            *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/3"),
            # IPv4-compatible (deprecated), discard, local NAT64, ORCHID, documentation, site-local, multicast.
            *("::/96", "100::/64", "64:ff9b:1::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "3fff::/20"),
            *("fec0::/10", "ff00::/8"),
        ),
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_RESOLVED_MAX = 8


class AddressRefused(Exception):  # noqa: N818 - a refusal, not a mistake
    """A hook's name leads where hooks may not lead, or nowhere."""


def networks_of(text: str) -> tuple[Network, ...]:
    """Networks as a setting lists them, by commas; raises `ValueError` where one is none.

    >>> [str(network) for network in networks_of("10.0.0.0/8, ::1")]
    ['10.0.0.0/8', '::1/128']
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, itself and every IPv4 address it carries.

    >>> is_public(ip_address("93.184.215.14")), is_public(ip_address("::ffff:10.0.0.1"))
    (True, False)
    """
    return all(_is_plain_public(each) for each in _readings(address))


def _readings(address: Address) -> Iterator[Address]:
    """What a packet to the address may reach: an IPv6 address may carry one of IPv4, and means that one."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_plain_public(address: Address) -> bool:
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    if isinstance(address, IPv6Address) and address in _NAT64:
        return True
    return not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )


class AddressBook:
    """Resolves the names of hooks, and refuses what they may not lead to."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def permits(self, address: Address) -> bool:
        """Whether a hook may lead there."""
        meant = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
        if any(meant.version == network.version and meant in network for network in self._allowed):
            return True
        return is_public(address)

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host in the resolver's order; raises `AddressRefused` where one is not permitted.

        One bad address refuses all: a name that leads to both worlds is up to something.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise AddressRefused(f"{host} does not resolve: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))[:_RESOLVED_MAX]
        if not addresses:
            raise AddressRefused(f"{host} does not resolve")
        for text in addresses:
            if not self.permits(ip_address(text)):
                raise AddressRefused(f"{host} leads to {text}, which is no public address")
        return addresses
