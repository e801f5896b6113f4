"""What a page asks of those who index."""

import pytest

from functions.scrape.directives import check, of_header, of_page
from shared.errors import Permanent


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["noindex"], {"noindex"}),
        (["NoIndex, nofollow"], {"noindex"}),
        (["none"], {"noindex"}),
        (["noarchive", "nosnippet"], {"noarchive"}),
        (["all", "index, follow"], set()),
        (["sluice: noindex"], {"noindex"}),
        (["googlebot: noindex", "noarchive"], {"noarchive"}),
        (["googlebot: noindex, noarchive"], set()),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST", "max-snippet: 5, noindex"], {"noindex"}),
        ([""], set()),
    ],
)
def test_a_header_speaks_to_all_or_to_the_one_it_names(lines: list[str], found: set[str]) -> None:
    assert of_header(lines, "Sluice") == found


def test_markup_is_read_in_any_case_and_order() -> None:
    assert of_page(["max-snippet:-1, NOARCHIVE ,noindex"]) == {"noindex", "noarchive"}
    assert of_page(["indexnoindex"]) == set()


@pytest.mark.parametrize(
    ("asked", "code"), [({"noarchive"}, "page_noarchive"), ({"noarchive", "noindex"}, "page_noindex")]
)
def test_what_it_asks_is_done(asked: set[str], code: str) -> None:
    with pytest.raises(Permanent) as refused:
        check(frozenset(asked))
    assert refused.value.code == code
    check(frozenset())
