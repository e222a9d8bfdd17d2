"""A publisher of category lists on loopback: over HTTP and HTTPS, well and badly.

In: what to answer at which name. Out: real answers, with validators, and what was asked for.
Must never: answer for the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web

from support.web import Web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.certificates import WebAuthority

_DATA = Path(__file__).parents[3] / "shared" / "data"


@dataclass
class Answer:
    """What is answered at a name.

    Attributes:
        body: its octets.
        validators: whether ETag is given and heeded.
        modified: Last-Modified, which is heeded as well; empty: none.
        fault: empty; `cut` (the connection ends half-way), `drip` (an octet at a time), `coded`
            (it says that it is compressed), `endless` (no length, no end), a status, or `to X`.
    """

    body: bytes = b""
    validators: bool = True
    modified: str = ""
    fault: str = ""

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'


@dataclass
class ListServer:
    """The publisher.

    Attributes:
        answers: by name, e.g. `ut1.tar.gz`.
        asked: names, and whether If-None-Match was sent.
        answered: statuses.
    """

    authority: WebAuthority
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, bool]] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.web = Web(self.authority)
        self.web.programs["lists"] = self._answer
        self.web.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self.web.__exit__(*problem)

    def url(self, name: str, scheme: str = "http", host: str = "127.0.0.1") -> str:
        """The address of a name."""
        port = self.web.https if scheme == "https" else self.web.http
        return f"{scheme}://{host}:{port}/lists/{name}"

    async def _answer(self, request: web.Request, name: str) -> web.StreamResponse:
        response = await self._answered(request, name)
        self.answered.append(response.status)
        return response

    async def _answered(self, request: web.Request, name: str) -> web.StreamResponse:
        answer = self.answers.get(name, Answer(fault="404"))
        self.asked.append((name, "If-None-Match" in request.headers))
        fault, _, rest = answer.fault.partition(" ")
        if fault == "to":
            return web.Response(status=302, headers={"Location": rest})
        if fault.isdigit():
            return web.Response(status=int(fault))
        headers = {"ETag": answer.etag} if answer.validators else {}
        if answer.validators and request.headers.get("If-None-Match") == answer.etag:
            return web.Response(status=304, headers=headers)
        if answer.modified:
            headers["Last-Modified"] = answer.modified
            if request.headers.get("If-Modified-Since") == answer.modified:
                return web.Response(status=304, headers=headers)
        if not fault:
            return web.Response(body=answer.body, headers=headers)
        return await self._badly(request, answer, fault, headers)

    @staticmethod
    async def _badly(
        request: web.Request, answer: Answer, fault: str, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        if fault == "coded":
            response.headers["Content-Encoding"] = "br"
        if fault != "endless":
            response.content_length = len(answer.body)
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            if fault == "cut":
                await response.write(answer.body[: len(answer.body) // 2])
                assert request.transport is not None
                request.transport.close()
            elif fault == "coded":
                await response.write(answer.body)
            elif fault == "drip":
                for octet in answer.body:
                    await response.write(bytes([octet]))
                    await asyncio.sleep(0.2)
            else:
                while True:
                    await response.write(answer.body)
                    await asyncio.sleep(0)
        return response


def tarred(lists: Mapping[str, str], top: str = "bl/") -> bytes:
    """A .tar.gz of a list: `category/file` to its content."""
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w:gz") as archive:
        for name, content in lists.items():
            info = tarfile.TarInfo(top + name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    return octets.getvalue()


def names(first: int, last: int, stem: str = "site") -> str:
    """Lines of names, numbered."""
    return "".join(f"{stem}{number}.test\n" for number in range(first, last))


def published(extra: str = "") -> bytes:
    """The UT1 list, if there is one here, with more names in `gambling`; else names of our own."""
    found = sorted(_DATA.glob("ut1-*.tar.gz"))
    if not found:
        return tarred({"gambling/domains": names(0, 50_000) + extra}, top="blacklists/")
    made = io.BytesIO()
    with tarfile.open(found[-1]) as source, tarfile.open(fileobj=made, mode="w:gz") as target:
        for member in source:
            content = source.extractfile(member) if member.isfile() else None
            octets = b"" if content is None else content.read()
            if member.name == "blacklists/gambling/domains":
                octets += extra.encode()
                member.size = len(octets)
            target.addfile(member, io.BytesIO(octets) if member.isfile() else None)
    return made.getvalue()


def tree_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder and what is in them."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
