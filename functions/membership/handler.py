"""The contract `POST /auth`, and the routes by which an administrator makes, lists, ends and replaces keys."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from functions.membership.core import identity, stored_form
from functions.membership.keys import ID_LENGTH, read_id, read_new_key, read_overlap, shown
from shared.audit import Audit
from shared.auth.access import require
from shared.auth.context import CallerContext
from shared.auth.keyed_hash import is_api_key, key_hash, new_api_key
from shared.errors import Conflict, NotFound, Unauthenticated
from shared.events import strict_json
from shared.events.event import Json
from shared.runtime.http import HttpRequest, HttpResponse, json_response
from shared.store.api_keys import ApiKey, add_api_key, find_api_key, find_by_id, list_api_keys, revoke_api_key
from shared.store.store import Store

NOT_KEPT = (("cache-control", "no-store"),)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Resources:
    store: Store
    audit: Audit
    secret: bytes = field(repr=False)
    clock: Callable[[], datetime] = now


async def authenticate(request: HttpRequest, resources: Resources) -> HttpResponse:
    """Raises `Unauthenticated` for a key that is missing, unknown or revoked: nobody learns which."""
    _, caller = await _known(request, resources)
    return json_response(dict(caller), headers=NOT_KEPT)


async def create(request: HttpRequest, resources: Resources) -> HttpResponse:
    """The only answer that holds the key itself, beside that of `rotate`."""
    admin, _ = await _admin(request, resources)
    wanted = read_new_key(strict_json.parse(request.body, "body"))
    api_key = new_api_key()
    stored = stored_form(resources.secret, api_key, wanted, resources.clock())
    return await _added(resources, admin, api_key, stored, "key.created")


async def list_keys(request: HttpRequest, resources: Resources) -> HttpResponse:
    await _admin(request, resources)
    keys: list[Json] = [shown(key) for key in await list_api_keys(resources.store)]
    return json_response({"keys": keys}, headers=NOT_KEPT)


async def revoke(request: HttpRequest, resources: Resources) -> HttpResponse:
    """From now on; whoever has asked in the last minute may still believe in it for the rest of that minute."""
    admin, own = await _admin(request, resources)
    key = await _found(resources, read_id(strict_json.parse(request.body, "body")))
    if key.key_hash == own.key_hash:
        raise Conflict("key_in_use", "this is the key you are calling with: revoke it with another, or rotate it")
    await revoke_api_key(resources.store, key.key_hash, resources.clock())
    resources.audit.emit("key.revoked", admin, subject=key.key_hash[:ID_LENGTH], label=key.label)
    return json_response(dict(shown(await _found(resources, key.key_hash[:ID_LENGTH]))), headers=NOT_KEPT)


async def rotate(request: HttpRequest, resources: Resources) -> HttpResponse:
    """A new key for the same caller; the old one ends, at once or after an overlap."""
    admin, _ = await _admin(request, resources)
    body = strict_json.parse(request.body, "body")
    old, overlap, at = await _found(resources, read_id(body, "overlap_seconds")), read_overlap(body), resources.clock()
    if old.revoked_at is not None:
        raise Conflict("key_revoked", "this key has ended already: create another")
    api_key = new_api_key()
    fresh = replace(old, key_hash=key_hash(resources.secret, api_key), created_at=at)
    answer = await _added(resources, admin, api_key, fresh, "key.rotated")
    await revoke_api_key(resources.store, old.key_hash, at + overlap)
    return answer


async def _added(
    resources: Resources, admin: CallerContext, api_key: str, key: ApiKey, action: Literal["key.created", "key.rotated"]
) -> HttpResponse:
    await add_api_key(resources.store, key)
    told: dict[str, Json] = {"of": key.caller_id, "tier": key.tier, "scopes": [*key.scopes], "label": key.label}
    resources.audit.emit(action, admin, subject=key.key_hash[:ID_LENGTH], **told)
    return json_response({"key": api_key, **shown(key)}, 201, NOT_KEPT)


async def _known(request: HttpRequest, resources: Resources) -> tuple[ApiKey, dict[str, Json]]:
    api_key = request.headers.get("x-api-key", "")
    found = await find_api_key(resources.store, key_hash(resources.secret, api_key)) if is_api_key(api_key) else None
    caller = identity(found, resources.clock())
    if found is None or caller is None:
        raise Unauthenticated("key_refused", "this API key is not known or was revoked")
    return found, caller


async def _admin(request: HttpRequest, resources: Resources) -> tuple[CallerContext, ApiKey]:
    key, _ = await _known(request, resources)
    caller = CallerContext(key.caller_id, "user", key.tier, frozenset(key.scopes), request.request_id)
    require(caller, "admin")
    return caller, key


async def _found(resources: Resources, key_id: str) -> ApiKey:
    key = await find_by_id(resources.store, key_id)
    if key is None:
        raise NotFound("key_not_found", "there is no key with this id", field="id")
    return key
