"""Repositories of Git, and servers of them: `git http-backend` as web servers run it, and files.

In: a folder. Out: a repository that grows by commits; what its server answers.
Must never: read this machine's own settings of Git.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
}
"""Settings of nobody, and no questions."""
FLUSH, DELIMITER = b"0000", b"0001"


def packet(line: str) -> bytes:
    """A line as Git frames it (gitprotocol-common(5), pkt-line)."""
    return b"%04x%b\n" % (len(line) + 5, line.encode())


class Repository:
    """One repository, with a commit in it.

    Args:
        folder: of its own.

    Attributes:
        bare: where it is.
        asked: requests that its server got: method, path and `Git-Protocol`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._commits = 0
        self.bare = folder / "demo.git"
        self.asked: list[tuple[str, str, str]] = []
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        # Random bytes, so that the pack is longer than what is looked at of it.
        self.commit({"README": b"A demonstration.\n" * 50, "data.bin": os.urandom(200_000)})

    def git(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run a command of Git in it; what it says."""
        return subprocess.run(
            ["git", *arguments],
            input=given,
            cwd=self.bare if self.bare.exists() else self._folder,
            env=os.environ | ENVIRONMENT,
            check=True,
            capture_output=True,
        ).stdout

    def commit(self, files: dict[str, bytes]) -> None:
        """Add a commit with these files."""
        before = b"from refs/heads/main^0\n" if self._commits else b""
        self._commits += 1
        changes = [
            b"M 100644 inline %b\ndata %d\n%b\n" % (name.encode(), len(data), data)
            for name, data in files.items()
        ]
        stream = b"commit refs/heads/main\ncommitter T <t@force.example> 0 +0000\ndata 1\nx\n"
        given = stream + before + b"".join(changes)
        self.git("fast-import", "--quiet", given=given)
        self.git("update-server-info")

    def pack(self) -> None:
        """Have one pack of it all, in place of single objects."""
        self.git("repack", "-adq")
        self.git("update-server-info")

    def head(self) -> str:
        """The name of the latest commit."""
        return self.git("rev-parse", "main").decode().strip()

    # --- its server -----------------------------------------------------------------------

    async def smart(self, request: web.Request, rest: str) -> web.Response:
        """What `git http-backend` says (CGI, RFC 3875)."""
        self._note(request)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self._folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": f"/{rest}",
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            **ENVIRONMENT,
        }
        given = await request.read()  # which unpacks it
        process = await asyncio.create_subprocess_exec(
            "git", "http-backend", env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        said, _ = await process.communicate(given)
        head, _, body = said.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=fields, body=body)

    async def dumb(self, request: web.Request, rest: str) -> web.StreamResponse:
        """One of its files, as any web server gives it."""
        self._note(request)
        file = self._folder / rest
        return web.FileResponse(file) if file.is_file() else web.Response(status=404)

    def _note(self, request: web.Request) -> None:
        told = request.headers.get("Git-Protocol", "")
        self.asked.append((request.method, request.path, told))
