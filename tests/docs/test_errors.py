"""The page of errors names every code that the source can answer, and no other."""

import ast
import re
from collections import defaultdict
from functools import cache

import shared.embeddings.answer
import shared.embeddings.client
import shared.ratelimit.enforcer
import shared.runtime.asgi  # noqa: F401  so that every class of errors exists
from shared import errors
from tests.docs.source import ROOT, modules, name_of, rows, text_of

CODE = re.compile(r"(<[a-z]+>|[a-z0-9]+)(_(<[a-z]+>|[a-z0-9]+))+")
KINDS = ("permanent", "transient", "interrupted")
# Values that hold a code among other words.
HOLDERS = ("Failure", "Failed", "StageFailed", "FieldError", "problem")


def classes(of: type[errors.SluiceError] = errors.SluiceError) -> dict[str, type[errors.SluiceError]]:
    found = {of.__name__: of}
    for narrower in of.__subclasses__():
        found |= classes(narrower)
    return found


def kind_of(error: type[errors.SluiceError]) -> str:
    if issubclass(error, errors.Interrupted):
        return "interrupted"
    return "transient" if error.retryable else "permanent"


@cache
def codes() -> dict[str, set[str]]:
    """Code -> kinds; no kind where a status says it."""
    from gateway.problems import HTTP_CODES, InvalidFields

    known = classes() | {InvalidFields.__name__: InvalidFields}
    found: dict[str, set[str]] = defaultdict(set)
    for module in modules("shared", "functions", "gateway"):
        for name, call in module.calls():
            if name in known:
                words = [text_of(argument) for argument in call.args[:1]]
                kinds = {kind_of(known[name])}
            elif name in HOLDERS:
                words = [text_of(argument) for argument in [*call.args, *(k.value for k in call.keywords)]]
                kinds = {word for word in words if word in KINDS}
            else:
                continue
            for word in words:
                if word and CODE.fullmatch(word):
                    found[word] |= kinds
    for word in edge_codes() | set(HTTP_CODES.values()) | {"http_error"}:
        found[word] |= set()
    return found


def edge_codes() -> set[str]:
    """What nginx answers itself."""
    return set(re.findall(r'"code":"(\w+)"', (ROOT / "gateway/nginx/edge/problems.conf").read_text()))


def test_the_page_has_every_code_and_no_other() -> None:
    listed = [row[0] for row in rows("errors.md")]
    assert len(listed) > 100
    assert sorted(listed) == sorted(set(listed)), "a code stands once"
    assert set(listed) - codes().keys() == set(), "no longer in the source"
    assert codes().keys() - set(listed) == set(), "not on the page"


def test_every_kind_is_right_and_every_row_says_what_to_do() -> None:
    for code, kind, meaning, remedy in rows("errors.md"):
        said = set(kind.split(", "))
        assert said <= set(KINDS), code
        assert said >= codes()[code], code
        assert meaning.endswith("."), code
        assert remedy.endswith("."), code


def test_every_class_of_errors_is_known_here() -> None:
    """An error class that the scan misses would hide its codes."""
    defined = {
        node.name
        for module in modules("shared", "functions", "gateway")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and any(name_of(base) in classes() for base in node.bases)
    }
    assert defined <= classes().keys() | {"InvalidFields"}
