"""Target: what a scanner says.

It is a verdict, or no answer; "clean" is said in a few ways only; and cutting the bytes otherwise
changes nothing.

In: a byte that chooses the scanner, then what it says. Out: nothing, or a finding.
Must never: reach a network.
"""

from __future__ import annotations

import hashlib
import re
from random import Random
from typing import TYPE_CHECKING, Any

from fuzzlib.pieces import cut
from proxy_addons.content.clamd import _answer, _judged
from proxy_addons.content.icap import _final
from proxy_addons.content.icapwords import Words
from proxy_addons.content.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

_BODY = b"the body that was sent"
_ECHO = hashlib.sha256(_BODY).digest()
_HTTP = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"
_HEAD = b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=%d\r\n\r\n" % len(_HTTP)
_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY)
_CLEAN_ICAP = re.compile(rb"(?:ICAP/1\.[0-9] 100.*?\r\n\r\n){0,2}ICAP/1\.[0-9] 20[04]", re.DOTALL)


def seeds() -> list[bytes]:
    """Answers of both, good and bad."""
    clamd = (b"stream: OK\0", b"fd[10]: A.Virus FOUND\0", b"INSTREAM size limit exceeded. ERROR\0")
    icap = (
        b"ICAP/1.0 204 No\r\nISTag: x\r\n\r\n",
        b"ICAP/1.0 100 Continue\r\n\r\nICAP/1.0 204 No\r\n\r\n",
        b"ICAP/1.0 500 No\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Threat=V;\r\n\r\n",
        _HEAD + _HTTP + _CHUNKS,
        _HEAD + _HTTP.replace(b"200", b"403") + _CHUNKS,
        _HEAD.replace(b"res-body", b"null-body") + _HTTP,
    )
    return [*(b"\0" + each for each in clamd), *(b"\1" + each for each in icap)]


def words() -> list[bytes]:
    """Pieces of answers."""
    return [
        *(b"stream: ", b"OK", b" FOUND", b" ERROR", b"\0", b"Heuristics.Limits.Exceeded"),
        *(b"ICAP/1.0 ", b"HTTP/1.1 ", b"204", b"200", b"100", b"\r\n", b"\r\n\r\n", b"0\r\n\r\n"),
        *(b"Encapsulated: res-hdr=0, ", b"res-body=", b"null-body=", b"X-Virus-ID: v\r\n", b"; x"),
        *(_BODY, _HTTP, _CHUNKS, b"ffffffffffffff", b"\n", b" ", b"\t"),
    ]


class _Said:
    """Gives what was said piece by piece, as a connection does, without waiting."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter([piece for piece in pieces if piece])

    async def receive(self) -> bytes:
        return next(self._pieces, b"")


def check(data: bytes) -> None:
    """The verdict, with the bytes cut in two ways."""
    if not data:
        return
    ask = _of_icap if data[0] & 1 else _of_clamd
    said = data[1:]
    whole = ask([said])
    # Not for secrets: the same bytes are cut the same way.
    random = Random(hashlib.sha256(data).digest())  # noqa: S311 - it has to repeat itself
    assert whole == ask(cut(said, random)), "the verdict depends on how the bytes were cut"


def _of_clamd(pieces: list[bytes]) -> Any:
    async def ask() -> tuple[str | None, bool]:
        found = _judged(await _answer(_Said(pieces)), whole=True)  # type: ignore[arg-type]
        assert found.why.isprintable()
        return found.virus, found.scanned

    verdict = _run(ask())
    if verdict == (None, True):
        said = b"".join(pieces)
        assert re.fullmatch(rb"(stream|fd\[\d+\]): OK\0", said), "clean, though nobody said so"
    return verdict


def _of_icap(pieces: list[bytes]) -> Any:
    verdict = _run(_final(Words(_Said(pieces).receive)))
    if verdict is None:
        return None
    assert verdict.virus is None or verdict.virus.isprintable()
    if verdict.virus is None and not verdict.why:
        said = b"".join(pieces)
        assert _CLEAN_ICAP.match(said), "clean, though nobody said so"
        if verdict.echo == _ECHO:
            assert _BODY[:4] in said, "taken for the same body, which it is not"
    return verdict


def _run(asked: Coroutine[Any, Any, Any]) -> Any:
    """What comes out; None: no answer that can be relied on."""
    try:
        asked.send(None)
    except StopIteration as done:
        return done.value
    except WireError as problem:
        # What is expected of nonsense.
        if not str(problem).isprintable():
            msg = "a terminal would obey what is reported"
            raise AssertionError(msg) from problem
        return None
    asked.close()
    msg = "it waits, though all has been said"
    raise AssertionError(msg)
