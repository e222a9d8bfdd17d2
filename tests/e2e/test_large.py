"""2 GB through a real gateway: looked into as a whole, with bounded memory, and nothing left over.

Run with `scripts/test -m heavy tests/e2e/test_large.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from support.gateway import Gateway
from support.running import IDENTITY
from support.scene import through
from support.waiting import come_about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.web import Web

pytestmark = pytest.mark.heavy
MIB = 1 << 20
PART = 256 * MIB
SETTINGS = {
    "largest": 3000,
    "held": {"disk": 4096},
    "archives": {"size": 4096, "seconds": 120},
    "trickle": {"after": 2},
}


def packed(path: Path, *, program: bool) -> None:
    """An archive of 2 GiB that is no smaller than what is in it."""
    piece = os.urandom(MIB)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(8):
            with archive.open(f"film-{number}.dat", "w", force_zip64=True) as member:
                for count in range(PART // MIB):
                    member.write(piece[count:] + piece[:count])
        if program:
            archive.write("/bin/true", "holiday.jpg")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module", params=["relay", "generic"])
def gateway(
    request: pytest.FixtureRequest,
    shared_web: Web,
    index: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    settings = through(shared_web, identity=IDENTITY, content=SETTINGS)
    settings["network"]["relay_lane"] = request.param == "relay"
    with Gateway(tmp_path_factory.mktemp(request.param), settings, index=index) as made:
        yield made


@pytest.mark.parametrize("program", [False, True], ids=["ordinary", "with a program"])
def test_an_archive_of_2_gib(
    gateway: Gateway, shared_web: Web, tmp_path: Path, program: bool
) -> None:
    source, got = tmp_path / "archive.zip", tmp_path / "got"
    packed(source, program=program)

    async def serve(_: web.Request, _rest: str) -> web.FileResponse:
        return web.FileResponse(source)

    shared_web.programs["large"] = serve
    free = shutil.disk_usage(gateway.data).free
    (worker,) = gateway.workers()
    try:
        reply = gateway.curl("http://www.gov.uk/large/archive.zip", "-o", str(got), timeout=400)
    finally:
        del shared_web.programs["large"]
    status = Path(f"/proc/{worker}/status").read_text()
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    (record,) = gateway.records(1, action="block" if program else "allow")
    assert int(peak) < 400_000
    if program:
        assert record["rule"] == "software-in-archives"
        size = got.stat().st_size if got.exists() else 0
        assert size < 10_000
        if reply.status == 200:
            assert reply.exit == 18, "the transfer broke off, and curl says so"
    else:
        assert digest(got) == digest(source)
        got.unlink()
    come_about(lambda: shutil.disk_usage(gateway.data).free > free - 100 * MIB)
