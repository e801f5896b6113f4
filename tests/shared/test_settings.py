"""A setting that is missing or malformed is named, with an example of what to write."""

from pathlib import Path

import pytest

from shared.errors import InvalidInput
from shared.settings import ADDRESSES, EXAMPLES, IN_SECRETS, Environment

BAD = {
    "DATABASE_URL": "mysql://sluice:secret@db/sluice",
    "REDIS_URL": "tcp://:hunter2@cache",
    "OBJECT_STORE_URL": "/objects",
    "BROKER_URL": "broker.svc/sluice/default",
    "K_SINK": "nats://bus",
    "FUNCTION_URL_TEMPLATE": "http://gateway:8080/function/chunk",
    "MEMBERSHIP_URL": "membership:8000",
    "EMBEDDING_API_BASE_URL": "h100",
    "EMBEDDING_QUERY_API_BASE_URL": "ftp://h100",
}


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    return {"SECRETS_DIR": str(tmp_path)}


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_malformed_address_is_named_and_not_repeated(name: str, nowhere: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        Environment(nowhere | {name: BAD[name]}).text(name)
    assert refused.value.message.startswith(f"{name} ")
    assert f"{name}={EXAMPLES[name]}" in refused.value.message
    assert BAD[name] not in refused.value.message
    assert Environment({name: EXAMPLES[name]}).text(name) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_missing_one_too(name: str, nowhere: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=f"{name} is not set; for example {name}="):
        Environment(nowhere).text(name)


@pytest.mark.parametrize("name", IN_SECRETS)
def test_a_mounted_secret_stands_in_and_the_variable_wins(name: str, nowhere: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / IN_SECRETS[name]).write_text(f"{EXAMPLES[name]}\n")
    assert Environment(nowhere).text(name) == EXAMPLES[name]
    assert Environment(nowhere | {name: f"{EXAMPLES[name]}?a=b"}).text(name) == f"{EXAMPLES[name]}?a=b"
    (tmp_path / IN_SECRETS[name]).write_text("\n")
    with pytest.raises(InvalidInput, match=f"{name} is not set"):
        Environment(nowhere).text(name)


def test_numbers_flags_choices_and_networks_come_with_an_example() -> None:
    env = Environment({"A": "x", "N": "10.0.0.0/99"})
    with pytest.raises(InvalidInput, match="for example A=4"):
        env.integer("A", 4)
    with pytest.raises(InvalidInput, match=r"for example A=0\.5"):
        env.number("A", 0.5)
    with pytest.raises(InvalidInput, match="for example A=true"):
        env.flag("A")
    with pytest.raises(InvalidInput, match="for example A=broker"):
        env.choice("A", ("broker", "direct"), "broker")
    with pytest.raises(InvalidInput, match="for example N=10"):
        env.networks("N")
