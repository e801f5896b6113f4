"""Which addresses a page may be fetched from."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis.strategies import ip_addresses

from shared.errors import Permanent
from shared.outbound.addresses import Guard, is_public

LOOPBACK = Guard((ip_network("127.0.0.0/8"),))


@pytest.mark.parametrize("address", ["8.8.8.8", "9.255.255.255", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111"])
def test_public_addresses_are_open(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "168.63.129.16",
        "192.88.99.1",
        "192.0.0.192",
        "64:ff9b::a00:1",
        "2002:7f00:1::1",
        "::127.0.0.1",
        "fec0::1",
        "3fff::1",
        "::ffff:8.8.8.8",
        "fd00:ec2::254",
        "2001:0:4136:e378::1",
        "255.255.255.255",
        "0.0.0.0",
        "::",
    ],
)
def test_addresses_that_only_look_public_are_closed(address: str) -> None:
    assert not is_public(ip_address(address))


@given(ip_addresses())
def test_no_address_is_open_that_python_calls_private(address: object) -> None:
    parsed = ip_address(str(address))
    assert not (is_public(parsed) and not parsed.is_global)


def test_one_forbidden_answer_spoils_the_others() -> None:
    with pytest.raises(Permanent) as refused:
        Guard().permitted("example.com", 80, ["93.184.215.14", "10.0.0.1"])
    assert refused.value.code == "address_refused"


def test_an_allowed_network_is_open_on_every_port_and_under_every_name() -> None:
    LOOPBACK.check_name("localhost", 5432)
    assert LOOPBACK.permitted("localhost", 5432, ["::1", "127.0.0.1"]) == ["127.0.0.1"]


def test_beside_an_allowed_network_the_rules_stay() -> None:
    assert LOOPBACK.permitted("example.com", 443, ["93.184.215.14"]) == ["93.184.215.14"]
    for host, port, address in (("example.com", 22, "93.184.215.14"), ("intranet", 80, "10.0.0.1")):
        with pytest.raises(Permanent):
            LOOPBACK.permitted(host, port, [address])
