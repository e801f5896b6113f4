"""The bytes of an answer mean the same however they arrive."""

from hypothesis import given
from hypothesis import strategies as st

from emulator.upstream.answer import Answer, Broken

BODIES = st.binary(max_size=200)


def fed(data: bytes, cuts: list[int]) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool, bool]:
    answer, at = Answer(), 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        if cut > at:
            answer.feed(data[at:cut])
        at = cut
    return answer.status, answer.headers, answer.take(), answer.complete, answer.keeps_alive


@given(body=BODIES, cuts=st.lists(st.integers(0, 500), max_size=8), interim=st.booleans())
def test_with_a_length(body: bytes, cuts: list[int], interim: bool) -> None:
    head = b"HTTP/1.1 100 Continue\r\n\r\n" if interim else b""
    data = head + b"HTTP/1.1 200 OK\r\nX-One: 1\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    headers = [(b"x-one", b"1"), (b"content-length", b"%d" % len(body))]
    assert fed(data, cuts) == (200, headers, body, True, True)


@given(parts=st.lists(BODIES.filter(bool), max_size=5), cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_in_chunks(parts: list[bytes], cuts: list[int]) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    data = b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n" + chunks + b"0\r\nt: 1\r\n\r\n"
    headers = [(b"transfer-encoding", b"chunked"), (b"connection", b"close")]
    assert fed(data, cuts) == (500, headers, b"".join(parts), True, False)


@given(data=st.binary(max_size=300))
def test_rubbish_is_broken_or_not_over(data: bytes) -> None:
    answer = Answer()
    try:
        if data:
            answer.feed(data)
    except Broken:
        assert not answer.complete
