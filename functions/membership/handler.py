"""The contract `POST /auth`: an API key comes in a header, its caller goes back."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from functions.membership.core import identity
from shared.auth.keyed_hash import is_api_key, key_hash
from shared.errors import Unauthenticated
from shared.runtime.http import HttpRequest, HttpResponse, json_response
from shared.store.api_keys import find_api_key
from shared.store.store import Store


@dataclass(frozen=True)
class Resources:
    store: Store
    secret: bytes = field(repr=False)


async def authenticate(request: HttpRequest, resources: Resources) -> HttpResponse:
    """Raises `Unauthenticated` for a key that is missing, unknown or revoked: nobody learns which."""
    api_key = request.headers.get("x-api-key", "")
    found = await find_api_key(resources.store, key_hash(resources.secret, api_key)) if is_api_key(api_key) else None
    caller = identity(found, datetime.now(UTC))
    if caller is None:
        raise Unauthenticated("key_refused", "this API key is not known or was revoked")
    return json_response(caller, headers=(("cache-control", "no-store"),))
