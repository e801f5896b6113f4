"""The first key of a platform, made by whoever has the database and the secrets."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions.membership.core import identity
from shared.auth.access import SCOPES
from shared.auth.keyed_hash import caller_hash, key_hash
from shared.store.api_keys import find_api_key
from shared.store.store import Store

SECRET = b"hash secret"


@pytest.fixture
def variables(database: str, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "caller-hash-key").write_bytes(SECRET)
    return {"PATH": os.environ["PATH"], "DATABASE_URL": database, "SECRETS_DIR": str(tmp_path)}


def run(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "functions.membership.admin_key", *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)


async def test_it_prints_a_key_that_membership_knows_with_every_scope(store: Store, variables: dict[str, str]) -> None:
    made = run(variables, "ops")
    assert made.returncode == 0, made.stderr
    api_key = made.stdout.removesuffix("\n")
    known = await find_api_key(store, key_hash(SECRET, api_key))
    who = identity(known, datetime.now(UTC))
    assert who is not None
    assert (who["caller_id"], who["scopes"]) == (caller_hash(SECRET, "ops"), sorted(SCOPES))
    assert "admin" in SCOPES


async def test_it_is_in_the_audit_without_the_key(store: Store, variables: dict[str, str]) -> None:
    api_key = run(variables, "ops").stdout.strip()
    [row] = await store.fetch("SELECT action, subject, detail::text FROM audit")
    assert (row["action"], row["subject"]) == ("key.created", key_hash(SECRET, api_key)[:16])
    assert json.loads(row["detail"])["label"] == "made by admin_key"
    assert api_key not in row["detail"]


@pytest.mark.parametrize(
    ("changed", "caller", "sentence"),
    [
        ({}, "no such name", "caller must be a name"),
        ({"DATABASE_URL": ""}, "ops", "DATABASE_URL is not set"),
        ({"SECRETS_DIR": "/nowhere"}, "ops", "caller-hash-key"),
    ],
)
def test_what_is_missing_is_one_sentence(
    variables: dict[str, str], changed: dict[str, str], caller: str, sentence: str
) -> None:
    refused = run(variables | changed, caller)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
