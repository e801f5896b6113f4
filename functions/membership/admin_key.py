"""Makes a key with every scope, for whoever has the database and the secrets: the first key, or one when all are lost.

`python -m functions.membership.admin_key CALLER`, in the function's image or in a checkout.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from functions.membership.core import stored_form
from functions.membership.keys import ID_LENGTH, read_new_key
from shared.auth.access import SCOPES
from shared.auth.keyed_hash import new_api_key
from shared.errors import SluiceError
from shared.settings import Environment
from shared.store.api_keys import add_api_key
from shared.store.audit import add_audit
from shared.store.store import Store


async def make(env: Environment, caller: str, now: datetime) -> str:
    """The key, which is kept nowhere. Needs `DATABASE_URL` and the secret `caller-hash-key`; is in the audit."""
    wanted = read_new_key({"caller": caller, "label": "made by admin_key", "scopes": [*SCOPES]})
    api_key = new_api_key()
    stored = stored_form(env.secret("caller-hash-key"), api_key, wanted, now)
    async with await Store.open(env.text("DATABASE_URL"), pool_size=1) as store:
        await add_api_key(store, stored)
        await add_audit(
            store,
            caller_id=stored.caller_id,
            action="key.created",
            subject=stored.key_hash[:ID_LENGTH],
            detail={"of": stored.caller_id, "scopes": [*stored.scopes], "label": stored.label},
            now=now,
        )
    return api_key


def main(arguments: Sequence[str] | None = None) -> int:
    """Nothing but the key is on standard output."""
    parser = argparse.ArgumentParser(
        prog="python -m functions.membership.admin_key", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("caller", metavar="CALLER", help="the name of the caller whose key it is")
    args = parser.parse_args(arguments)
    try:
        print(asyncio.run(make(Environment(os.environ), args.caller, datetime.now(UTC))))
    except SluiceError as error:
        print(f"admin_key: {error.message} ({error.code})", file=sys.stderr)
        return 1
    print("This key is not shown again; `sluice keys` makes others with it.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
