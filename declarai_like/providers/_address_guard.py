"""Which addresses may be asked for media: public ones. What a URL names may be chosen by a stranger."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, TypeAlias

from declarai_like.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_host", "check_ip"]

IP: TypeAlias = "IPv4Address | IPv6Address"

# The special-purpose registries of IANA, RFC 6890 and what came after it.
_NOT_PUBLIC = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
_METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16", "192.0.0.192",
            "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
        ),
    )
)  # fmt: skip
"""Where clouds tell a machine its own keys."""
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.IGNORECASE)


def check_host(host: str) -> None:
    """Raise `MediaError` for a host that is a number in a spelling that is read in several ways, as `0x7f.1`."""
    *_, last = host.rstrip(".").split(".")
    if ":" in host or not _NUMBER.fullmatch(last):
        return
    try:
        IPv4Address(host)
    except ValueError:
        raise MediaError(f"expected a host by name, or an address as 192.0.2.1, got {host!r:.60}") from None


def check_ip(address: str, host: str, *, is_allowed: bool) -> None:
    """Raise `MediaError` for an address that is not public, and is no allowed host's; for a cloud's metadata anyway."""
    try:
        ip: IP = ip_address(address.partition("%")[0])
    except ValueError:
        raise MediaError(f"{host} has the address {address!r:.60}, which is none") from None
    if not _METADATA.isdisjoint(_meant(ip)):
        raise MediaError(f"{host} has the address {ip}: metadata of a cloud is never asked for")
    if not is_allowed and not _is_public(ip):
        raise MediaError(
            f"{host} has the address {ip}, which is not public, so nothing is downloaded from it: "
            f"allow_hosts=[{host!r}] allows it"
        )


def _is_public(ip: IP) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC)
    return ip in _PUBLIC_6 and not any(ip in network for network in _NOT_PUBLIC_6)


def _meant(ip: IP) -> Iterator[IP]:
    """Give an address, and those of version 4 that it may stand for: mapped, translated, tunnelled."""
    yield ip
    if isinstance(ip, IPv4Address):
        return
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if any(ip in network for network in _NAT64):
        yield IPv4Address(int(ip) & 0xFFFFFFFF)
