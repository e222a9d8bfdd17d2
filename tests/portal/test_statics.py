"""Files that pages run: just these, unchanged, each under the address of its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from proxy_addons.portal import statics

FOLDER = Path(statics.__file__).parent / "static"
ECHARTS = "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0"
"""SHA-256 of dist/echarts.min.js of ECharts 6.1.0, as its makers publish it."""


def test_the_library_is_as_its_makers_publish_it() -> None:
    octets = (FOLDER / "echarts-6.1.0/echarts.min.js").read_bytes()
    assert hashlib.sha256(octets).hexdigest() == ECHARTS
    assert {path.name for path in (FOLDER / "echarts-6.1.0").iterdir()} == {
        *("echarts.min.js", "LICENSE", "LICENSE-d3", "NOTICE"),
    }  # fmt: skip


async def test_files_by_the_address_of_their_hash_and_no_others() -> None:
    found = statics.Statics()
    app = web.Application()
    app.add_routes(found.routes())
    async with TestClient(TestServer(app)) as client:
        for each in statics.FILES:
            address = found.addresses[each.name]
            octets = (FOLDER / each.file).read_bytes()
            assert hashlib.sha256(octets).hexdigest()[:16] in address
            answer = await client.get(address, headers={"Accept-Encoding": "gzip"})
            assert await answer.read() == octets
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        folder = found.addresses["console"].rpartition("/")[0]
        for path in ("/static/", f"{folder}/other.js", "/static/0/console.js", f"{folder}/%2e%2e/"):
            assert (await client.get(path)).status == 404
