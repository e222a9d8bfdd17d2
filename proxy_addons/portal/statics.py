"""Files that pages of ours run: a chart library and our own script. Few, known, the same for all.

In: a request for one of them. Out: the file.
Must never: serve a file that is not in the table; run on a page that has not said so (answers.py).

The address of a file has the beginning of its hash, so that a browser can keep it for a year and
gets another one when the file is another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

_FOLDER: Final = Path(__file__).parent / "static"
_KEEP: Final = "public, max-age=31536000, immutable"
_SHOWN: Final = 16  # digits of the hash in an address


@dataclass(frozen=True, slots=True)
class Static:
    """One file.

    Attributes:
        name: in pages (`statics["charts"]`).
        file: below `static/`.
        kind: its content type.
    """

    name: str
    file: str
    kind: str = "text/javascript"


FILES: Final = (
    Static("echarts", "echarts-6.1.0/echarts.min.js"),
    Static("console", "console.js"),
)


class Statics:
    """All of them, read once. Blocks: made before the portal serves."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[bytes, str]] = {}
        self.addresses: dict[str, str] = {}
        for each in FILES:
            octets = (_FOLDER / each.file).read_bytes()
            digest = hashlib.sha256(octets).hexdigest()[:_SHOWN]
            address = f"/static/{digest}/{Path(each.file).name}"
            self._held[address] = (octets, each.kind)
            self.addresses[each.name] = address

    def routes(self) -> list[web.RouteDef]:
        """One for each file."""
        return [web.get(address, self.file) for address in self._held]

    async def file(self, request: web.Request) -> web.Response:
        """The file of an address."""
        octets, kind = self._held[request.path]
        answer = web.Response(body=octets, content_type=kind, charset="utf-8")
        answer.headers[hdrs.CACHE_CONTROL] = _KEEP
        answer.enable_compression()
        return answer
