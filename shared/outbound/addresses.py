"""Which addresses may be reached at a stranger's word: public ones on web ports, and what the operator allows."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from shared.errors import Permanent

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

WEB_PORTS = frozenset({80, 443, 8080, 8443})
LOCAL_SUFFIXES = (".localhost", ".local", ".internal")

# IANA special-purpose registries, plus 168.63.129.16, where Azure keeps a platform service on a public address.
_CLOSED_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
# Only 2000::/3 is given out at all: outside lie loopback, NAT64, unique and link local, multicast. Inside are tunnels.
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides; it neither looks up nor connects. `allowed` networks are open on every port, under every name."""

    allowed: tuple[Network, ...] = ()
    ports: frozenset[int] = WEB_PORTS

    def check_name(self, host: str, port: int) -> None:
        """Refuses what needs no look-up to refuse. Raises `Permanent` address_refused or port_refused."""
        if self.allowed:
            return
        self._check_port(port)
        _check_host(host)

    def permitted(self, host: str, port: int, answers: Iterable[str]) -> list[str]:
        """The addresses to connect to, all of them checked. One forbidden answer spoils the others."""
        addresses = [ip_address(answer) for answer in answers]
        allowed = [str(address) for address in addresses if self._is_allowed(address)]
        if allowed:
            return allowed
        self._check_port(port)
        _check_host(host)
        if not addresses or not all(is_public(address) for address in addresses):
            raise Permanent("address_refused", "the host is not on the public internet, so it is not fetched")
        return [str(address) for address in addresses]

    def _check_port(self, port: int) -> None:
        if port not in self.ports:
            raise Permanent("port_refused", f"only ports {', '.join(map(str, sorted(self.ports)))} are fetched")

    def _is_allowed(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self.allowed)


def is_public(address: Address) -> bool:
    """`ipaddress.is_global` is not enough: it takes tunnels, relays and some platform services for public."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)


def _check_host(host: str) -> None:
    name = host.rstrip(".").lower()
    if ":" in name:
        return
    if "." not in name or name.endswith(LOCAL_SUFFIXES):
        raise Permanent("address_refused", "the name is not one of the public internet, so it is not fetched")
