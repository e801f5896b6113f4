"""What a caller may do: `read` looks and searches, `write` hands in and changes, `admin` rules over keys and sees all
of the audit. One does not imply another. `internal` is no scope but a standing, which no key can be given."""

from typing import Final, Literal, TypeAlias

from shared.auth.context import CallerContext
from shared.errors import PermissionDenied

Scope: TypeAlias = Literal["read", "write", "admin"]
Access: TypeAlias = Literal["read", "write", "admin", "internal"]

SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "admin")
# Of a key that names none, as of a Membership that knows no scopes.
DEFAULT_SCOPES: Final[tuple[Scope, ...]] = ("read", "write")


def require(caller: CallerContext, access: Access) -> None:
    """Raises `PermissionDenied` unless the caller has it."""
    if access == "internal":
        if not caller.internal:
            raise PermissionDenied("internal_only", "only services of this platform may do this")
    elif access not in caller.scopes:
        raise PermissionDenied("scope_missing", f"your API key lacks the scope {access}")
