"""Scopes and standing: what a caller may do."""

import pytest

from shared.auth.access import SCOPES, require
from shared.auth.context import CallerContext
from shared.errors import PermissionDenied


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_gives_itself_and_no_other(scope: str) -> None:
    caller = CallerContext("c", scopes=frozenset({scope}))
    for access in SCOPES:
        if access == scope:
            require(caller, access)
        else:
            with pytest.raises(PermissionDenied, match=access):
                require(caller, access)


def test_no_scope_makes_a_caller_internal() -> None:
    with pytest.raises(PermissionDenied) as refused:
        require(CallerContext("c", scopes=frozenset({*SCOPES, "internal"})), "internal")
    assert refused.value.code == "internal_only"
    require(CallerContext("c", internal=True), "internal")


def test_being_internal_gives_no_scope() -> None:
    with pytest.raises(PermissionDenied):
        require(CallerContext("c", internal=True), "write")
